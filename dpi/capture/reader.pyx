"""What a capture is read through: its next bytes, and where in them the next record begins.

Small files, pipes and the last piece of a file are read() into a buffer, to where a page begins, which the kernel copies
to fastest.  The rest of a file comes through a window (window.pyx) and is not copied at all.
"""
from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memmove, memset
from posix.stat cimport S_ISREG, fstat, struct_stat
from posix.stdlib cimport posix_memalign
from posix.unistd cimport SEEK_CUR, SEEK_SET, lseek, read

from dpi.capture.window cimport window_close, window_move, window_open, window_torn


cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int POLLIN
    int poll(pollfd *fds, unsigned long n, int timeout)


cdef enum:
    PAGE = 4096
    AT_ONCE = 1 << 20       # bytes that are read together
    STOCK = 64 << 10
    TURN = 200              # ms
    BUFFER = RECORD_MAX + AT_ONCE + 3 * PAGE    # a record that is not there yet, and what is read next; touched as needed


cdef void blame(CaptureReader *r, CaptureFault fault, int64_t at) noexcept nogil:
    """The first fault is the one to report; the others often follow from it."""
    if r.fault == CAPTURE_FINE:
        r.fault = fault
        r.fault_at = at


cdef int64_t size_of(const CaptureReader *r) noexcept nogil:
    """Bytes of a regular file, INT64_MAX of anything else."""
    cdef struct_stat found
    return found.st_size if fstat(r.fd, &found) == 0 and S_ISREG(found.st_mode) else INT64_MAX


cdef bint reader_open(CaptureReader *r, int fd) noexcept nogil:
    memset(r, 0, sizeof(CaptureReader))
    r.fd = fd
    if posix_memalign(<void **>&r.buffer, PAGE, BUFFER) != 0:
        r.buffer = NULL
        return False
    r.bytes = r.buffer
    r.regular = size_of(r) != INT64_MAX
    if r.regular:
        r.first = lseek(fd, 0, SEEK_CUR)
    return True


cdef void reader_close(CaptureReader *r) noexcept nogil:
    if r.window != NULL:
        window_close(r.window)
    free(r.buffer)
    free(r.interfaces)
    r.window = NULL
    r.bytes = r.buffer = NULL
    r.interfaces = NULL
    r.begin = r.end = 0
    r.finished = True


cdef bint move_on(CaptureReader *r, int64_t size) noexcept nogil:
    """The window, to the next record; False where it cannot."""
    cdef int64_t start
    cdef int64_t position = r.first + r.offset
    if r.window == NULL:
        r.window = window_open()
    if r.window == NULL or not window_move(r.window, r.fd, position, size, &start):
        return False
    r.bytes = r.window.at
    r.begin = <size_t>(position - start)
    r.end = r.window.n
    return True


cdef bint fill(CaptureReader *r) noexcept nogil:
    """Has more at hand; False at the end or on an error."""
    cdef size_t left = r.end - r.begin
    cdef int64_t behind = r.first + r.offset + <int64_t>left    # what is there
    cdef int64_t size
    cdef size_t start
    cdef ssize_t n
    cdef pollfd waiting
    if r.finished:
        return False
    if shrunk(r):
        return torn(r)
    if r.error == EINTR:
        r.error = 0
        r.fault = CAPTURE_FINE
    if r.regular and behind > r.first:
        size = size_of(r)
        if size - behind > AT_ONCE and move_on(r, size):
            return True
    if r.window != NULL:
        lseek(r.fd, behind, SEEK_SET)
    if r.begin >= PAGE or left == 0 or r.bytes != r.buffer:
        start = -left % PAGE
        memmove(r.buffer + start, r.bytes + r.begin, left)
        r.bytes = r.buffer
        r.begin = start
        r.end = start + left
    if r.turns and not r.regular:
        # A signal that comes just before read() would not end it: whoever waits for that would wait for ever.
        waiting.fd = r.fd
        waiting.events = POLLIN
        if poll(&waiting, 1, TURN) <= 0:
            r.error = EINTR
            blame(r, CAPTURE_UNREADABLE, r.offset + <int64_t>left)
            return False
    n = read(r.fd, r.buffer + r.end, AT_ONCE)
    if n > 0:
        r.end += n
        return True
    if n < 0:
        r.error = errno
        blame(r, CAPTURE_UNREADABLE, r.offset + <int64_t>left)
        if errno == EINTR:      # Python handles its signals first; the next call reads on
            return False
    elif size_of(r) < behind:   # it has become shorter meanwhile, as captures that are rotated do
        blame(r, CAPTURE_CUT, size_of(r) - r.first)
    r.finished = True
    return False


cdef void stock_up(CaptureReader *r) noexcept nogil:
    if not r.regular or r.finished or r.end - r.begin >= STOCK:
        return
    fill(r)
    r.finished = r.fault != CAPTURE_FINE        # at the end the file may still grow


cdef const uint8_t *more(CaptureReader *r, size_t n) noexcept nogil:
    while r.end - r.begin < n:
        if not fill(r):
            return NULL
    return r.bytes + r.begin


cdef int ended(CaptureReader *r) noexcept nogil:
    """There are fewer bytes than a record needs: fine where there are none at all."""
    if r.end > r.begin:
        blame(r, CAPTURE_CUT, r.offset)
    return 0


cdef bint shrunk(CaptureReader *r) noexcept nogil:
    """Whether what the window shows may be no part of the file any more: of its last page only the rest reads as zeros."""
    return r.window != NULL and (window_torn(r.window) or size_of(r) < r.first + r.offset + <int64_t>(r.end - r.begin))


cdef int torn(CaptureReader *r) noexcept nogil:
    """The file has become shorter under the window, or its disk has failed: from somewhere on there are only zeros."""
    cdef int64_t size = size_of(r) - r.first
    if size > r.offset:
        r.error = EIO
        blame(r, CAPTURE_UNREADABLE, r.offset)
    else:
        blame(r, CAPTURE_CUT, size)
    r.finished = True
    consume(r, r.end - r.begin)
    return 0


cdef int damaged(CaptureReader *r) noexcept nogil:
    """Lengths that cannot be right: where the next record is, nobody knows."""
    if shrunk(r):
        return torn(r)
    blame(r, CAPTURE_DAMAGED, r.offset)
    r.finished = True
    consume(r, r.end - r.begin)
    return 0
