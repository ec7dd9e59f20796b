"""The small dissectors, which others ask about a part of what they read: a name, a login, a kind of file.

Inputs that are of a protocol begin with its number, 2 bytes, and how many payloads came before, 1 byte.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset, strlen

from dpi.dissect.answer cimport MORE, YES, Answer, Certificate, Found
from dpi.dissect.certificate cimport certificate
from dpi.dissect.ciphers cimport weak_cipher
from dpi.dissect.consent cimport consent
from dpi.dissect.dns_names cimport TUNNEL_WEIGHT, made_up, tunnel_weight
from dpi.dissect.gquic cimport gquic_chlo, gquic_datagram, gquic_version
from dpi.dissect.hassh cimport hassh
from dpi.dissect.hpack cimport hpack_request
from dpi.dissect.http cimport http_request
from dpi.dissect.login cimport asks_basic, login_in_clear, shows_secret
from dpi.dissect.noise cimport expects_text, noise
from dpi.dissect.over_http cimport body_awaited, by_answer, by_body, over_http
from dpi.dissect.over_tls cimport carried_by_tls, implicit_tls, secured, upgradable, upgrade
from dpi.dissect.peer_lists cimport LIST_MAX, PeerList, peer_list
from dpi.dissect.program cimport names_program, program_bytes, program_needs, program_type, verifies
from dpi.dissect.protocols cimport P_COUNT
from dpi.dissect.proxied cimport proxy_begun, proxy_headers
from dpi.dissect.shown cimport shown_name
from dpi.dissect.socks cimport socks_request
from dpi.dissect.tor cimport tor_certificate, tor_name
from dpi.fuzz.found cimport check_found
from dpi.fuzz.promise cimport check


cdef enum:
    HEAD = 3


cdef uint16_t label_of(const uint8_t *data) noexcept nogil:
    return (<uint16_t>data[0] << 8 | data[1]) % <uint16_t>P_COUNT


cdef void text_of(const uint8_t *data, uint32_t n, char *out, uint32_t size) noexcept nogil:
    """The bytes as a text that ends within `size`; the rest is zeros."""
    memset(out, 0, size)
    memcpy(out, data, min(n, size - 1))


cdef void fuzz_login(const uint8_t *data, uint32_t n) noexcept nogil:
    shows_secret(data, n)
    asks_basic(data, n)
    if n >= HEAD:
        login_in_clear(label_of(data), data + HEAD, n - HEAD)


cdef void fuzz_shown(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found found
    memset(&found, 0, sizeof(found))
    if n >= HEAD:
        shown_name(label_of(data), data + HEAD, n - HEAD, &found)
        check_found(&found)


cdef void fuzz_socks(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found found
    memset(&found, 0, sizeof(found))
    socks_request(data, n, &found)
    check(found.ends <= n)
    check_found(&found)


cdef void fuzz_proxied(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef uint32_t length
    cdef Answer answer = proxy_headers(data, n, &length)
    check(length <= n and (length > 0) == (answer == YES))
    check(not proxy_begun(data, n) or answer == MORE)


cdef void fuzz_consent(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef uint32_t length
    cdef Answer answer = consent(data, n, &length)
    check(length <= n and (answer != YES or length < n))


cdef void fuzz_over_tls(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef char alpn[32]
    cdef uint16_t label
    if n < HEAD:
        return
    label = label_of(data)
    upgrade(label, data[2], data + HEAD, n - HEAD)
    check(secured(label) < P_COUNT)
    if not upgradable(label):
        check(secured(label) == label)
    text_of(data + HEAD, n - HEAD, alpn, sizeof(alpn))
    check(implicit_tls(<uint16_t>data[1] << 8 | data[2], alpn) < P_COUNT)
    check(carried_by_tls(<uint16_t>data[1] << 8 | data[2], alpn) < P_COUNT)


cdef void fuzz_over_http(const uint8_t *data, uint32_t n) noexcept nogil:
    """As the loop asks: what is a request, whole or in its first part."""
    cdef Found found
    memset(&found, 0, sizeof(found))
    http_request(data, n, &found)
    check(over_http(data, n, &found) < P_COUNT)
    check(by_body(data, n) < P_COUNT and by_answer(data, n, found.content_type) < P_COUNT)
    check(not body_awaited(data, n, &found) or data[0] == c"P")


cdef void fuzz_program(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef char media_type[64]
    program_bytes(data, n)
    check(program_needs(data, n) <= 285)
    text_of(data, n, media_type, sizeof(media_type))
    program_type(media_type)
    verifies(media_type)
    names_program(data, n)


cdef void fuzz_peer_lists(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef PeerList found
    cdef uint32_t i
    peer_list(data, n, n & 1, &found)
    check(found.n <= LIST_MAX and (found.listens == 0 or found.listens >= 1024))
    for i in range(found.n):
        check(found.ports[i] >= 1024)


cdef void fuzz_noise(const uint8_t *data, uint32_t n) noexcept nogil:
    noise(data, n)
    if n >= 2:
        expects_text(<uint16_t>data[0] << 8 | data[1])
        weak_cipher(<uint16_t>data[0] << 8 | data[1])


cdef void fuzz_hassh(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef char out[40]
    cdef int server
    for server in range(2):
        if n and hassh(data, n, server, out) == YES:
            check(strlen(out) == 32)


cdef void fuzz_tor(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef char host[256]
    cdef Certificate c
    text_of(data, n, host, sizeof(host))
    tor_name(host)
    memset(&c, 0, sizeof(c))
    if certificate(data, n, &c) == YES:
        tor_certificate(&c)


cdef void fuzz_dns_names(const uint8_t *data, uint32_t n) noexcept nogil:
    """A name as DNS leaves it: up to 255 bytes, none of them 0."""
    cdef char name[256]
    cdef uint32_t i
    if n < 2:
        return
    text_of(data + 2, n - 2, name, sizeof(name))
    for i in range(n):
        if i == 255 or name[i] == 0:
            check(tunnel_weight(name, i, <uint16_t>data[0] << 8 | data[1]) <= TUNNEL_WEIGHT)
            made_up(name, i)
            return


cdef void fuzz_hpack(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found found
    memset(&found, 0, sizeof(found))
    hpack_request(data, n, &found)
    check_found(&found)


cdef void fuzz_gquic(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found found
    cdef bint from_client = True
    memset(&found, 0, sizeof(found))
    gquic_version(data, n)
    gquic_datagram(data, n, &found, &from_client)
    check_found(&found)
    memset(&found, 0, sizeof(found))
    gquic_chlo(data, n, &found)
    check_found(&found)
