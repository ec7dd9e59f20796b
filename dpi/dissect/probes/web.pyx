"""The web, what stands before it and behind it."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.http cimport http_begun, http_request
from dpi.dissect.probes.index cimport TCP, at_first
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.dissect.proxied cimport proxy_headers
from dpi.dissect.socks cimport SOCKS_CONNECT, socks_login, socks_request
from dpi.dissect.tls_records cimport HANDSHAKE


cdef enum:
    SOCKS4_MAX = 512        # bytes of a request


cdef Answer http2(const Sight *s, Found *out) noexcept nogil:
    """RFC 9113, 3.4: the client's preface."""
    return starts(s, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24)


cdef Answer http2_settings(const Sight *s, Found *out) noexcept nogil:
    """RFC 9113, 3.4 and 6.5: a server begins with SETTINGS on stream 0, entries of six bytes that are known.

    Without entries it looks like numbers of 32 bits; so what follows then must be of the connection too (4.1, 6).
    """
    cdef uint32_t n = be32(s, 0) >> 8
    if s.from_opener or s.n < 9 or n % 6 or n > 96 or be32(s, 3) != 0x04000000 or be16(s, 7) != 0:
        return NO
    if n == 0:
        return yes(s.n == 9 or s.n >= 18 and s.data[12] in (4, 6, 7, 8) and s.data[13] <= 1 and be32(s, 14) == 0)
    return yes(s.n >= 15 and 1 <= be16(s, 9) <= 16)


cdef Answer haproxy(const Sight *s, Found *out) noexcept nogil:
    """The PROXY protocol, all of its header; inspect.pyx goes on behind it."""
    cdef uint32_t length
    return proxy_headers(s.data, s.n, &length)


cdef Answer fastcgi(const Sight *s, Found *out) noexcept nogil:
    """FastCGI 1.0, 8: version 1, BEGIN_REQUEST of 8 bytes with a role of 1 to 3; or a server's first record; or what it
    can do (4.1), asked and answered."""
    if s.n < 16:
        return NO
    if be16(s, 0) in (0x0109, 0x010A):
        return yes(be16(s, 2) == 0 and be16(s, 4) + 8 <= s.n and has(s, 10, b"FCGI_M", 6))
    if s.from_opener:
        return yes(be16(s, 0) == 0x0101 and be16(s, 4) == 8 and s.data[6] < 8 and 1 <= be16(s, 8) <= 3
                   and s.data[10] <= 1 and be32(s, 11) == 0)
    return yes(s.data[0] == 1 and s.data[1] in (6, 7) and be16(s, 2) != 0 and s.data[7] == 0
               and (has(s, 8, b"Status:", 7) or has(s, 8, b"Content-", 8) or has(s, 8, b"X-Powered", 9)))


cdef Answer ajp(const Sight *s, Found *out) noexcept nogil:
    """AJPv13: 0x1234 or `AB`, the length, a code: forward request, ping, pong, headers, end."""
    if s.n < 5:
        return MORE if s.n < 2 and to_or_from(s, 8009) else NO
    if (has(s, 0, b"\x12\x34\0\1\x0a", 5) or has(s, 0, b"AB\0\1\x09", 5)):     # ping and pong
        return YES
    if be16(s, 0) == 0x1234 and be16(s, 2) + 4 <= s.n:
        return yes(s.data[4] == 2 and 1 <= byte_at(s, 5) <= 27 or s.data[4] in (7, 8, 10) and to_or_from(s, 8009))
    if be16(s, 0) == 0x4142 and be16(s, 2) + 4 <= s.n:
        return yes(s.data[4] == 4 and 0x64 <= be16(s, 5) < 600 or s.data[4] in (3, 5, 6, 9) and to_or_from(s, 8009))
    return NO


cdef Answer websocket(const Sight *s, Found *out) noexcept nogil:
    """RFC 6455, 5.2, joined in the middle: a text frame of exactly what is there, or behind which is another; a client's
    masked."""
    cdef uint32_t n = byte_at(s, 1) & 0x7F
    cdef uint32_t at = 2
    cdef uint32_t i, end
    if s.n < 7 or s.data[0] != 0x81:
        return NO
    if n == 126:
        n = be16(s, 2)
        at = 4
    elif n == 127:
        return NO
    end = n + at + (4 if s.data[1] & 0x80 else 0)
    if n < 16 or not fills(s, end, 0, 1) or s.n > end and (byte_at(s, end + 1) ^ s.data[1]) & 0x80:
        return NO
    if not s.data[1] & 0x80:
        return yes(printable(s, at, n))
    for i in range(n):
        if not is_print(s.data[at + 4 + i] ^ s.data[at + (i & 3)]):
            return NO
    return YES


cdef Answer tunnelled(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether TLS or HTTP begins here, at one byte at least."""
    cdef Found ignored
    if data[0] == HANDSHAKE:
        return MORE if n == 1 else yes(data[1] == 3)
    memset(&ignored, 0, sizeof(ignored))
    return YES if http_begun(data, n) else MORE if http_request(data, n, &ignored) == MORE else NO


cdef Answer socks4_ends(const Sight *s, Found *out) noexcept nogil:
    """SOCKS4 and 4A: behind the address a user's name, and where that is 0.0.0.x a host's; a zero ends each, and all, but
    for a client's that does not wait for the answer."""
    cdef uint32_t at = 8
    cdef uint32_t start = 0
    cdef uint32_t names = 2 if be32(s, 4) < 256 else 1
    while at < s.n and at < SOCKS4_MAX and names:
        if s.data[at] == 0:
            names -= 1
            if names == 1:
                start = at + 1
        elif not is_print(s.data[at]):
            return NO
        at += 1
    if names:
        return MORE if at < SOCKS4_MAX else NO
    if start:
        set_host(out, s.data + start, at - start - 1)
    if s.data[1] == SOCKS_CONNECT:
        out.ends = at
    if at == s.n:
        return YES
    return tunnelled(s.data + at, s.n - at) if out.ends else NO


cdef Answer socks(const Sight *s, Found *out) noexcept nogil:
    """RFC 1928, 3: version 5, the methods and no more, or a request (4) at once; SOCKS4: a command, an address, a name."""
    cdef Answer answer
    cdef uint32_t i
    cdef uint32_t end = byte_at(s, 1) + 2
    if s.n < 3:
        return MORE if s.n and s.from_opener and to_or_from(s, 1080) else NO
    if s.from_opener and s.data[0] == 5 and end <= s.n and 1 <= s.data[1] <= 9:
        for i in range(2, end):                 # IANA, SOCKS Methods; private ones fix too little alone
            if s.data[i] > 9 and (s.data[i] < 0x80 or end == s.n and not to_or_from(s, 1080)):
                return NO
        end += socks_login(s.data + end, s.n - end)
        out.unfinished = end == s.n             # the request comes next
        if end == s.n:
            return YES
        answer = socks_request(s.data + end, s.n - end, out)
        out.ends += end if out.ends else 0
        return answer
    if s.from_opener and s.data[0] == 4 and 9 <= s.n and 1 <= s.data[1] <= 2 and be16(s, 2):
        if to_or_from(s, 1080) or 0 < s.data[4] < 224 or be32(s, 4) < 256 and be32(s, 4) != 0:
            return socks4_ends(s, out)
    return NO


at_first(TCP, P_HTTP2, http2, b"P")
at_first(TCP, P_HAPROXY, haproxy, b"P\r")
at_first(TCP, P_FASTCGI, fastcgi, b"\x01")
at_first(TCP, P_AJP, ajp, b"\x12A")
at_first(TCP, P_WEBSOCKET, websocket, b"\x81")
at_first(TCP, P_SOCKS, socks, b"\x04\x05")
at_first(TCP, P_HTTP2, http2_settings, b"\x00")
