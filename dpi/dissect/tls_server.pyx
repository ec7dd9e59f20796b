"""TLS: what the server's hello, and up to TLS 1.2 its certificate, say in clear.

With MORE, the hello's part already stands in `out`; it may be asked again with more bytes.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset, strlen

from dpi.dissect.answer cimport MORE, NO, YES, Answer, ServerFound, answer_name, server_dict
from dpi.dissect.certificate cimport certificate
from dpi.dissect.text cimport host_name
from dpi.dissect.tls cimport ALPN, SUPPORTED_VERSIONS, TLS_1_3, plain_version, put_alpn
from dpi.dissect.tls_records cimport HANDSHAKE, HELLO_MAX, PLAINTEXT_MAX, SERVER_HELLO, Fragments, joined_records
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, u8, u16, u24


cdef enum:                          # handshake messages of a server
    NEW_SESSION_TICKET = 4
    CERTIFICATE = 11
    CERTIFICATE_STATUS = 22


cdef Answer server_hello(Cursor c, ServerFound *out) noexcept nogil:
    """The body of a ServerHello (RFC 8446, 4.1.3).  MORE: a certificate will follow in clear."""
    cdef Cursor extensions, ext
    cdef uint16_t kind
    cdef uint16_t version = u16(&c)
    if version >> 8 != 3 and version >> 8 != 0x7f:
        return NO
    skip(&c, 32)                        # random
    skip(&c, u8(&c))                    # legacy_session_id_echo
    out.cipher = u16(&c)
    skip(&c, 1)                         # legacy_compression_method
    if not alive(&c):
        return NO
    extensions = slice(&c, u16(&c)) if left(&c) > 0 else over(c.p, 0)
    while left(&extensions) > 0:
        kind = u16(&extensions)
        ext = slice(&extensions, u16(&extensions))
        if kind == SUPPORTED_VERSIONS and left(&ext) >= 2:
            version = u16(&ext)
        elif kind == ALPN and left(&ext) > 3:
            skip(&ext, 2)
            ext = slice(&ext, u8(&ext))
            if alive(&ext):
                put_alpn(ext.p, <uint32_t>left(&ext), out.alpn)
    out.tls_version = plain_version(version)
    return YES if out.tls_version >= TLS_1_3 else MORE


cdef void certificate_host(ServerFound *out) noexcept nogil:
    """The name to go by: the first dNSName, else the common name where it is a host's.

    "*.example.org" stays as it is: the server is one below, and nobody but its client knows which.
    """
    cdef const char *name = out.certificate.names
    cdef char[256] host
    cdef uint32_t wildcard, n
    if out.certificate.n_names == 0:
        name = out.certificate.common_name
    wildcard = 2 if name[0] == c"*" and name[1] == c"." else 0
    n = host_name(<const uint8_t *>name + wildcard, <uint32_t>strlen(name) - wildcard, host)
    if n == 0 or wildcard + n >= sizeof(out.host):
        return
    memcpy(out.host, name, wildcard)
    memcpy(out.host + wildcard, host, n + 1)
    out.host_len = <uint16_t>(wildcard + n)


cdef Answer leaf(Cursor c, bint whole, ServerFound *out) noexcept nogil:
    """The first certificate of a Certificate message (RFC 5246, 7.4.2): the server's own, read once it is all there."""
    cdef uint32_t n
    cdef Answer answer
    skip(&c, 3)
    n = u24(&c)
    if not alive(&c):
        return YES if whole else MORE   # an empty list
    if left(&c) < n and not whole and not out.last:
        return MORE
    answer = certificate(c.p, n if n < left(&c) else <uint32_t>left(&c), &out.certificate)
    if out.certificate.present:
        certificate_host(out)
    return MORE if answer == MORE and not whole else YES


cdef Answer server_messages(Fragments f, ServerFound *out) noexcept nogil:
    cdef Cursor c = over(f.p, f.n)
    cdef Cursor body
    cdef uint8_t kind
    cdef uint32_t n
    cdef Answer answer
    cdef bint first = True
    while True:
        kind = u8(&c)
        if alive(&c) and first and kind != SERVER_HELLO:
            return NO
        n = u24(&c)
        if not alive(&c):
            break
        if left(&c) < n:
            if first and n > PLAINTEXT_MAX:
                return NO
            if kind == CERTIFICATE and not first and leaf(c, False, out) == YES:
                return YES
            break
        body = slice(&c, n)
        if first:
            answer = server_hello(body, out)
            if answer != MORE:
                return answer
        elif kind == CERTIFICATE:
            return leaf(body, True, out)
        elif kind != CERTIFICATE_STATUS and kind != NEW_SESSION_TICKET:
            return YES                  # ServerKeyExchange: there is no certificate
        first = False
    if f.over:
        return NO if first else YES     # resumed: ChangeCipherSpec comes at once
    return MORE


cdef Answer tls_server_hello(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil:
    """The contiguous start of what a server sends over TCP.  `out` must be cleared but for what is given.

    MORE with out.tls_version set: the hello has been read, the certificate is not all there; with out.last, what there is
    of it stands in `out`.  From HELLO_MAX bytes on the answer is final.
    """
    cdef uint8_t room[HELLO_MAX]
    cdef Fragments f
    cdef Answer answer
    if n and data[0] != HANDSHAKE:
        return NO
    if n > 1 and data[1] != 3:
        return NO
    out.last |= n >= HELLO_MAX
    f = joined_records(data, n, room, False)
    answer = server_messages(f, out)
    return YES if answer == MORE and n >= HELLO_MAX and out.tls_version else answer


def server(data: bytes, last: bool = False) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a server's TCP stream; last: there is no more of it."""
    cdef ServerFound out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    out.last = last
    answer = tls_server_hello(block, len(data), &out)
    free(block)
    return answer_name(answer), server_dict(&out)
