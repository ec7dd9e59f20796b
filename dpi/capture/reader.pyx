"""What a capture is read through: one buffer, and where in it the next record begins.

Everything is read() into it, in pieces that stay in the processor's cache until their packets were looked at, and
that begin at a page, where the kernel copies fastest.  To map the file instead costs no copy but a page fault every few
packets, and a walk from header to header through memory that is not in the cache: it was slower by a tenth of a second
for 2 GB, and needs a handler for what happens when the file becomes shorter.
"""
from libc.errno cimport EINTR, errno
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memmove, memset
from posix.stat cimport S_ISREG, fstat, struct_stat
from posix.stdlib cimport posix_memalign
from posix.unistd cimport read


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
    r.regular = size_of(r) != INT64_MAX
    return True


cdef void reader_close(CaptureReader *r) noexcept nogil:
    free(r.buffer)
    free(r.interfaces)
    r.buffer = NULL
    r.interfaces = NULL
    r.begin = r.end = 0
    r.finished = True


cdef bint fill(CaptureReader *r) noexcept nogil:
    """Reads more; False at the end or on an error."""
    cdef size_t left = r.end - r.begin
    cdef size_t start
    cdef ssize_t n
    cdef pollfd waiting
    if r.finished:
        return False
    if r.error == EINTR:
        r.error = 0
        r.fault = CAPTURE_FINE
    if r.begin >= PAGE or left == 0:
        start = -left % PAGE
        memmove(r.buffer + start, r.buffer + r.begin, left)
        r.begin = start
        r.end = start + left
    if r.turns:     # a signal that comes just before read() would not end it: whoever waits for that would wait for ever
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
    elif size_of(r) < r.offset + <int64_t>left:     # it has become shorter meanwhile, as captures that are rotated do
        blame(r, CAPTURE_CUT, size_of(r))
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
    return r.buffer + r.begin


cdef int ended(CaptureReader *r) noexcept nogil:
    """There are fewer bytes than a record needs: fine where there are none at all."""
    if r.end > r.begin:
        blame(r, CAPTURE_CUT, r.offset)
    return 0


cdef int damaged(CaptureReader *r) noexcept nogil:
    """Lengths that cannot be right: where the next record is, nobody knows."""
    blame(r, CAPTURE_DAMAGED, r.offset)
    r.finished = True
    consume(r, r.end - r.begin)
    return 0
