"""A batch of decoded packets through a shard as the queue takes it there, the events thrown away."""

from dpi._fastpath cimport EVENTS_A_PACKET, hint_again, process
from dpi.capture.decision cimport Decision
from dpi.decide.shard cimport Shard
from dpi.flow.events cimport ring_advance, ring_peek
from dpi.wire.packet cimport Packet


cdef inline void through(Shard *s, Packet *packets, int n) noexcept nogil:
    """hint() was called for each; one with version 0 is none."""
    cdef Decision d
    cdef int i
    for i in range(n):
        if packets[i].version:
            hint_again(s, &packets[i])
    for i in range(n):
        if packets[i].version:
            process(s, &packets[i], &d)
            if s.ring.written - s.ring.read + EVENTS_A_PACKET > s.ring.mask:
                while ring_peek(&s.ring) != NULL:
                    ring_advance(&s.ring)
