"""A part of a file in memory, which moves on through it; see window.pyx."""
from libc.stdint cimport int64_t, uint8_t


cdef struct Window:
    int taken               # by a reader, until it is closed
    uint8_t *at             # NULL: it is nowhere
    size_t n
    int torn                # what the file no longer has of it, or cannot give, reads as zeros


# One for a reader; NULL where too many have one.
cdef Window *window_open() noexcept nogil
cdef void window_close(Window *w) noexcept nogil

# Moves it to the file's byte at `position`, and some before it: *start is where it begins then.  `size`: of the file.
# False where that cannot be mapped: it shows what it did.
cdef bint window_move(Window *w, int fd, int64_t position, int64_t size, int64_t *start) noexcept nogil

# Whether something that was read of it may be no part of the file.
cdef bint window_torn(Window *w) noexcept nogil
