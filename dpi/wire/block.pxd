"""Blocks of heap memory for Python's callers, who are told by an exception where there is none."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcpy


cdef inline uint8_t *block_of(bytes data) except? NULL:
    """A copy of Python bytes, of exactly their size, to be freed by the caller.  Raises MemoryError; an empty one may be NULL.

    The Python faces of parsers hand these to the C faces, so that a sanitizer build sees a read of even one byte
    too many, which it would not inside a bytes object (one NUL follows those).
    """
    cdef Py_ssize_t n = len(data)
    cdef uint8_t *block = <uint8_t *>malloc(n)
    if block == NULL and n:
        raise MemoryError
    if n:
        memcpy(block, <const uint8_t *>data, n)
    return block


cdef inline void *zeroed(size_t n, size_t size) except NULL:
    """Zeros for n things of a size, never none at all, to be freed by the caller.  Raises MemoryError."""
    cdef void *block = calloc(n if n else 1, size)
    if block == NULL:
        raise MemoryError
    return block
