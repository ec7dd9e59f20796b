"""Connections in clear that may go over to TLS (over_tls.pyx), and logins in them: message by message.

A message may be cut by segments, or come out of order: what a side has of one is kept in its stream until its end, and
isn[] is where the one before ended.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer
from dpi.dissect.inspector cimport Finding, Inspector, Work, work_of
from dpi.dissect.login cimport login_in_clear
from dpi.dissect.over_tls cimport BEGINS, STAYS, Step, cut_short, upgradable, upgrade
from dpi.dissect.risks cimport RISK_CREDENTIALS
from dpi.dissect.tls_records cimport CLIENT_HELLO, RECORD_HEADER
from dpi.flow.flow cimport FLOW_TLS, NONE, Flow
from dpi.flow.stream cimport STREAM_MAX, Stream, stream_bytes, stream_drop, stream_free, stream_put, stream_ready
from dpi.wire.packet cimport Packet


cdef Answer in_clear(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    """YES: from here on it is TLS; the streams begin anew.  NO: it never will be."""
    cdef Answer answer = goes_over(s, f, p, side, p.payload, p.n, out)
    return rejoined(s, f, p, side, out) if answer == MORE else answer


cdef uint32_t login_risk(uint16_t protocol, const uint8_t *data, uint32_t n) noexcept nogil:
    return RISK_CREDENTIALS if login_in_clear(protocol, data, n) else 0


cdef Answer goes_over(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                      Finding *out) noexcept nogil:
    """Whether a protocol in clear goes over to TLS with these bytes: then the streams begin anew.  NO: never."""
    cdef Step step = upgrade(f.protocol.id, f.payloads[side], data, n)
    cdef uint32_t risk = login_risk(f.protocol.id, data, n)
    cdef bint in_order = data != p.payload or f.based & 1 << side and p.seq == f.isn[side] + 1
    out.risks |= risk
    if step == STAYS or risk and not upgradable(f.protocol.id):
        f.spent = 3
        return NO
    if step != BEGINS:
        return MORE
    f.flags |= FLOW_TLS
    f.based |= <uint8_t>(1 << side)
    f.spent = f.payloads[0] = f.payloads[1] = 0
    if not in_order:
        f.isn[side] = p.seq - 1
        clear(s, f, side)
    if data[RECORD_HEADER] == CLIENT_HELLO:         # the server was waiting for it: what it sends next is its own
        f.based = 3
        f.isn[1 - side] = p.ack - 1
    clear(s, f, 1 - side)
    return YES


cdef Answer rejoined(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    """The same of a message that segments cut short, or brought out of order; isn[] is where the one before ends."""
    cdef uint8_t bit = <uint8_t>(1 << side)
    cdef int32_t offset
    cdef Work *w = &s.works[f.work] if f.work != NONE else NULL
    cdef Stream *joined
    cdef uint32_t ready
    cdef Answer answer
    if not f.based & bit:
        f.based |= bit
        f.isn[side] = p.seq - 1
    offset = <int32_t>(p.seq - f.isn[side] - 1)
    if offset == 0 and (w == NULL or w.streams[side].block == NULL) and not cut_short(f.protocol.id, p.payload, p.n):
        f.isn[side] += p.payload_len
        return MORE
    if offset + <int32_t>p.n <= 0 or offset >= STREAM_MAX:      # sent again, or far ahead
        return MORE
    w = work_of(s, f)
    if w == NULL or not stream_put(&w.streams[side], <uint32_t>offset, p.payload, p.n):
        return MORE
    joined = &w.streams[side]
    ready = stream_ready(joined)
    if ready == 0 or cut_short(f.protocol.id, stream_bytes(joined), ready):
        return MORE
    answer = goes_over(s, f, p, side, stream_bytes(joined), ready, out)
    if answer == MORE:
        message_ends(s, f, p, side, False, stream_bytes(joined), ready)
    elif answer == YES:
        w.shown[side] = 0
    return answer


cdef void message_ends(Inspector *s, Flow *f, const Packet *p, int side, bint cut, const uint8_t *data,
                       uint32_t n) noexcept nogil:
    """What a side has sent was read, with p as its last, and the next is another message; one cut short is kept for its rest."""
    cdef Work *w
    if not cut:
        n += p.payload_len - p.n        # the capture may have cut it
        f.isn[side] += n
        if f.work != NONE:
            stream_drop(&s.works[f.work].streams[side], n)
            s.works[f.work].shown[side] = 0
    elif f.work == NONE or data != stream_bytes(&s.works[f.work].streams[side]):
        w = work_of(s, f)
        if w != NULL and stream_put(&w.streams[side], 0, data, n):
            w.shown[side] = n


cdef void clear(Inspector *s, Flow *f, int side) noexcept nogil:
    if f.work != NONE:
        stream_free(&s.works[f.work].streams[side])
        s.works[f.work].shown[side] = 0
