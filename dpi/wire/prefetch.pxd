"""Asks for memory that will be read soon, so that it is on its way meanwhile."""

cdef extern from *:
    """
    #define dpi_prefetch(p) __builtin_prefetch(p)
    """
    void prefetch "dpi_prefetch"(const void *p) noexcept nogil
