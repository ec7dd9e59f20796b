"""What comes behind a closed connection: segments that its other end still sends, or sends again, into the void.

A connection's entry stays for as long as the kernel knows it, ten seconds after a reset, and takes these.  Those that come
later find none, begin a flow, and show nothing in it; no more is to be said of them than the record says that is written.
So each shard remembers, by their hash, connections that have ended.
"""

from libc.stdint cimport int64_t, uint8_t

from dpi.decide.shard cimport CLOSED, Closed, Shard
from dpi.flow.events cimport END_REPORTED, END_REUSED
from dpi.flow.evidence cimport BY_NOTHING, BY_PORT
from dpi.flow.flow cimport CARRYING, FLOW_NAMED, FLOW_SYN_SEEN, STATE_CLOSING, Flow
from dpi.wire.packet cimport IP_TCP


cdef int64_t LATE = 60000000000     # ns behind a connection's end; senders try again for longer, but ever more rarely (RFC 6298, 5.5)


cdef void closed_learn(Shard *s, const Flow *f, uint8_t reason) noexcept nogil:
    """A flow has ended.  One that goes for another reason than its connection's end may go on."""
    cdef Closed *place = &s.closed[f.hash & (CLOSED - 1)]
    if f.proto == IP_TCP and reason != END_REUSED and (f.state >= STATE_CLOSING or reason == END_REPORTED):
        place.hash = f.hash
        place.time = s.now


cdef bint closed_before(const Shard *s, const Flow *f) noexcept nogil:
    """Whether a flow is but what came behind another's end: few segments without a SYN, that tell nothing."""
    cdef const Closed *place = &s.closed[f.hash & (CLOSED - 1)]
    if f.proto != IP_TCP or s.merge or place.hash != f.hash or not 0 <= f.start - place.time <= LATE:
        return False
    return (not f.flags & (FLOW_NAMED | FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1) and f.packets[0] + f.packets[1] < CARRYING
            and (f.protocol.method == BY_NOTHING or f.protocol.method == BY_PORT))
