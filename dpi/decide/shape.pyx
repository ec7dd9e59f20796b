"""The shape of a nameless flow: where its owner has video, the first minute is watched for bursts."""

from libc.stdint cimport int64_t, uint16_t

from dpi.decide.labels cimport categorise, improve
from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_QUIC, P_TLS
from dpi.flow.table cimport FLOW_NAMED, NONE, Flow, opener
from dpi.match.evidence cimport BY_BEHAVIOUR, BY_PORT, BY_PREFIX, confidence_of
from dpi.match.prefixes cimport prefix_match
from dpi.wire.packet cimport Packet


cdef enum:
    BURST_MIN = 192 << 10   # bytes: a second of 1.5 Mbit/s, the least that players fetch at a time
    BURSTS = 3              # a page and its pictures come in one or two
    WATCH_PACKETS = 8192


cdef int64_t BURST_GAP = 400000000      # ns: longer than a round trip, shorter than a player waits
cdef int64_t WATCH_TIME = 60000000000


cdef uint16_t owner_of(Shard *s, const Flow *f) noexcept nogil:
    """Whose address it is, where nothing better names the flow; 0 for nobody's."""
    if f.app.id:
        return f.app.id if f.app.method == BY_PREFIX else 0
    return prefix_match(s.prefixes, f.addr[1 - opener(f)]) if s.prefixes != NULL and f.host == NONE else 0


cdef bint shape_begin(Shard *s, Flow *f) noexcept nogil:
    """Whether the shape of the flow may yet tell what it is.

    isn[], of no use any more, holds the bytes of the burst that goes on and how many there were.
    """
    cdef bint hidden = f.protocol.id == P_TLS or f.protocol.id == P_QUIC or f.protocol.id == 0 or (
        f.protocol.method == BY_PORT)
    if not hidden or not s.video[owner_of(s, f)] or f.flags & FLOW_NAMED:
        return False
    if not f.bytes[1 - opener(f)]:
        return False
    f.isn[0] = f.isn[1] = 0
    return True


cdef bint shape_watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Tells video by its bursts: a player fetches some seconds of it at full speed, then waits (RFC 9317, 2.1).

    True once there is nothing more to be seen, whatever the flow is called then.
    """
    cdef int server = 1 - opener(f)
    cdef bint video
    if p.time - f.last >= BURST_GAP:
        f.isn[1] += f.isn[0] >= BURST_MIN
        f.isn[0] = 0
    if side == server and f.isn[0] < BURST_MIN:
        f.isn[0] += p.length
    video = f.isn[1] >= BURSTS and f.bytes[server] > 16 * f.bytes[1 - server]
    if video and improve(&f.app, s.video[owner_of(s, f)], BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR)):
        categorise(s, f)
    return video or p.time - f.start >= WATCH_TIME or f.packets[0] + f.packets[1] >= WATCH_PACKETS
