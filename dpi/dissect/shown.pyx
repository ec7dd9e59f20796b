"""Names that payloads of some protocols show, for the record: of a machine, a gateway, a domain asked for.

They tell no app, so that nobody waits for them: what stands in the packet that told the protocol is taken.  FastCGI's
parameters alone are waited for: they come behind the message that tells it, and have a web server's name.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp, memset

from dpi.dissect.answer cimport Found
from dpi.dissect.protocols cimport P_COLLECTD, P_FASTCGI, P_MGCP, P_MUNIN, P_SSDP, P_WHOISDAS
from dpi.dissect.text cimport authority, host_name, lower
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u24

from dpi.dissect.protocols import IDS


cdef enum:
    FCGI_PARAMS = 4         # FastCGI specification, 8
    FCGI_PAIRS_MAX = 64
    CR = 13
    LF = 10


cdef uint32_t line_length(const uint8_t *p, uint32_t n) noexcept nogil:
    """Bytes up to the line's end, which is there or is where the bytes end."""
    cdef const uint8_t *end = <const uint8_t *>memchr(p, LF, n) if n else NULL
    if end != NULL:
        n = <uint32_t>(end - p)
    return n - 1 if n and p[n - 1] == CR else n


cdef inline bint of_authority(uint8_t c) noexcept nogil:
    """What a name, or an address and a port, may have: RFC 3986, 3.2, and RFC 6874 for a zone."""
    c = lower(c)
    return c"a" <= c <= c"z" or c"0" <= c <= c"9" or c in (c"-", c"_", c".", c":", c"[", c"]", c"%")


cdef void ssdp(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """The HOST field as it stands, with its port (UPnP Device Architecture 2.0, 1.2.2)."""
    cdef const uint8_t *next
    cdef uint32_t i, length
    while n > 5:
        if lower(p[0]) == c"h" and lower(p[1]) == c"o" and lower(p[2]) == c"s" and lower(p[3]) == c"t" and p[4] == c":":
            length = line_length(p, n)
            i = 5
            while i < length and p[i] == 32:
                i += 1
            while i < length and of_authority(p[i]) and out.host_len < sizeof(out.host) - 1:
                out.host[out.host_len] = lower(p[i])
                out.host_len += 1
                i += 1
            return
        next = <const uint8_t *>memchr(p, LF, n)
        if next == NULL:
            return
        n -= <uint32_t>(next + 1 - p)
        p = next + 1


cdef void mgcp(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """The gateway in the endpoint of a command's line, "aaln/1@gateway.example" (RFC 3435, 3.2.1.3)."""
    cdef const uint8_t *at
    cdef const uint8_t *end
    n = line_length(p, n)
    at = <const uint8_t *>memchr(p, c"@", n)
    if at == NULL:
        return
    at += 1
    n -= <uint32_t>(at - p)
    end = <const uint8_t *>memchr(at, 32, n)
    if end != NULL:
        out.host_len = host_name(at, <uint32_t>(end - at), out.host)


cdef void munin(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """The node's greeting."""
    if n > 16 and memcmp(p, b"# munin node at ", 16) == 0:
        out.host_len = host_name(p + 16, line_length(p + 16, n - 16), out.host)


cdef void collectd(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """The part of type 0, a string with a NUL (collectd's binary protocol)."""
    cdef Cursor c = over(p, n)
    cdef uint16_t kind = u16(&c)
    cdef uint16_t length = u16(&c)
    cdef const uint8_t *text = take(&c, length - 4)
    if text != NULL and kind == 0 and length > 5:
        out.host_len = host_name(text, length - 5, out.host)


cdef void whois(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """What is asked for: the last word of the line (RFC 3912, 2; servers know flags before it)."""
    cdef uint32_t start
    n = line_length(p, n)
    start = n
    while start and p[start - 1] != 32:
        start -= 1
    if memchr(p + start, c".", n - start) != NULL:
        out.host_len = host_name(p + start, n - start, out.host)


cdef uint32_t fcgi_length(Cursor *c) noexcept nogil:
    """FastCGI specification, 3.4."""
    cdef uint8_t first = u8(c)
    return first if first < 0x80 else <uint32_t>(first & 0x7f) << 24 | u24(c)


cdef void fastcgi(const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """The Host field among the parameters, else the server's name; unfinished where neither was in what has come."""
    cdef Cursor c = over(p, n)
    cdef Cursor content
    cdef uint8_t kind, padding
    cdef uint32_t length, name_length, value_length
    cdef const uint8_t *name
    cdef const uint8_t *value
    cdef int _
    while left(&c) >= 8:
        skip(&c, 1)
        kind = u8(&c)
        skip(&c, 2)
        length = u16(&c)
        padding = u8(&c)
        skip(&c, 1)
        out.unfinished |= length > left(&c)
        content = slice(&c, length if length < left(&c) else left(&c))
        if kind == FCGI_PARAMS:
            for _ in range(FCGI_PAIRS_MAX):
                name_length = fcgi_length(&content)
                value_length = fcgi_length(&content)
                name = take(&content, name_length)
                value = take(&content, value_length)
                if not alive(&content):
                    return
                if name_length == 9 and memcmp(name, b"HTTP_HOST", 9) == 0:
                    out.host_len = authority(value, value_length, out.host)
                    out.unfinished = 0
                    return
                if name_length == 11 and memcmp(name, b"SERVER_NAME", 11) == 0:
                    out.host_len = host_name(value, value_length, out.host)
        skip(&c, padding)
    out.unfinished |= left(&c) > 0


cdef void shown_name(uint16_t label, const uint8_t *p, uint32_t n, Found *out) noexcept nogil:
    """Writes the name that a payload shows, if it does, to out.host, which is empty."""
    if n == 0:
        return
    if label == P_SSDP:
        ssdp(p, n, out)
    elif label == P_MGCP:
        mgcp(p, n, out)
    elif label == P_MUNIN:
        munin(p, n, out)
    elif label == P_COLLECTD:
        collectd(p, n, out)
    elif label == P_WHOISDAS:
        whois(p, n, out)
    elif label == P_FASTCGI:
        fastcgi(p, n, out)
    else:
        return
    out.host[out.host_len] = 0


def name(str slug, bytes data) -> str:
    """The name that a payload of a protocol, by its slug, shows; "" where it shows none."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    shown_name(IDS[slug], block, len(data), &out)
    free(block)
    return out.host.decode()
