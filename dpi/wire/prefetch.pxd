"""Asks for memory that will be read soon, so that it is on its way meanwhile.

The empty assembly is there for functions that do nothing else: to GCC a prefetch is no effect, so that it takes calls
of them for superfluous and leaves them out.
"""

cdef extern from *:
    """
    #define dpi_prefetch(p) do { \\
        const void *dpi_soon = (p); \\
        __builtin_prefetch(dpi_soon); \\
        __asm__ volatile("" : : "r"(dpi_soon)); \\
    } while (0)
    """
    void prefetch "dpi_prefetch"(const void *p) noexcept nogil
