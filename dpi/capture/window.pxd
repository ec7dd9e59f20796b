"""A file in memory; see window.pyx."""
from libc.stdint cimport int64_t, uint8_t


cdef struct Window:
    uint8_t *at             # NULL: there is none
    size_t n
    size_t left             # up to here nothing is kept in memory
    bint lost               # something of it could not be had, and is zeros


# Shows the first `size` bytes of a file.  False: this one cannot be shown, and the window is none.
cdef bint window_show(Window *w, int fd, size_t size) noexcept nogil

# What is before `at` will not be read again soon.
cdef void window_leave(Window *w, size_t at) noexcept nogil

cdef void window_close(Window *w) noexcept nogil
