"""Names and texts off the wire, made fit to be kept, printed and compared.

Whoever sends a packet chooses what stands in it, so nothing of it goes further as it is: a host name is one, or it is
nothing, and other text has no control characters.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free

from dpi.wire.block cimport block_of


cdef enum:
    NAME_MAX = 253          # RFC 1035, 2.3.4, as text without the last dot
    LABEL_MAX = 63
    ADDRESS_MAX = 45        # IPv6 with an IPv4 tail


cdef uint16_t address(const uint8_t *p, uint32_t n, char *out) noexcept nogil:
    """An IPv6 address as text, by its characters alone."""
    cdef uint32_t i
    cdef uint32_t colons = 0
    cdef uint8_t c
    if n > ADDRESS_MAX:
        return 0
    for i in range(n):
        c = lower(p[i])
        if c == 58:
            colons += 1
        elif not (48 <= c <= 57 or 97 <= c <= 102 or c == 46):
            return 0
        out[i] = c
    return n if 2 <= colons <= 8 else 0


cdef uint16_t host_name(const uint8_t *p, uint32_t n, char *out) noexcept nogil:
    """Writes a host name or IP address in lower case, without trailing dot, and NUL, to 256 bytes; gives its length.

    0 and "" where it is neither.  Labels are letters, digits, hyphens and underscores (which no host name may hold
    and many do), 63 at most each.
    """
    cdef uint32_t i
    cdef uint32_t label = 0
    cdef uint16_t length
    cdef uint8_t c
    out[0] = 0
    if n and p[n - 1] == 46:
        n -= 1
    if n == 0 or n > NAME_MAX:
        return 0
    for i in range(n):
        c = lower(p[i])
        if c == 46:
            if label == 0:
                out[0] = 0
                return 0
            label = 0
        elif 97 <= c <= 122 or 48 <= c <= 57 or c == 45 or c == 95:
            label += 1
            if label > LABEL_MAX:
                out[0] = 0
                return 0
        elif c == 58:
            length = address(p, n, out)
            out[length] = 0
            return length
        else:
            out[0] = 0
            return 0
        out[i] = c
    if label == 0:
        out[0] = 0
        return 0
    out[n] = 0
    return n


cdef uint32_t before_port(const uint8_t *p, uint32_t n) noexcept nogil:
    """How many bytes of "host:port" (RFC 3986, 3.2) are the host's: all where no port follows, or where another colon
    stands before it, as in an IPv6 address without brackets."""
    cdef uint32_t i = n
    cdef uint32_t j
    while i and 48 <= p[i - 1] <= 57:
        i -= 1
    if i == 0 or p[i - 1] != 58:
        return n
    for j in range(i - 1):
        if p[j] == 58:
            return n
    return i - 1


cdef uint16_t authority(const uint8_t *p, uint32_t n, char *out) noexcept nogil:
    """As host_name, of "user@host:port" (RFC 3986, 3.2), of which all but the host may be missing."""
    cdef uint32_t i
    out[0] = 0
    i = n
    while i:
        i -= 1
        if p[i] == 64:
            p += i + 1
            n -= i + 1
            break
    if n and p[0] == 91:
        for i in range(1, n):
            if p[i] == 93:
                return host_name(p + 1, i - 1, out)
        return 0
    n = before_port(p, n)
    for i in range(n):
        if p[i] == 58:
            return 0
    return host_name(p, n, out)


cdef void put_text(const uint8_t *p, uint32_t n, char *out, uint32_t size) noexcept nogil:
    """Copies what fits of a text, and NUL, with "?" for control characters.  Bytes above 127 stay: UTF-8, probably."""
    cdef uint32_t i
    if n > size - 1:
        n = size - 1
    for i in range(n):
        out[i] = p[i] if p[i] >= 32 and p[i] != 127 else 63
    out[n] = 0


def host(data: bytes) -> str:
    """host_name() of the data."""
    cdef char out[256]
    cdef uint8_t *block = block_of(data)
    host_name(block, len(data), out)
    free(block)
    return out.decode()
