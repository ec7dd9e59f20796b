"""The one way this program reads bytes off the wire.

A cursor looks at memory that it does not own.  Reading past the end never
touches memory: the cursor goes dead, every later read yields zero, and the
parser asks once, at the end, whether it is still alive().  A parser therefore
reads like the diagram in the RFC, top to bottom.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef struct Cursor:
    const uint8_t *p        # NULL once a read has failed
    const uint8_t *end


cdef inline Cursor over(const uint8_t *p, Py_ssize_t n) noexcept nogil:
    """A cursor over n bytes; dead where there are none to look at (NULL, as another cursor's rest may be)."""
    cdef Cursor c
    c.p = p
    c.end = p + n if p != NULL else NULL
    return c


cdef inline bint alive(const Cursor *c) noexcept nogil:
    return c.p != NULL


cdef inline Py_ssize_t left(const Cursor *c) noexcept nogil:
    """Bytes not yet read; 0 once dead."""
    return c.end - c.p if c.p != NULL else 0


cdef inline const uint8_t *take(Cursor *c, Py_ssize_t n) noexcept nogil:
    """The next n bytes, or NULL (and the cursor dead) where they are not there."""
    cdef const uint8_t *q = c.p
    if q == NULL or n < 0 or c.end - q < n:
        c.p = NULL
        return NULL
    c.p = q + n
    return q


cdef inline void skip(Cursor *c, Py_ssize_t n) noexcept nogil:
    take(c, n)


cdef inline uint16_t be16(const uint8_t *q) noexcept nogil:
    """16 bits of what was taken in one piece, as fixed headers are."""
    return <uint16_t>(q[0] << 8 | q[1])


cdef inline uint32_t be32(const uint8_t *q) noexcept nogil:
    return <uint32_t>q[0] << 24 | <uint32_t>q[1] << 16 | <uint32_t>q[2] << 8 | q[3]


cdef inline uint8_t u8(Cursor *c) noexcept nogil:
    cdef const uint8_t *q = take(c, 1)
    return q[0] if q else 0


cdef inline uint16_t u16(Cursor *c) noexcept nogil:
    cdef const uint8_t *q = take(c, 2)
    return be16(q) if q else 0


cdef inline uint32_t u24(Cursor *c) noexcept nogil:
    cdef const uint8_t *q = take(c, 3)
    return (<uint32_t>q[0] << 16 | <uint32_t>q[1] << 8 | q[2]) if q else 0


cdef inline uint32_t u32(Cursor *c) noexcept nogil:
    cdef const uint8_t *q = take(c, 4)
    return be32(q) if q else 0


cdef inline uint64_t u64(Cursor *c) noexcept nogil:
    cdef uint64_t high = u32(c)
    return high << 32 | u32(c)


cdef inline Cursor slice(Cursor *c, Py_ssize_t n) noexcept nogil:
    """The next n bytes as a cursor of their own; dead if they are not there."""
    cdef Cursor s
    s.p = take(c, n)
    s.end = c.p
    return s
