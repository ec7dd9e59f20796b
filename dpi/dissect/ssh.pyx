"""SSH's offers: what either side can do, which it says behind its version (KEXINIT; RFC 4253, 7.1).

The version names the flow; the offers have its programs' fingerprints (hassh.pyx), and nothing behind them is looked at.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, Answer
from dpi.dissect.hassh cimport hassh
from dpi.dissect.inspector cimport Finding, Inspector, Work, work_of
from dpi.dissect.protocols cimport P_SSH
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.flow.stream cimport stream_bytes, stream_put, stream_ready
from dpi.wire.packet cimport Packet


cdef Answer offer(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n) noexcept nogil:
    """A side's offer, which is the last that is looked at of it; without the client's nothing is waited for."""
    cdef bint client = side == opener(f)
    cdef char *text = &s.found.hassh[0] if client else &s.found.hassh_server[0]
    cdef Answer answer = hassh(data, n, not client, text)
    if answer == NO and client:
        f.spent = 3
    elif answer != MORE:
        f.spent |= <uint8_t>(1 << side)
    return answer


cdef Answer find_offer(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                       Finding *out) noexcept nogil:
    """Of an SSH connection that has its name: what this side offers; it is complete with the other side's."""
    cdef Answer answer
    memset(&s.found, 0, sizeof(s.found))
    answer = offer(s, f, p, side, data, n)
    out.protocol = P_SSH
    out.complete = f.spent == 3
    return answer


cdef bint past_its_offer(const Inspector *s, const Flow *f, const Packet *p, int side) noexcept nogil:
    """Whether a side of SSH whose offer was seen says more: it answers the other's.  What is kept of it, or its first
    segment, is sent again."""
    cdef int32_t offset = <int32_t>(p.seq - f.isn[side] - 1)
    cdef uint32_t ready = stream_ready(&s.works[f.work].streams[side]) if f.work != NONE else 0
    if (f.fingerprint if side == opener(f) else f.content_type) == NONE:
        return False
    return offset > 0 and <uint32_t>offset >= ready


cdef bint offer_awaited(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether offers come behind an SSH version, which is kept so that they may be cut anywhere and come in any order."""
    cdef Work *w
    if offer(s, f, p, side, data, n) != MORE:
        return f.spent != 3
    if f.work == NONE or stream_ready(&s.works[f.work].streams[side]) == 0:
        w = work_of(s, f)
        if w == NULL or not stream_put(&w.streams[side], 0, data, n):
            return False                        # there is no room to wait for the rest
        w.shown[side] = stream_ready(&w.streams[side])
        if w.shown[side] > n and offer(s, f, p, side, stream_bytes(&w.streams[side]), w.shown[side]) != MORE:
            return f.spent != 3                 # the rest had come before
    return True
