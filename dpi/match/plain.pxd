"""Arrays of a table as bytes, and back: how hosts.pyx and prefixes.pyx are kept (match/kept.py)."""
from libc.stdlib cimport malloc
from libc.string cimport memcpy


cdef inline bytes bytes_of(const void *array, size_t n):
    return (<const char *>array)[:n] if n else b""


cdef inline void *array_of(bytes kept, size_t n) except NULL:
    """To be freed by the caller, never empty.  Raises ValueError where it has not n bytes, MemoryError."""
    cdef void *array
    if <size_t>len(kept) != n:
        raise ValueError("not of this table")
    array = malloc(n + 1)
    if array == NULL:
        raise MemoryError
    memcpy(array, <const char *>kept, n)
    return array
