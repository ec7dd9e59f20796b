"""What targets take from their input: blocks of exactly its size, and where it is cut."""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from dpi.fuzz.promise cimport check


cdef inline uint8_t *exact(const uint8_t *data, uint32_t n) noexcept nogil:
    """A block of exactly the data's size, which the caller frees: the sanitizer sees a byte too many."""
    cdef uint8_t *block = <uint8_t *>malloc(n)
    check(block != NULL or n == 0)
    if n:
        memcpy(block, data, n)
    return block


cdef inline uint32_t cut(const uint8_t **data, uint32_t *n) noexcept nogil:
    """Takes the first byte off, and gives where it says that the start ends."""
    cdef uint32_t where
    if n[0] == 0:
        return 0
    where = data[0][0]
    data[0] += 1
    n[0] -= 1
    return n[0] * where // 255
