"""Finding a few bytes among others, as the C library does it."""
from libc.stddef cimport size_t


cdef extern from *:
    """
    /* A GNU extension, hidden from those who do not ask for it before the first header. */
    void *memmem(const void *in, size_t n, const void *what, size_t m);
    """
    void *memmem(const void *where, size_t n, const void *what, size_t m) noexcept nogil
