"""The dissectors that read a stream, a message or a flow's datagrams from their start."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset, strcmp, strlen

from dpi.dissect.answer cimport MORE, YES, Answer, Certificate, Found, ServerFound
from dpi.dissect.certificate cimport certificate
from dpi.dissect.dns cimport DNS_ADDRESSES_MAX, DnsMessage, dns_message, dns_stream
from dpi.dissect.dtls cimport DtlsHello, dtls_client_hello, dtls_datagram, dtls_told
from dpi.dissect.http cimport http_request, http_response
from dpi.dissect.http2 cimport http2_request
from dpi.dissect.quic cimport QuicState, quic_datagram, quic_state_free, quic_state_init
from dpi.dissect.quic_crypto cimport QuicCrypto, quic_crypto_new
from dpi.dissect.quic_header cimport quic_looks
from dpi.dissect.tls cimport tls_client_hello, tls_handshake
from dpi.dissect.tls_records cimport tls_records
from dpi.dissect.tls_server cimport tls_server_hello
from dpi.flow.stream cimport STREAM_MAX, Pool, pool_init, stream_init
from dpi.fuzz.found cimport check_certificate, check_found, check_server
from dpi.fuzz.input cimport cut, exact
from dpi.fuzz.promise cimport check
from dpi.wire.cursor cimport Cursor, left, over, slice, u8, u16


ctypedef Answer (*ClientFn)(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
ctypedef Answer (*ServerFn)(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil


# Dissectors of streams

cdef Answer client_answer(ClientFn f, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    cdef uint8_t *block = exact(data, n)
    cdef Answer answer
    memset(out, 0, sizeof(Found))
    answer = f(block, n, out)
    free(block)
    check_found(out)
    return answer


cdef void client_stream(ClientFn f, const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found first, all
    cdef uint32_t start = cut(&data, &n)
    cdef Answer early = client_answer(f, data, start, &first)
    cdef Answer late = client_answer(f, data, n, &all)
    check(early == MORE or early == late)
    check(first.host_len == 0 or early != YES or strcmp(first.host, all.host) == 0)


cdef Answer server_answer(ServerFn f, const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil:
    cdef uint8_t *block = exact(data, n)
    cdef Answer answer
    memset(out, 0, sizeof(ServerFound))
    answer = f(block, n, out)
    free(block)
    check_server(out)
    return answer


cdef void server_stream(ServerFn f, const uint8_t *data, uint32_t n) noexcept nogil:
    cdef ServerFound first, all
    cdef uint32_t start = cut(&data, &n)
    cdef Answer early = server_answer(f, data, start, &first)
    cdef Answer late = server_answer(f, data, n, &all)
    check(early == MORE or early == late)


cdef void fuzz_tls_client(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(tls_client_hello, data, n)


cdef Answer bare_tcp(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    return tls_handshake(data, n, out, False)


cdef Answer bare_quic(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    return tls_handshake(data, n, out, True)


cdef void fuzz_tls_handshake(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(bare_quic if n & 1 else bare_tcp, data, n)


cdef void fuzz_tls_server(const uint8_t *data, uint32_t n) noexcept nogil:
    server_stream(tls_server_hello, data, n)


cdef void fuzz_tls_records(const uint8_t *data, uint32_t n) noexcept nogil:
    tls_records(data, n)


cdef void fuzz_http_request(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(http_request, data, n)


cdef void fuzz_http2(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(http2_request, data, n)


cdef void fuzz_http_response(const uint8_t *data, uint32_t n) noexcept nogil:
    server_stream(http_response, data, n)


# … of messages

cdef void fuzz_certificate(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Certificate out, brief
    memset(&out, 0, sizeof(out))
    out.asked = b"www.example.org"
    certificate(data, n, &out)
    check_certificate(&out)
    memset(&brief, 0, sizeof(brief))
    brief.asked = b"www.example.org"
    brief.brief = 1
    certificate(data, n, &brief)
    check_certificate(&brief)
    check(brief.present == out.present and brief.covers == out.covers and brief.n_names == 0)


cdef void check_dns(const DnsMessage *m) noexcept nogil:
    check(m.n_addresses <= DNS_ADDRESSES_MAX)
    check(m.qname_len < sizeof(m.qname) and strlen(m.qname) == m.qname_len)
    check(m.cname_len < sizeof(m.cname) and strlen(m.cname) == m.cname_len)


cdef void fuzz_dns(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef DnsMessage out
    cdef uint32_t start = cut(&data, &n)
    cdef uint8_t *block = exact(data, start)
    memset(&out, 0, sizeof(out))
    if dns_message(data, n, &out) == YES:
        check_dns(&out)
    memset(&out, 0, sizeof(out))
    if dns_stream(block, start, &out) == YES:
        check_dns(&out)
    free(block)


# DTLS and QUIC: a flow's datagrams, each behind a byte (bit 0: from the opener) and two bytes of length

cdef void fuzz_dtls(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Cursor datagram
    cdef DtlsHello h
    cdef Found out
    cdef Pool pool
    cdef Answer answer
    cdef uint8_t control
    cdef uint8_t *block
    cdef uint16_t length
    memset(&h, 0, sizeof(h))
    pool_init(&pool, 40000, STREAM_MAX)
    stream_init(&h.body, &pool)
    while left(&c) > 3:
        control = u8(&c)
        length = u16(&c)
        if length > left(&c):
            length = <uint16_t>left(&c)
        datagram = slice(&c, length)
        if h.length == 0 and client_answer(dtls_client_hello, datagram.p, length, &out) != MORE:
            continue
        block = exact(datagram.p, length)
        memset(&out, 0, sizeof(out))
        answer = dtls_datagram(&h, control & 1, block, length, &out)
        free(block)
        check_found(&out)
        check(pool.used <= pool.budget and h.datagrams <= 24)
        check(answer == MORE and h.length != 0 or answer == YES and h.length == 0 and pool.used == 0)
        if answer == YES:
            h.datagrams = 0
    memset(&out, 0, sizeof(out))
    dtls_told(&h, &out)
    check_found(&out)
    check(pool.used == 0)


cdef QuicCrypto *CRYPTO = quic_crypto_new()


cdef void fuzz_quic(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Cursor datagram
    cdef QuicState state
    cdef Found out
    cdef Pool pool
    cdef uint8_t control
    cdef uint8_t *block
    cdef uint16_t length
    pool_init(&pool, 40000, STREAM_MAX)
    quic_state_init(&state, &pool)
    while left(&c) > 3:
        control = u8(&c)
        length = u16(&c)
        if length > left(&c):
            length = <uint16_t>left(&c)
        datagram = slice(&c, length)
        block = exact(datagram.p, length)
        memset(&out, 0, sizeof(out))
        quic_looks(block, length)
        quic_datagram(&state, CRYPTO, block, length, control & 1, &out)
        check_found(&out)
        check(pool.used <= pool.budget)
        free(block)
    quic_state_free(&state)
    check(pool.used == 0)
