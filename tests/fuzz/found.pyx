"""What was found is terminated, text is text, and a host is a host name."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport strlen

from dpi.dissect.answer cimport Certificate, Found, ServerFound
from dpi.fuzz.promise cimport check


cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t size)


cdef void check_text(const char *text, uint32_t size) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n = <uint32_t>strnlen(text, size)
    check(n < size)
    for i in range(n):
        check(<uint8_t>text[i] >= 32 and text[i] != 127)


cdef void check_host(const char *host, uint32_t n) noexcept nogil:
    cdef uint32_t i
    check(n < 256 and host[n] == 0 and strlen(host) == n)
    for i in range(n):
        check(c"a" <= host[i] <= c"z" or c"0" <= host[i] <= c"9" or host[i] in (
            c"-", c"_", c".", c":", c"[", c"]", c"%"))      # SSDP shows addresses as they stand in URIs


cdef void check_found(const Found *f) noexcept nogil:
    check_host(f.host, f.host_len)
    check(f.ja4[0] == 0 or strlen(f.ja4) == 36)
    check(f.hassh[0] == 0 or strlen(f.hassh) == 32)
    check(f.hassh_server[0] == 0 or strlen(f.hassh_server) == 32)
    check_text(f.alpn, sizeof(f.alpn))
    check_text(f.agent, sizeof(f.agent))
    check_text(f.content_type, sizeof(f.content_type))


cdef void check_certificate(const Certificate *c) noexcept nogil:
    cdef const char *name = &c.names[0]
    check_text(c.common_name, sizeof(c.common_name))
    check_text(c.organisation, sizeof(c.organisation))
    check_text(c.issuer, sizeof(c.issuer))
    for _ in range(c.n_names):
        check(name < &c.names[0] + sizeof(c.names) and name[0] != 0)
        name += strlen(name) + 1


cdef void check_server(const ServerFound *f) noexcept nogil:
    cdef uint32_t wildcard = 2 if f.host[0] == c"*" and f.host[1] == c"." else 0    # a certificate's name
    check_host(f.host + wildcard, f.host_len - wildcard)
    check_text(f.alpn, sizeof(f.alpn))
    check_text(f.server, sizeof(f.server))
    check_text(f.content_type, sizeof(f.content_type))
    check_certificate(&f.certificate)
