"""Events of a shard: one writer (the loop), one reader (the control plane), a ring between; see events.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.flow.flow cimport Flow


cdef enum EventKind:
    EVENT_START             # a flow's first packet
    EVENT_LABELLED          # app, protocol or disposition were set or refined
    EVENT_END               # the flow has left the table
    EVENT_LEARNT            # a DNS answer gave an address of an app that has a route
    EVENT_ASKED             # a DNS query that a cache's address may answer
    EVENT_FIRST             # what a flow was called when its first packet was through


cdef enum EndReason:
    END_NONE
    END_CLOSED              # FINs or RST
    END_IDLE
    END_EVICTED
    END_REUSED              # a new connection on the same 5-tuple
    END_REPORTED            # the kernel's conntrack told
    END_FLUSHED             # the source ended


cdef struct Event:
    uint8_t kind            # EventKind
    uint8_t reason          # EndReason
    uint8_t logged          # its rule asks for a log line
    uint8_t route           # learnt, asked: the route's number
    uint32_t ttl            # learnt: seconds
    uint64_t hold           # learnt, asked: number of the packet that waits for it, 0 for none
    uint16_t asked          # asked: bytes of the query, which is where the host would be
    uint8_t address[16]     # learnt
    int64_t time            # ns
    Flow flow               # a copy; its strings are those below
    char host[256]
    char agent[128]
    char alpn[32]
    char content_type[64]
    char ja4[40]
    char hassh[40]
    char hassh_server[40]
    char mac[24]


cdef struct Ring:
    Event *events
    uint32_t mask
    uint64_t written        # atomic: by the loop
    uint64_t read           # atomic: by the control plane
    uint64_t lost           # the ring was full: the event was counted instead


cdef bint ring_init(Ring *r, uint32_t size) noexcept nogil
cdef void ring_free(Ring *r) noexcept nogil
cdef Event *ring_reserve(Ring *r) noexcept nogil
cdef void ring_commit(Ring *r) noexcept nogil
cdef void ring_restart(Ring *r) noexcept nogil
cdef const Event *ring_peek(Ring *r) noexcept nogil
cdef void ring_advance(Ring *r) noexcept nogil
