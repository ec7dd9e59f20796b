"""A shard: a flow table, what names its flows, what becomes of them, and what is told of it; by one thread at a time.

A source holds the shard's lock for a batch of packets; see _fastpath.pxd.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.dissect.inspector cimport Inspector
from dpi.flow.events cimport Ring
from dpi.flow.strings cimport Strings
from dpi.flow.table cimport Table
from dpi.match.hosts cimport HostTable
from dpi.match.name_table cimport NameTable
from dpi.match.ports cimport PortTable
from dpi.match.prefix_table cimport PrefixTable
from dpi.match.rule_table cimport RuleTable
from dpi.wire.mutex cimport pthread_mutex_t


cdef enum Wants:            # events beside a flow's end
    WANT_START = 1
    WANT_LABELLED = 2
    WANT_FIRST = 4          # what is known of a flow when its first packet is through


cdef enum Blind:            # what of the names that payloads show is left out, to measure what remains
    SEES_NAMES
    SEES_DNS                # DNS questions and answers alone
    SEES_NONE


cdef enum:
    LABELS = 65536          # numbers that a label may have: it is 16 bits


cdef enum Trait:            # of a label
    TRAIT_SHARED = 1        # its hosts and addresses carry others' apps
    TRAIT_CALL = 2          # it is the calls of some app
    TRAIT_MIXED = 4         # services with labels of their own are at its addresses


cdef struct Counters:
    uint64_t packets
    uint64_t bytes
    uint64_t inspected      # packets that a dissector looked at
    uint64_t flows
    uint64_t decided
    uint64_t named          # of these, with an app or a protocol
    uint64_t decided_at     # sum of the packets that deciding took
    uint64_t ended
    uint64_t evicted
    uint64_t idle
    uint64_t refused        # packets for which no flow could be made
    uint64_t held
    uint64_t learnt


cdef struct Learnt:         # what the control plane was told a moment ago
    uint64_t tag
    int64_t settled         # from when on the kernel has it as well
    int64_t until


cdef struct Habit:          # what a client used a fingerprint for (near.pyx)
    uint64_t tag            # of both; 0: free
    int64_t seen            # ns: the last time
    uint16_t app            # 0: none that is known
    uint8_t several         # another one too
    uint8_t times           # how often, as far as that counts


cdef struct Machine:        # which address of IPv4 a device has (device.pyx)
    uint64_t mac            # 0: free
    uint8_t address[16]
    int64_t seen            # ns: the last time
    int64_t several         # ns: until then it counts as one that passes on what others send


cdef struct Closed:         # a connection that has ended (closed.pyx)
    uint32_t hash           # the flow table's
    int64_t time            # ns


cdef struct Shard:
    pthread_mutex_t mutex
    Table *table
    Strings *strings
    Inspector inspector
    Ring ring
    Counters counters
    int64_t now             # ns: the newest packet's time
    # What labels come from; owned by the Core's signatures and names.
    const HostTable *hosts
    const PrefixTable *prefixes
    const PortTable *ports
    NameTable *names
    const RuleTable *app_rules  # the signature files' own; NULL: there are none
    uint8_t *category       # [LABELS] by label
    uint16_t *video         # [LABELS] what a nameless flow of an owner's is when it has the shape of video
    uint16_t *calls         # [LABELS] what an app's STUN, DTLS and RTP are
    uint16_t *push          # [LABELS] what an owner's push service is
    uint8_t *traits         # [LABELS] Trait bits by label
    # What becomes of them; NULL while there is no policy.
    const RuleTable *rules
    const RuleTable *routes
    Learnt *learnt
    Habit *habits           # [HABITS]
    Machine *machines       # [MACHINES]
    Closed *closed          # [CLOSED]
    int64_t many            # addresses of long answers that may be learnt now (answers.pyx), as of …
    int64_t many_at         # … this time
    uint64_t holds          # packets held so far; the number of the last one
    uint8_t overrides       # a bit for each route whose servers' names are to lead to a cache's own address
    uint8_t answers         # … of which somebody answers queries now
    uint32_t mark_final
    uint8_t mark_shift
    uint8_t offload         # decided flows leave the queue
    uint8_t quiet           # nothing of the flow is behind the packet that is looked at (decide/quiet.pyx)
    uint8_t merge           # a 5-tuple is one flow for as long as the source lasts
    uint8_t wants           # Wants
    uint8_t blind           # Blind
    uint8_t hearsay         # a DNS answer teaches where its client's packets do not come by here


cdef enum:
    LEARNT = 4096           # addresses that the control plane was told lately
    HABITS = 8192
    MACHINES = 2048
    CLOSED = 16384


cdef Shard *shard_new(uint32_t flows, uint32_t events) noexcept nogil
cdef void shard_free(Shard *shard) noexcept nogil
cdef void lock(Shard *shard) noexcept nogil
cdef void unlock(Shard *shard) noexcept nogil
