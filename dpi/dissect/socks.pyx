"""SOCKS5 behind its greeting: whom a client wants to be connected to, which stands in clear as in CONNECT of HTTP.

SOCKS4A has all in its first message, which the probe reads (probes/web.pyx).
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.dialogue cimport login_risk
from dpi.dissect.inspector cimport Finding, Inspector, opens_tunnel
from dpi.dissect.protocols cimport P_SOCKS
from dpi.dissect.text cimport host_name
from dpi.flow.evidence cimport BY_NOTHING, BY_SIGNATURE
from dpi.flow.flow cimport Flow
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8


cdef enum Address:          # RFC 1928, 5
    IPV4 = 1
    NAME = 3
    IPV6 = 4


cdef uint32_t socks_login(const uint8_t *data, uint32_t n) noexcept nogil:
    """How long a user's name and password are (RFC 1929, 2); 0 where none are there whole."""
    cdef Cursor c = over(data, n)
    if u8(&c) != 1:
        return 0
    skip(&c, u8(&c))
    skip(&c, u8(&c))
    return <uint32_t>(c.p - data) if alive(&c) else 0


cdef Answer socks_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """RFC 1928, 4: version 5, a command, 0, an address, a port; only a name is kept, and where CONNECT ends.  A login may
    stand before it."""
    cdef uint32_t login = socks_login(data, n)
    cdef Cursor c = over(data + login, n - login)
    cdef const uint8_t *name
    cdef uint8_t length
    cdef uint8_t command = SOCKS_CONNECT
    cdef uint8_t kind
    if n and data[0] == 1 and login == 0:
        return MORE
    if left(&c) and u8(&c) != 5:
        return NO
    if left(&c):
        command = u8(&c)
    if not SOCKS_CONNECT <= command <= 3 or left(&c) and u8(&c) != 0:
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
        if length == 0:
            return NO
        out.host_len = host_name(name, length, out.host)
    elif kind == IPV4 or kind == IPV6:
        skip(&c, 6 if kind == IPV4 else 18)
        if not alive(&c):
            return MORE
    else:
        return NO
    if command == SOCKS_CONNECT:
        out.ends = <uint32_t>(c.p - data)
    return YES


cdef Answer find_request(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                         Finding *out) noexcept nogil:
    """Of a client of SOCKS5, behind its greeting: the request, and a login before it."""
    cdef Answer answer
    if data[0] == 1:                    # a request may look as if it were a greeting with a login behind
        out.risks |= login_risk(P_SOCKS, data, n)
    memset(&s.found, 0, sizeof(s.found))
    answer = socks_request(data, n, &s.found)
    if answer == YES:
        out.protocol = P_SOCKS
        out.method = BY_SIGNATURE if s.found.host_len else BY_NOTHING
        out.complete = 1
        opens_tunnel(f, out, s.found.ends)
    return answer
