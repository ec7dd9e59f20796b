"""What TLS, DTLS, HTTP, DNS and QUIC tell of a flow: which protocol it is, whose name it shows, what is still wanted.

Their dissectors read bytes and know nothing of flows; here what they found becomes a finding about one.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from dpi.dissect.answer cimport MORE, NO, TARGET_ABSOLUTE, TARGET_AUTHORITY, YES, Answer, Found
from dpi.dissect.consent cimport consent
from dpi.dissect.dns_names cimport TUNNEL_WEIGHT, made_up, tunnel_weight
from dpi.dissect.dtls cimport dtls_datagram, dtls_told
from dpi.dissect.http cimport http_begun, http_request, http_response
from dpi.dissect.http2 cimport http2_request
from dpi.dissect.inspector cimport (
    NEED_ANSWER,
    SAID_HTTP,
    SAID_NOTHING,
    SAID_TLS,
    Finding,
    Inspector,
    Work,
    hello_begun,
    is_tunnel_of,
    opens_tunnel,
    unknown,
    work_of,
)
from dpi.dissect.over_http cimport body_awaited, by_answer, by_body, over_http
from dpi.dissect.over_tls cimport carried_by_tls, implicit_tls, secured, upgradable
from dpi.dissect.protocols cimport (
    P_ANYDESK,
    P_APPLEPUSH,
    P_DNS,
    P_DOHDOT,
    P_DTLS,
    P_FASTCGI,
    P_HAPROXY,
    P_HTTP,
    P_HTTP2,
    P_HTTPCONNECT,
    P_HTTPPROXY,
    P_OCSP,
    P_QUIC,
    P_RDP,
    P_TLS,
    P_TOR,
)
from dpi.dissect.proxied cimport proxy_begun
from dpi.dissect.quic cimport QuicState, quic_datagram, quic_state_free, quic_state_init
from dpi.dissect.quic_header cimport quic_looks
from dpi.dissect.risks cimport RISK_CREDENTIALS, RISK_DNS_TUNNEL, RISK_MADE_UP_NAME, RISK_OBSOLETE_TLS
from dpi.dissect.shown cimport shown_name
from dpi.dissect.tls cimport DTLS_1_0, TLS_1_2, tls_client_hello
from dpi.dissect.tls_records cimport CLIENT_HELLO, HANDSHAKE, RECORD_HEADER, tls_records
from dpi.dissect.tls_server cimport tls_server_hello
from dpi.dissect.tor cimport tor_certificate, tor_hello, tor_name
from dpi.flow.evidence cimport BY_CERTIFICATE, BY_DNS_QUERY, BY_HTTP_HOST, BY_NOTHING, BY_QUIC_SNI, BY_SNI
from dpi.flow.flow cimport FLOW_NAMED, FLOW_TLS, HOST_IN_HELLO, NONE, Flow, opener
from dpi.flow.stream cimport STREAM_MAX, Stream, stream_bytes, stream_ready
from dpi.wire.packet cimport Packet


cdef enum:
    ODD_SHARE = 4           # packets of a DNS flow that one odd question explains


cdef uint16_t tls_by_port(const Flow *f, const char *alpn) noexcept nogil:
    """Either port counts: of a flow joined in the middle, who opened it is not known."""
    cdef uint16_t label = implicit_tls(server_port(f), alpn)
    return label if label != P_TLS else implicit_tls(f.port[opener(f)], alpn)


cdef void find_carried(const Inspector *s, const Flow *f, Finding *out) noexcept nogil:
    """What TLS or QUIC carries, by what is in s.found.  Sure by its ALPN; a port alone gives way to a name's app."""
    out.app = carried_by_tls(server_port(f) if f.alpn == NONE else 0, s.found.alpn)
    out.sure = s.found.alpn[0] and out.app in (P_ANYDESK, P_APPLEPUSH, P_DOHDOT)


cdef void speaks_tls(Inspector *s, Flow *f, Finding *out) noexcept nogil:
    """The protocol's name, and what it carries, by what is in s.found."""
    cdef uint16_t before = f.protocol.id
    if f.flags & FLOW_TLS and upgradable(before):
        out.protocol = secured(before)
        out.replaces = 1
        out.app = P_RDP if before == P_RDP else 0
    else:
        out.protocol = tls_by_port(f, s.found.alpn)
        find_carried(s, f, out)
    f.flags |= FLOW_TLS


cdef bint names_nobody(const char *host) noexcept nogil:
    """A server name without a dot, or an address: the certificate may tell more."""
    cdef uint32_t i = 0
    cdef bint dotted = False
    cdef bint letters = False
    while host[i]:
        dotted |= host[i] == c"."
        letters |= c"a" <= host[i] <= c"z"
        i += 1
    return not dotted or not letters


cdef Answer answered_tls(Inspector *s, const Flow *f, const uint8_t *data, uint32_t n, bint last) noexcept nogil:
    """Reads what a server has sent; last: it is all that will come.  Of a decided flow only risks are looked for."""
    memset(&s.server, 0, sizeof(s.server))
    s.server.last = last
    s.server.certificate.asked = s.asked
    s.server.certificate.brief = f.needs & NEED_ANSWER != 0
    return tls_server_hello(data, n, &s.server)


cdef bint begun(const Inspector *s, const Flow *f, int side) noexcept nogil:
    """Whether a side is not done with, and a part of its message is kept: a header that was cut, an answer out of order."""
    return f.work != NONE and not f.spent & 1 << side and s.works[f.work].streams[side].block != NULL


cdef bint find_cut_answer(Inspector *s, const Flow *f, Finding *out) noexcept nogil:
    """What a TLS server said whose certificate did not come to its end."""
    cdef const Stream *stream
    cdef int side
    cdef uint32_t at
    if f.work == NONE or not f.flags & FLOW_TLS:
        return False
    for side in range(2):
        stream = &s.works[f.work].streams[side]
        if f.spent & 1 << side or stream_ready(stream) == 0:
            continue
        at = 0
        if is_tunnel_of(f.protocol.id) and consent(stream_bytes(stream), stream_ready(stream), &at) != YES:
            continue
        memset(out, 0, sizeof(Finding))
        answered_tls(s, f, stream_bytes(stream) + at, stream_ready(stream) - at, True)
        if s.server.tls_version:
            out.server = SAID_TLS
            return True
    return False


cdef Answer find_tls(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """The client's hello names the flow.  Where it is nameless, or was not seen, the server's certificate does."""
    cdef Answer client, server
    memset(&s.found, 0, sizeof(s.found))
    client = tls_client_hello(data, n, &s.found)
    if client == YES:
        speaks_tls(s, f, out)
        if 0 < s.found.tls_version < TLS_1_2:
            out.risks |= RISK_OBSOLETE_TLS
        out.client = <uint8_t>side
        out.method = BY_SNI if s.found.host_len else BY_NOTHING
        if out.app == 0 and tor_hello(&s.found):
            out.app = P_TOR
        out.complete = out.app == P_TOR or s.found.host_len > 0 and not names_nobody(s.found.host) and not tor_name(s.found.host)
        f.spent |= <uint8_t>(1 << side)
        return YES
    server = answered_tls(s, f, data, n, False)
    if s.server.tls_version:
        out.server = SAID_TLS
    if server == YES:
        memset(&s.found, 0, sizeof(s.found))
        out.complete = f.flags & FLOW_TLS != 0
        speaks_tls(s, f, out)
        out.client = <uint8_t>(1 - side)
        memcpy(s.found.host, s.server.host, sizeof(s.found.host))
        s.found.host_len = s.server.host_len
        if s.server.certificate.present:
            out.method = BY_CERTIFICATE
            if out.app == 0 and tor_certificate(&s.server.certificate):
                out.app = P_TOR
        f.spent |= <uint8_t>(1 << side)
        return YES
    if client == MORE or server == MORE:
        return MORE
    if unknown(f) and tls_records(data, n) == YES:  # joined in the middle of it
        memset(&s.found, 0, sizeof(s.found))
        speaks_tls(s, f, out)
        f.spent |= <uint8_t>(1 << side)
        return YES
    return NO


cdef uint16_t request_protocol(const Found *found) noexcept nogil:
    """What HTTP is called by the form of a request's target."""
    if found.target == TARGET_AUTHORITY:
        return P_HTTPCONNECT
    return P_HTTPPROXY if found.target == TARGET_ABSOLUTE else P_HTTP


cdef Answer find_asked(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """A request of HTTP's."""
    cdef Answer request
    memset(&s.found, 0, sizeof(s.found))
    request = http_request(data, n, &s.found)
    if request == YES and s.found.alpn[0]:      # HTTP/2 by its preface
        request = http2_request(data, n, &s.found)
        if request == MORE and n < STREAM_MAX:
            return MORE
        out.protocol = P_HTTP2
        out.client = <uint8_t>side
        out.method = BY_HTTP_HOST if s.found.host_len else BY_NOTHING
        out.complete = 1
        out.replaces = 1
        return YES
    if request == YES:
        out.protocol = request_protocol(&s.found)
        if out.protocol != P_HTTPCONNECT:
            s.found.unfinished &= s.risks
        if s.found.credentials:
            out.risks |= RISK_CREDENTIALS
        out.replaces = 1
        out.client = <uint8_t>side
        out.method = BY_HTTP_HOST if s.found.host_len else BY_NOTHING
        out.app = over_http(data, n, &s.found)
        out.sure = out.app == P_OCSP
        out.complete = not (out.app == 0 and out.protocol == P_HTTP and body_awaited(data, n, &s.found))
        if out.protocol == P_HTTPCONNECT:
            out.tunnel = s.found.unfinished
            out.complete = not s.found.unfinished
            opens_tunnel(f, out, s.found.ends)
        out.goes_on = not out.complete or s.found.unfinished    # with the body, or with the rest of the header
        if not out.goes_on or f.needs & NEED_ANSWER and not s.found.unfinished:
            f.spent |= <uint8_t>(1 << side)
    return request


cdef Answer find_http(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """The request names the flow; a response seen first says what it is."""
    cdef Answer request = find_asked(s, f, side, data, n, out)
    cdef Answer response
    if request == YES or request == MORE and s.found.alpn[0]:
        return request
    memset(&s.server, 0, sizeof(s.server))
    out.server = SAID_NOTHING                   # what TLS may have left there is gone
    response = http_response(data, n, &s.server)
    if response == YES:
        out.server = SAID_HTTP
        if f.needs & NEED_ANSWER:
            if s.server.awaited and n < STREAM_MAX:
                return MORE
            out.asks = s.server.asks
            f.spent = 3                         # the request was read
        memset(&s.found, 0, sizeof(s.found))
        memcpy(s.found.content_type, s.server.content_type, sizeof(s.found.content_type))
        out.protocol = P_HTTP
        out.client = <uint8_t>(1 - side)
        if not f.needs & NEED_ANSWER:
            out.app = by_answer(data, n, s.server.content_type)
        out.complete = s.server.status >= 200 and f.protocol.id == P_HTTP and f.payloads[1 - side] > 0
        f.spent |= <uint8_t>(1 << side)
        return YES
    if request == NO and response == NO and f.protocol.id == P_HTTP:        # a body that was awaited
        memset(&s.found, 0, sizeof(s.found))
        out.protocol = P_HTTP
        out.client = <uint8_t>side
        out.app = by_body(data, n)
        out.complete = 1
        return YES
    return MORE if request == MORE or response == MORE else NO


cdef bint untold(const Flow *f) noexcept nogil:
    """Whether the start of a message may tell something new: what a flow is, or its name where only that is known, because
    the other side has told it."""
    if f.flags & FLOW_TLS:
        return f.asked != HOST_IN_HELLO         # a certificate's name is less than the client's
    return unknown(f) or not f.flags & FLOW_NAMED and f.protocol.id in (P_HTTP, P_HTTP2, P_FASTCGI)


cdef bint find_unfinished(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """What the start of a hello, a request or an answer tells whose rest never came: cut in the capture, or lost.

    A name is told only where it is all there.
    """
    if f.protocol.id == P_FASTCGI:
        memset(&s.found, 0, sizeof(s.found))
        shown_name(P_FASTCGI, data, n, &s.found)
        out.protocol = P_FASTCGI
        return s.found.host_len > 0
    memset(&s.found, 0, sizeof(s.found))
    if n > RECORD_HEADER and data[0] == HANDSHAKE and data[RECORD_HEADER] == CLIENT_HELLO and (
            tls_client_hello(data, n, &s.found) == MORE):
        speaks_tls(s, f, out)
        out.client = <uint8_t>side
        out.method = BY_SNI if s.found.host_len else BY_NOTHING
        return True
    memset(&s.server, 0, sizeof(s.server))
    if tls_server_hello(data, n, &s.server) == MORE and s.server.tls_version:
        memset(&s.found, 0, sizeof(s.found))
        speaks_tls(s, f, out)
        out.client = <uint8_t>(1 - side)
        return True
    if f.flags & FLOW_TLS:
        return False
    memset(&s.found, 0, sizeof(s.found))
    if http_begun(data, n) and http_request(data, n, &s.found) != NO:
        out.protocol = request_protocol(&s.found)
        if s.found.alpn[0]:                     # HTTP/2 by its preface
            http2_request(data, n, &s.found)
            out.protocol = P_HTTP2
            out.method = BY_HTTP_HOST if s.found.host_len else BY_NOTHING
        out.client = <uint8_t>side
        return True
    memset(&s.found, 0, sizeof(s.found))
    memset(&s.server, 0, sizeof(s.server))
    if http_response(data, n, &s.server) == MORE and s.server.status:
        out.protocol = P_HTTP
        out.client = <uint8_t>(1 - side)
        return True
    memset(&s.found, 0, sizeof(s.found))
    if proxy_begun(data, n):
        out.protocol = P_HAPROXY
        out.client = <uint8_t>side
        return True
    return False


cdef uint32_t question_risks(const Inspector *s, Flow *f) noexcept nogil:
    """Of a question to DNS; one flow's are taken together, and must be a good part of its packets."""
    cdef uint8_t weight = tunnel_weight(s.dns.qname, s.dns.qname_len, s.dns.qtype)
    cdef uint32_t risks = 0
    if weight:
        f.odd = <uint8_t>min(f.odd + weight, 255)
        if f.odd >= TUNNEL_WEIGHT and f.packets[0] + f.packets[1] <= ODD_SHARE * f.odd:
            risks = RISK_DNS_TUNNEL
    return risks | RISK_MADE_UP_NAME if made_up(s.dns.qname, s.dns.qname_len) else risks


cdef void find_question(Inspector *s, Flow *f, int side, uint16_t label, Finding *out) noexcept nogil:
    """A DNS message: a flow is named by the first question that it asks."""
    if label == P_DNS and not s.dns.response:
        out.risks = question_risks(s, f)
    memset(&s.found, 0, sizeof(s.found))
    memcpy(s.found.host, s.dns.qname, sizeof(s.found.host))
    s.found.host_len = s.dns.qname_len
    out.protocol = label
    out.method = BY_DNS_QUERY if s.dns.qname_len else BY_NOTHING
    out.client = <uint8_t>(1 - side if s.dns.response else side)
    out.complete = 1
    out.message = 1


cdef Answer find_quic(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    cdef Work *w
    cdef QuicState *state
    cdef Answer answer
    if f.work != NONE and s.works[f.work].quic_on:
        state = &s.works[f.work].quic
    elif s.crypto != NULL and quic_looks(p.payload, p.n):
        state = &s.quic
        quic_state_init(state, &s.pool)
    else:
        return NO
    memset(&s.found, 0, sizeof(s.found))
    answer = quic_datagram(state, s.crypto, p.payload, p.n, side == opener(f), &s.found)
    if answer == YES:
        out.protocol = P_QUIC
        out.client = <uint8_t>(opener(f) if state.client else 1 - opener(f))
        out.method = BY_QUIC_SNI if s.found.host_len else BY_NOTHING
        find_carried(s, f, out)
        out.complete = 1
        if s.found.quic_version == 0:
            s.found.quic_version = state.version
    elif answer == NO and state.version:
        memset(&s.found, 0, sizeof(s.found))
        out.protocol = P_QUIC
        out.complete = 1
        s.found.quic_version = state.version
        answer = YES
    elif answer == MORE and state == &s.quic:
        w = work_of(s, f)
        if w != NULL:
            memcpy(&w.quic, state, sizeof(QuicState))
            w.quic_on = 1
            return MORE
        out.protocol = P_QUIC
        out.complete = 1
        answer = YES
    if state == &s.quic:
        quic_state_free(state)
    return answer


cdef void speaks_dtls(Inspector *s, Finding *out) noexcept nogil:
    """The finding of DTLS, by what is in s.found."""
    out.protocol = P_DTLS
    out.replaces = 1                            # calls get through by STUN first
    out.method = BY_SNI if s.found.host_len else BY_NOTHING
    out.complete = 1
    if s.found.tls_version == DTLS_1_0:
        out.risks |= RISK_OBSOLETE_TLS


cdef Answer find_dtls(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil:
    """A datagram that is known to be DTLS, with what its probe has found; or any, of a flow whose hello has begun.

    Without room to wait for a hello's rest, its start must do.
    """
    cdef Work *w
    cdef bint again = hello_begun(s, f)
    if again:
        memset(&s.found, 0, sizeof(s.found))
    if again or s.found.unfinished:
        w = work_of(s, f)
        if w != NULL and dtls_datagram(&w.dtls, side, data, n, &s.found) == MORE:
            out.protocol = 0
            return MORE
    speaks_dtls(s, out)
    return YES


cdef void find_cut_dtls(Inspector *s, Work *w, Finding *out) noexcept nogil:
    """What the start of a hello tells whose rest never came."""
    memset(&s.found, 0, sizeof(s.found))
    dtls_told(&w.dtls, &s.found)
    speaks_dtls(s, out)
