"""A capture's bytes, as the formats read them; see reader.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.capture.window cimport Window


cdef enum:
    RECORD_MAX = 2 << 20    # four times the largest packet that Linux hands out (BIG TCP), with its options


cdef enum CaptureFault:
    CAPTURE_FINE
    CAPTURE_EMPTY           # not one byte
    CAPTURE_UNKNOWN         # neither pcap nor pcapng
    CAPTURE_CUT             # it ends in the middle of a record
    CAPTURE_DAMAGED         # lengths that cannot be: what is behind them is lost
    CAPTURE_STRANGE         # a packet that cannot be, in a block that can: it was left out
    CAPTURE_UNREADABLE      # read() failed, error says why; EINTR: the wait for a pipe ended, the next call goes on


cdef struct Record:
    const uint8_t *data     # valid until the next call
    uint32_t caplen
    uint32_t wirelen
    uint32_t linktype
    int64_t time            # ns since 1970


cdef struct Interface:
    int64_t offset          # if_tsoffset, s
    uint32_t snaplen        # 0: unlimited
    uint16_t linktype
    uint8_t resolution      # if_tsresol


cdef struct CaptureReader:
    int fd
    bint regular            # a file: reading never waits
    bint turns              # wait for a pipe for a fifth of a second at a time
    uint8_t *buffer         # what is read() into
    Window *window          # of a file; NULL as long as all of it was read()
    const uint8_t *bytes    # the one or the other
    int64_t first           # where in the file its first byte is: standard input may begin anywhere
    size_t begin            # of what is there and has not yet been consumed
    size_t end
    int64_t offset          # in the capture, of bytes[begin]
    bint finished           # read() has said so
    bint blocks             # pcapng
    bint swapped            # the writer had the other byte order
    # pcap
    uint32_t header         # bytes in front of each packet
    uint32_t scale          # ns a unit of the fraction of a second
    uint32_t linktype
    bint old                # before 2.4 some wrote the two lengths in the other order
    # pcapng
    Interface *interfaces
    uint32_t n_interfaces
    int64_t last            # time of the last packet: simple packet blocks have none
    uint64_t records        # given so far
    uint64_t unread         # … of a link type that dpi.wire does not read
    uint32_t unread_type    # the first such link type
    bint unread_others      # there are others beside it
    uint32_t asked_type     # the last link type that was asked about
    bint asked_is_read      # … and whether dpi.wire reads it
    # the first fault, and where
    CaptureFault fault
    int64_t fault_at
    int error               # errno


# Takes an open descriptor, which stays the caller's; False without memory.  *r is not to be moved.
cdef bint reader_open(CaptureReader *r, int fd) noexcept nogil
cdef void reader_close(CaptureReader *r) noexcept nogil

# Reads until n bytes are there; see ahead().
cdef const uint8_t *more(CaptureReader *r, size_t n) noexcept nogil

# Reads on; False at the end or on an error.
cdef bint fill(CaptureReader *r) noexcept nogil

# Reads on where little is left of a file, so that most often the records of a whole batch are at hand.
cdef void stock_up(CaptureReader *r) noexcept nogil

cdef void blame(CaptureReader *r, CaptureFault fault, int64_t at) noexcept nogil
cdef int ended(CaptureReader *r) noexcept nogil
cdef int torn(CaptureReader *r) noexcept nogil
cdef bint shrunk(CaptureReader *r) noexcept nogil
cdef int damaged(CaptureReader *r) noexcept nogil


cdef inline uint32_t word(const CaptureReader *r, const uint8_t *p) noexcept nogil:
    cdef uint32_t v = <uint32_t>p[3] << 24 | <uint32_t>p[2] << 16 | <uint32_t>p[1] << 8 | p[0]
    if r.swapped:
        v = v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24
    return v


cdef inline uint32_t half(const CaptureReader *r, const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] << 8 | p[1] if r.swapped else <uint32_t>p[1] << 8 | p[0]


cdef inline const uint8_t *ahead(CaptureReader *r, size_t n) noexcept nogil:
    """The next n bytes, RECORD_MAX and a header at the most, without consuming them; NULL where there are fewer.

    Earlier pointers are void."""
    if r.end - r.begin >= n:
        return r.bytes + r.begin
    return more(r, n)


cdef inline void consume(CaptureReader *r, size_t n) noexcept nogil:
    r.begin += n
    r.offset += n
