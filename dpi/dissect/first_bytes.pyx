"""What a flow's first bytes tell by declared signatures and by probes, where no dissector of its own has known them.

TCP: all that a side has sent so far; UDP: one datagram.  An app's declared bytes may also stand in TLS and HTTP.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.declared_table cimport Declared, declared_find
from dpi.dissect.dialogue cimport login_risk
from dpi.dissect.find cimport find_dtls
from dpi.dissect.inspector cimport Finding, Inspector, Work, opens_tunnel, work_of
from dpi.dissect.over_tls cimport in_messages, upgradable
from dpi.dissect.probes.index cimport probe
from dpi.dissect.probes.sight cimport Sight
from dpi.dissect.protocols cimport (
    P_DTLS, P_FASTCGI, P_HAPROXY, P_HTTP2, P_NETBIOS, P_SDRTN, P_SMTP, P_SOCKS, P_SSH, P_STUN, P_WHOISDAS,
)
from dpi.dissect.proxied cimport proxy_headers
from dpi.dissect.shown cimport shown_name
from dpi.dissect.ssh cimport offer_awaited
from dpi.flow.evidence cimport BY_NOTHING, BY_SIGNATURE
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.wire.packet cimport IP_TCP, IP_UDP, TCP_FIN, TCP_PSH, Packet


cdef Answer by_declaration(Inspector *s, Flow *f, int side, const Sight *sight, Finding *out) noexcept nogil:
    """What files declare.  YES: the label is the finding's protocol or app, and certain."""
    cdef const Declared *d
    cdef Work *w
    cdef Answer answer
    cdef uint32_t half = 0
    cdef uint32_t theirs = s.works[f.work].half[1 - side] if f.work != NONE else 0
    if s.declared == NULL:
        return NO
    d = declared_find(s.declared, sight, theirs, &half, &s.found, &answer)
    if d == NULL:
        if half:
            w = work_of(s, f)
            if w != NULL and w.half[side] == 0:
                w.half[side] = half
        return answer
    out.complete = 1
    if d.app:
        out.app = d.label
        out.sure = 1
    else:
        out.protocol = d.label
    out.method = BY_SIGNATURE if s.found.host_len else BY_NOTHING
    return YES


cdef void stream_goes_on(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                         Finding *out) noexcept nogil:
    """Of a TCP connection, whose protocol a probe has told: whether what comes next in it tells more."""
    if upgradable(out.protocol) or in_messages(out.protocol) and s.risks and not out.risks:
        out.complete = 0
    elif out.protocol == P_FASTCGI and s.found.host_len == 0:           # its parameters come next
        out.complete = 0
        out.goes_on = 1
    elif out.protocol == P_SOCKS and s.found.unfinished:                # a greeting: the request is the next message
        out.goes_on = 1
        s.found.unfinished = 0
    elif out.protocol == P_SOCKS:
        opens_tunnel(f, out, s.found.ends)
    elif out.protocol == P_NETBIOS and out.app == 0:                    # what the session is for (RFC 1002, 4.3.1)
        out.complete = 0
        out.goes_on = 1
        s.found.unfinished = n < 4 or n - 4 < <uint32_t>(data[2] << 8 | data[3])
    elif out.protocol == P_HAPROXY:
        proxy_headers(data, n, &out.ends)
        out.complete = 0
        out.goes_on = 1
        out.client = <uint8_t>side
    elif out.protocol == P_HTTP2:                                       # a server's settings: the client's request has the name
        out.complete = 0
        f.spent |= <uint8_t>(1 << side)
    elif out.protocol == P_SSH and offer_awaited(s, f, p, side, data, n):
        out.complete = 0


cdef void see(Sight *sight, Flow *f, int side, const uint8_t *data, uint32_t n, uint32_t wire) noexcept nogil:
    """data, n: what there is to look at; wire: how many bytes it would be had the capture not cut it."""
    sight.data, sight.n, sight.wire = data, n, wire
    sight.sport, sight.dport, sight.proto = f.port[side], f.port[1 - side], f.proto
    sight.from_opener = side == opener(f)
    sight.turn = f.payloads[side]
    sight.pushed = True
    sight.mine = &f.isn[side] if f.proto == IP_UDP else NULL        # which only TCP and DNS use otherwise
    sight.theirs = &f.isn[1 - side] if f.proto == IP_UDP else NULL


cdef void find_app_beside(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """Whose the bytes of a protocol are that has a dissector of its own, where files declare that."""
    cdef Sight sight
    cdef const Declared *d
    cdef Answer answer
    cdef Found kept
    cdef uint32_t half = 0
    if s.declared == NULL or s.declared.n == 0:
        return
    see(&sight, f, side, data, n, n)
    kept = s.found
    d = declared_find(s.declared, &sight, 0, &half, &s.found, &answer)
    s.found = kept
    if d != NULL and d.app:
        out.app = d.label
        out.sure = 1


cdef Answer find_by_first_bytes(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                                uint32_t wire, Finding *out) noexcept nogil:
    """A server's name tells the app; one of DHCP or NetBIOS is a machine's own.  data, n, wire: as for see()."""
    cdef Sight sight
    cdef Answer answer = NO
    cdef Answer declared
    cdef Found kept
    see(&sight, f, side, data, n, wire)
    sight.pushed = p.proto != IP_TCP or p.tcp_flags & (TCP_PSH | TCP_FIN) != 0
    memset(&s.found, 0, sizeof(s.found))
    declared = by_declaration(s, f, side, &sight, out)
    if declared == YES and out.protocol:
        return YES
    if declared == YES:                         # an app's bytes: what it speaks is the probes' to say
        kept = s.found
        out.protocol = probe(&sight, &s.found, &answer)
        s.found = kept
        return YES
    out.protocol = probe(&sight, &s.found, &answer)
    if answer != YES:
        return MORE if declared == MORE else answer
    if out.protocol == P_DTLS:
        return find_dtls(s, f, side, data, n, out)
    if s.found.host_len == 0 and (sight.from_opener or out.protocol != P_WHOISDAS):     # an answer's line asks for nothing
        shown_name(out.protocol, data, n, &s.found)
    out.app = s.found.app
    out.complete = not s.found.unfinished
    if p.proto == IP_TCP:
        out.risks |= login_risk(out.protocol, data, n)
        stream_goes_on(s, f, p, side, data, n, out)
    if s.found.host_len and out.protocol in (P_STUN, P_SMTP, P_SDRTN, P_SOCKS):
        out.method = BY_SIGNATURE
    return YES
