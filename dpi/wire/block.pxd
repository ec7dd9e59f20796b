"""A copy of Python bytes in a heap block of exactly their size.

The Python faces of parsers hand these to the C faces, so that a sanitizer build sees a read of even one byte
too many, which it would not inside a bytes object (one NUL follows those).
"""
from libc.stdint cimport uint8_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy


cdef inline uint8_t *block_of(bytes data) except? NULL:
    """To be freed by the caller.  Raises MemoryError; an empty block may be NULL."""
    cdef Py_ssize_t n = len(data)
    cdef uint8_t *block = <uint8_t *>malloc(n)
    if block == NULL and n:
        raise MemoryError
    if n:
        memcpy(block, <const uint8_t *>data, n)
    return block
