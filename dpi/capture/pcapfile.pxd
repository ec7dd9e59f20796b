"""Records out of a pcap or pcapng stream.  See pcapfile.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t


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
    uint8_t *buffer
    size_t begin            # of what has been read and not yet been consumed
    size_t end
    int64_t offset          # in the file, of buffer[begin]
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
    # the first fault, and where
    CaptureFault fault
    int64_t fault_at
    int error               # errno


# Takes an open descriptor (which stays the caller's, as does *r where it is: not to be moved); False with r.fault set where it is no capture.
cdef bint capture_open(CaptureReader *r, int fd) noexcept nogil

# 1 and the next record, or 0 at the end; then r.fault says whether it was a clean one.
cdef int next_record(CaptureReader *r, Record *out) noexcept nogil

# Whether the next record is one that next_record() gives without reading: those before it stay where they are.
cdef bint at_hand(const CaptureReader *r) noexcept nogil

# Reads on where little is left of a file, so that most often the records of a whole batch are at hand.
cdef void stock_up(CaptureReader *r) noexcept nogil

cdef void capture_close(CaptureReader *r) noexcept nogil


cdef class Capture:
    cdef CaptureReader reader
    cdef readonly str path
    cdef object file

    cdef object fault(self)
