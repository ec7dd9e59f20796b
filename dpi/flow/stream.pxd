"""The first bytes of a byte stream, put together.  See stream.pyx."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    STREAM_MAX = 16384      # bytes of a stream that dissectors look at
    STREAM_PIECES = 32      # disjoint pieces a stream may be in at a time


cdef struct Pool:
    size_t budget           # bytes that all its streams may hold together
    size_t used
    uint32_t cap            # bytes a stream
    uint32_t refused        # puts that the budget refused


cdef struct Block           # what a stream holds, once it holds something


cdef struct Stream:         # 16 bytes; zeroed but for the pool is an empty one
    Pool *pool
    Block *block


cdef void pool_init(Pool *pool, size_t budget, uint32_t cap) noexcept nogil
cdef void stream_init(Stream *s, Pool *pool) noexcept nogil
cdef bint stream_put(Stream *s, uint32_t offset, const uint8_t *data, uint32_t n) noexcept nogil
cdef uint32_t stream_replace(Stream *s, uint32_t offset, const uint8_t *data, uint32_t n, uint32_t since) noexcept nogil
cdef uint32_t stream_ready(const Stream *s) noexcept nogil
cdef const uint8_t *stream_bytes(const Stream *s) noexcept nogil
cdef void stream_drop(Stream *s, uint32_t n) noexcept nogil
cdef void stream_free(Stream *s) noexcept nogil
