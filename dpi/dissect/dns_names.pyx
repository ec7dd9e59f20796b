"""Names asked of DNS that are not names: data on its way through a tunnel, and domains that a program made up.

Both are told by pairs of neighbouring characters.  In names that people choose few pairs are rare: letters that do not
stand beside each other in words, a digit beside a letter.  In hashes, base32 and what generators of domains print
every second one is.  The table of usual pairs holds 341 of the 676 pairs of letters: 338 that make up 93 % of those in the
registered domains of dpi/signatures (23,000 names, 2026-11), and "cz", "rz" and "sz", with which Polish spells single sounds.

Measured there and on 4,838 domains of a public list (2026-08) that were no source of the table, punycode left out:
made_up() takes none of the latter for made up and 6 of the former, and 3 of 4 random ones of 12 to 20 letters.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, strlen


cdef enum:
    CODED_MIN = 16          # characters of a label that can be data; shorter ones say too little
    SOME = 32               # such characters in a name: a hash, as lookups of reputation carry, or some data
    MANY = 90               # more than any hash in hexadecimal: data
    MADE_UP_MIN = 12        # characters of a domain
    RARE_MIN = 5            # rare pairs in it, and 40 % of all
    TYPE_NULL = 10          # RFC 1035, 3.3.10: any data; nothing else asks for it
    TYPE_TXT = 16
    TYPE_PRIVATE = 65399    # in the private range (RFC 6895, 3.1), as tunnels take it

TUNNEL = TUNNEL_WEIGHT

# By first letter: a bit for each usual second one.
cdef uint32_t *USUAL = [
    0x37efdef, 0x1165915, 0x21e6d9f, 0x01ef17f, 0x1fefdff, 0x01a4931, 0x01e6991, 0x05cc119, 0x2aefc7f,
    0x0000111, 0x0144111, 0x11cd93f, 0x154d157, 0x1bcfdff, 0x1feff7f, 0x01ec997, 0x0100000, 0x33efd7f,
    0x35cfdbf, 0x17ef9ff, 0x10ef95f, 0x0004111, 0x0044195, 0x088a100, 0x01cd11f, 0x0004090,
]
# Top-level names that are nobody's in the public DNS: RFC 6761, RFC 6762 appendix G, ICANN's `internal`; and reverse.
cdef const char **OWN = [
    b"arpa", b"corp", b"example", b"home", b"internal", b"intranet", b"invalid", b"lan", b"local", b"localdomain",
    b"localhost", b"private", b"test", b"workgroup", NULL,
]


cdef inline bint is_letter(char c) noexcept nogil:
    return c"a" <= c <= c"z"


cdef inline bint is_rare(char a, char b) noexcept nogil:
    """Whether two neighbours are a rare pair.  "?" stands for what is no text; a hyphen goes with all."""
    if a == c"?" or b == c"?":
        return True
    if is_letter(a) and is_letter(b):
        return not USUAL[a - 97] >> (b - 97) & 1
    return is_letter(a) != is_letter(b) and a != c"-" and b != c"-" and a != c"_" and b != c"_"


cdef uint32_t rare_pairs(const char *label, uint32_t n, uint32_t *pairs) noexcept nogil:
    cdef uint32_t rare = 0
    cdef uint32_t i
    pairs[0] = 0
    for i in range(1, n):
        if label[i - 1] == c"-" or label[i] == c"-":
            continue
        pairs[0] += 1
        rare += is_rare(label[i - 1], label[i])
    return rare


cdef uint32_t last_labels(const char *name, uint32_t n, uint32_t labels) noexcept nogil:
    """Where the last so many labels of a name begin; 0 where it has no more."""
    while n:
        if name[n - 1] == c".":
            labels -= 1
            if labels == 0:
                return n
        n -= 1
    return 0


cdef uint8_t tunnel_weight(const char *name, uint32_t n, uint16_t qtype) noexcept nogil:
    """How much a question looks like data, 0 to TUNNEL_WEIGHT; name: lower case, without trailing dot."""
    cdef uint32_t end = last_labels(name, n, 2)
    cdef uint32_t start = 0
    cdef uint32_t coded = 0
    cdef uint32_t pairs, rare, i
    for i in range(end):
        if name[i] != c".":
            continue
        if i - start >= CODED_MIN:
            rare = rare_pairs(name + start, i - start, &pairs)
            if rare * 10 >= pairs * 3 and pairs >= CODED_MIN - 4:
                coded += i - start
        start = i + 1
    if coded >= MANY:
        return TUNNEL_WEIGHT
    if qtype == TYPE_NULL or qtype == TYPE_PRIVATE:
        return TUNNEL_WEIGHT if coded else 1
    return (1 if coded >= SOME else 0) + (1 if coded and qtype == TYPE_TXT else 0)


cdef bint made_up(const char *name, uint32_t n) noexcept nogil:
    """Whether a name's registered domain looks random: its last label but one, or two below "co.uk" and the like."""
    cdef uint32_t top = last_labels(name, n, 1)
    cdef uint32_t second = last_labels(name, n, 2)
    cdef uint32_t start = second
    cdef uint32_t end, pairs, rare
    cdef const char **own = OWN
    if top == 0:
        return False
    end = top - 1
    while own[0] != NULL:
        if strlen(own[0]) == n - top and memcmp(own[0], name + top, n - top) == 0:
            return False
        own += 1
    if second and n - top == 2 and end - second <= 3:
        end = second - 1
        start = last_labels(name, n, 3)
    if end - start < MADE_UP_MIN or memcmp(name + start, <const char *>b"xn--", 4) == 0:
        return False
    rare = rare_pairs(name + start, end - start, &pairs)
    return rare >= RARE_MIN and rare * 5 >= pairs * 2


def weight(name: str, qtype: int = 1) -> int:
    """tunnel_weight() of a question; from TUNNEL on, over the questions of a flow, they are a tunnel's."""
    cdef bytes text = name.lower().encode("ascii", "replace")
    return tunnel_weight(text, <uint32_t>len(text), <uint16_t>qtype)


def is_made_up(name: str) -> bool:
    """made_up() of a name."""
    cdef bytes text = name.lower().encode("ascii", "replace")
    return bool(made_up(text, <uint32_t>len(text)))
