"""SOCKS5 behind its greeting: whom a client wants to be connected to, which stands in clear as in CONNECT of HTTP.

SOCKS4A has all in its first message, which the probe reads (probes/web.pyx).
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.dissect.protocols cimport P_SOCKS
from dpi.dissect.text cimport host_name
from dpi.flow.evidence cimport BY_NOTHING, BY_SIGNATURE
from dpi.flow.flow cimport Flow, opener
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8


cdef enum Address:          # RFC 1928, 5
    IPV4 = 1
    NAME = 3
    IPV6 = 4


cdef Answer socks_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """RFC 1928, 4: version 5, a command, 0, an address, a port; only a name is kept."""
    cdef Cursor c = over(data, n)
    cdef const uint8_t *name
    cdef uint8_t length
    cdef uint8_t kind
    if left(&c) and u8(&c) != 5 or left(&c) and not 1 <= u8(&c) <= 3 or left(&c) and u8(&c) != 0:
        return NO
    if left(&c) == 0:
        return MORE
    kind = u8(&c)
    if kind == NAME:
        length = u8(&c)
        name = take(&c, length)
        skip(&c, 2)
        if not alive(&c):
            return MORE
        out.host_len = host_name(name, length, out.host)
        return YES if length else NO
    skip(&c, 6 if kind == IPV4 else 18)
    if kind != IPV4 and kind != IPV6:
        return NO
    return YES if alive(&c) else MORE


cdef Answer find_request(Inspector *s, const Flow *f, int side, const uint8_t *data, uint32_t n,
                         Finding *out) noexcept nogil:
    """Of a connection that is SOCKS5 by its greeting: the request, or a user's name and password (RFC 1929, 2) before it."""
    cdef Cursor c = over(data, n)
    cdef Answer answer
    if side != opener(f):
        return NO
    if data[0] == 1:
        skip(&c, 1)
        skip(&c, u8(&c))
        skip(&c, u8(&c))
        if not alive(&c) or left(&c) == 0:
            return MORE
    memset(&s.found, 0, sizeof(s.found))
    answer = socks_request(c.p, <uint32_t>left(&c), &s.found)
    if answer == YES:
        out.protocol = P_SOCKS
        out.method = BY_SIGNATURE if s.found.host_len else BY_NOTHING
        out.complete = 1
    return answer
