"""A part of a file in memory, which moves on through it: of most packets little is looked at, which need not be copied.

A file may become shorter meanwhile, as captures that are rotated do, or its disk may fail.  The kernel then has no page to
give and sends a SIGBUS (mmap(2)).  What the window has from there on becomes zeros and the window torn, which its
reader reports; a SIGBUS of anything else is as it would have been without this.
"""
from libc.errno cimport errno
from libc.signal cimport SIGBUS
from libc.stdint cimport int64_t, uint8_t, uintptr_t
from posix.mman cimport (
    MADV_SEQUENTIAL, MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, PROT_READ, madvise, mmap, munmap,
)
from posix.signal cimport SA_SIGINFO, sigaction, sigaction_t, sigemptyset, siginfo_t
from posix.unistd cimport _SC_PAGESIZE, sysconf

from dpi.wire.atomic cimport load, store, take


cdef enum:
    WINDOWS = 16
    SIZE = 8 << 20
    ALIGNED = 2 << 20       # where a window begins: a multiple of any page's size, so that large pages are mapped as such


# The handler reads nothing that could be freed under it.
cdef Window windows[WINDOWS]
cdef int watching = 0
cdef sigaction_t before
cdef uintptr_t page_size = <uintptr_t>sysconf(_SC_PAGESIZE)


cdef void mend(int number, siginfo_t *info, void *context) noexcept nogil:
    """What has caused the signal is tried again when this returns."""
    cdef uintptr_t address = <uintptr_t>info.si_addr
    cdef uintptr_t page = address & ~(page_size - 1)
    cdef uintptr_t at
    cdef uintptr_t end
    cdef int error = errno
    cdef int i
    for i in range(WINDOWS):
        at = <uintptr_t>windows[i].at
        end = at + windows[i].n
        if at and at <= address < end and mmap(
                <void *>page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED:
            store(&windows[i].torn, 1)
            (&errno)[0] = error
            return
    sigaction(SIGBUS, &before, NULL)


cdef void watch() noexcept nogil:
    cdef sigaction_t ours
    if take(&watching):
        ours.sa_sigaction = mend
        ours.sa_flags = SA_SIGINFO
        sigemptyset(&ours.sa_mask)
        sigaction(SIGBUS, &ours, &before)


cdef Window *window_open() noexcept nogil:
    cdef int i
    watch()
    for i in range(WINDOWS):
        if take(&windows[i].taken):
            return &windows[i]
    return NULL


cdef void leave(Window *w) noexcept nogil:
    cdef void *at = w.at
    if at != NULL:
        w.at = NULL
        munmap(at, w.n)


cdef void window_close(Window *w) noexcept nogil:
    leave(w)
    store(&w.torn, 0)
    store(&w.taken, 0)


cdef bint window_move(Window *w, int fd, int64_t position, int64_t size, int64_t *start) noexcept nogil:
    cdef int64_t begin = position & ~<int64_t>(ALIGNED - 1)
    cdef size_t n = <size_t>min(size - begin, SIZE)
    cdef void *at = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, begin)      # some file systems share nothing
    if at == MAP_FAILED:
        return False
    madvise(at, n, MADV_SEQUENTIAL)
    leave(w)
    w.n = n
    w.at = <uint8_t *>at
    start[0] = begin
    return True


cdef bint window_torn(Window *w) noexcept nogil:
    return w != NULL and load(&w.torn) != 0
