"""When a decided flow may leave the queue.

What the kernel keeps for itself overtakes what still waits in the queue.  A sender takes three segments out of order
for a loss (RFC 5681, 3.2), and one GSO packet is dozens of them: a download that left the queue in mid-burst would be
slowed down by it.  So a flow leaves at a packet behind which nothing is known to come: one that asks, or one that
acknowledges all that was sent.  One that never pauses leaves all the same, a little later.

One of QUIC or DTLS waits for the server as well: the first datagram may be forged, and only what was answered tells others
whose server it is.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t

from dpi.decide.labels cimport unanswered
from dpi.decide.shard cimport Shard
from dpi.dissect.inspector cimport NEED_QUIET
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport IP_TCP, IP_UDP, TCP_FIN, TCP_PSH, TCP_SYN, Packet


cdef enum:
    ASKING_MAX = 4096       # bytes: a ClientHello or a request, not a part of what is fetched
    WAIT_MAX = 64           # packets since it was decided


cdef bint quiet(Flow *f, const Packet *p, int side) noexcept nogil:
    """Whether nothing of the flow is on its way when this packet is through.  For each packet, before it is counted."""
    cdef uint32_t end
    if f.proto != IP_TCP:
        return not p.behind
    end = p.seq + p.payload_len + (p.tcp_flags & TCP_SYN != 0) + (p.tcp_flags & TCP_FIN != 0)
    if f.packets[side] == 0 or <int32_t>(end - f.seen[side]) > 0:
        f.seen[side] = end
    if p.behind or (f.packets[1 - side] and <int32_t>(p.ack - f.seen[1 - side]) < 0):
        return False
    return p.payload_len == 0 or (p.payload_len <= ASKING_MAX and p.tcp_flags & TCP_PSH != 0)


cdef uint16_t waits(const Shard *s, const Flow *f) noexcept nogil:
    """NEED_QUIET where a flow for which nothing more is needed has to wait; else 0."""
    if not s.offload or (f.proto != IP_TCP and f.proto != IP_UDP) or (s.quiet and not unanswered(f)):
        return 0
    return NEED_QUIET if f.packets[0] + f.packets[1] < f.decided_at + <uint32_t>WAIT_MAX else 0
