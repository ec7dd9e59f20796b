"""The table of rules that the loop asks; see rule_table.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp


cdef enum:
    KEY_MAX = 258           # bytes, with its kind


cdef enum Kind:
    KEY_LABEL = 1           # app or protocol
    KEY_PROTOCOL
    KEY_CATEGORY
    KEY_SUFFIX              # the name and all below it
    KEY_BELOW
    KEY_EXACT
    KEY_LOCAL
    KEY_REMOTE
    KEY_PORT
    KEY_VLAN
    KEY_MAC
    KEY_JA4
    KEY_JA4_BEGINS          # the beginning of one
    KEY_ALPN


cdef enum Opened:
    OPENED_UNKNOWN
    OPENED_OUT              # from the LAN
    OPENED_IN


cdef struct Question:       # what is known of a flow
    const char *host        # "" for none
    uint32_t host_len
    const char *ja4         # as host
    const char *alpn
    uint8_t mac[16]         # of the local side: 6 bytes, then zeros
    const uint8_t *local    # 16 bytes each
    const uint8_t *remote
    uint16_t app
    uint16_t protocol
    uint16_t port           # of the side that was opened to
    uint16_t vlan
    uint8_t category
    uint8_t proto
    uint8_t dscp
    uint8_t opened          # Opened
    uint8_t has_mac


cdef struct Span:           # a run of RuleTable.numbers, .prefixes or .lists
    uint32_t at
    uint32_t n


cdef struct Rule:
    Span apps               # sorted
    Span protocols          # sorted
    Span categories
    Span hosts              # of RuleTable.lists: numbers of keys
    Span ja4                # the same
    Span alpn
    Span local              # of RuleTable.prefixes
    Span remote
    Span macs               # the same
    Span ports              # pairs: from, to
    Span transports
    Span dscp
    Span vlans
    uint16_t disposition
    uint8_t opened          # Opened; OPENED_UNKNOWN: either
    uint8_t route
    uint8_t log


cdef struct RulePrefix:
    uint8_t addr[16]
    uint8_t bits


cdef struct Key:            # of the index: kind and value, and which rules have it
    uint32_t text           # in RuleTable.text
    uint32_t length
    uint32_t hash
    Span rules              # of RuleTable.lists, ascending


cdef struct RuleTable:
    Rule *rules
    uint32_t n
    uint16_t *numbers
    RulePrefix *prefixes
    uint32_t *lists
    uint8_t *text
    Key *keys               # [0] holds the rules that no key leads to
    uint32_t *slots         # hash → key; 0: empty
    uint32_t mask
    uint8_t local_bits[129]     # 1: there is a key for a local prefix of this length
    uint8_t remote_bits[129]
    uint8_t mac_bits[129]
    uint8_t by_text         # there are rules by JA4 or ALPN


cdef uint32_t rules_ask(const RuleTable *t, const Question *q) noexcept nogil


cdef inline uint32_t hash_key(const uint8_t *text, uint32_t n) noexcept nogil:
    """FNV-1a.  The keys are the admin's, so nobody else can make them collide."""
    cdef uint32_t h = 2166136261
    cdef uint32_t i
    for i in range(n):
        h = (h ^ text[i]) * 16777619
    return h ^ h >> 15


cdef inline bint within(const RulePrefix *p, const uint8_t *addr) noexcept nogil:
    """Whether a prefix holds an address of 16 bytes."""
    cdef int whole = p.bits >> 3
    cdef int rest = p.bits & 7
    if memcmp(p.addr, addr, whole) != 0:
        return False
    return rest == 0 or (p.addr[whole] ^ addr[whole]) >> (8 - rest) == 0
