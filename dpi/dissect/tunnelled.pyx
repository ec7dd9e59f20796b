"""TLS and HTTP in the tunnel that a proxy was asked for: CONNECT of HTTP, SOCKS4 and 5.

The request is a message of its own, and the client's stream begins anew behind it (proxied.pyx), whether or not the proxy
has answered.  What comes next is a request again (with a login, or to another proxy), or the inside.  The flow stays the
proxy's; whom the inside asks for is found as if the connection had begun there.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer
from dpi.dissect.consent cimport consent
from dpi.dissect.find cimport find_asked, find_tls
from dpi.dissect.first_bytes cimport find_app_beside
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.dissect.protocols cimport P_HTTPCONNECT, P_SOCKS
from dpi.dissect.socks cimport find_request
from dpi.dissect.tls_records cimport HANDSHAKE
from dpi.flow.flow cimport FLOW_TLS, NONE, Flow, opener
from dpi.flow.stream cimport stream_drop
from dpi.wire.packet cimport TCP_ACK, Packet


cdef void within(const Flow *f, Finding *out) noexcept nogil:
    """What was found is a tunnel's inside."""
    out.inside = 1
    out.replaces = 0
    if out.protocol:
        out.protocol = f.protocol.id


cdef void answered_from_here(Inspector *s, Flow *f, const Packet *p, int server) noexcept nogil:
    """A client's hello, which p has ended: what its server sends next is its own, so all that was acknowledged is the proxy's."""
    cdef int32_t offset = <int32_t>(p.ack - 1 - f.isn[server])
    if not f.based & 1 << server or not p.tcp_flags & TCP_ACK or offset <= 0:
        return
    f.isn[server] = p.ack - 1
    f.payloads[server] = 0
    f.spent &= <uint8_t>~(1 << server)
    if f.work != NONE:
        stream_drop(&s.works[f.work].streams[server], <uint32_t>offset)
        s.works[f.work].shown[server] = 0


cdef Answer find_answered(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """What the tunnel's server says, behind the proxy's consent.  A proxy that refuses may yet be asked again."""
    cdef uint32_t at
    cdef Answer answer = consent(data, n, &at)
    if answer != YES:
        return MORE
    answer = find_tls(s, f, side, data + at, n - at, out)
    within(f, out)
    return answer


cdef Answer find_tunnelled(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                           Finding *out) noexcept nogil:
    """Of a flow to a proxy: its client's next request, and what is within the tunnel."""
    cdef Answer answer = NO
    cdef Answer asked
    if side != opener(f):
        return find_answered(s, f, side, data, n, out)
    if f.protocol.id == P_SOCKS and f.odd == 0 and (data[0] == 5 or data[0] == 1):
        return find_request(s, f, side, data, n, out)
    if data[0] == HANDSHAKE or data[0] & 0x80:
        answer = find_tls(s, f, side, data, n, out)
    if answer == YES:
        answered_from_here(s, f, p, 1 - side)
    else:
        asked = find_asked(s, f, side, data, n, out)
        if asked == YES and out.protocol == P_HTTPCONNECT:
            out.replaces = 0
            return YES if out.ends or out.complete else MORE    # it names the flow with its header's end
        answer = asked if asked != NO else answer
    if answer == NO:
        f.spent = 3                         # so nobody knows what the tunnel is for
    if answer != YES:
        return answer
    within(f, out)
    out.complete |= not f.flags & FLOW_TLS  # a request's body tells nothing more here
    out.goes_on = 0
    find_app_beside(s, f, side, data, n, out)
    return YES
