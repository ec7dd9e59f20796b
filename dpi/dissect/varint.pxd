"""QUIC's variable-length integers (RFC 9000, section 16)."""
from libc.stdint cimport uint8_t, uint64_t

from dpi.wire.cursor cimport Cursor, u8


cdef inline uint64_t varint(Cursor *c) noexcept nogil:
    cdef uint8_t first = u8(c)
    cdef uint64_t value = first & 0x3f
    cdef int more = (1 << (first >> 6)) - 1
    while more:
        value = value << 8 | u8(c)
        more -= 1
    return value


cdef inline Py_ssize_t length_of(Cursor *c) noexcept nogil:
    """One that counts bytes, as take() wants it: what is longer than any datagram is -1 and kills the cursor."""
    cdef uint64_t n = varint(c)
    return <Py_ssize_t>n if n <= 0xffff else -1
