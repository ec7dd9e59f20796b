"""Records out of a pcap or pcapng stream.  See pcapfile.pyx."""
from dpi.capture.reader cimport CaptureReader, Record


# Takes an open descriptor (which stays the caller's, as does *r where it is: not to be moved); False with r.fault set where it is no capture.
cdef bint capture_open(CaptureReader *r, int fd) noexcept nogil

# 1 and the next record, or 0 at the end; then r.fault says whether it was a clean one.
cdef int next_record(CaptureReader *r, Record *out) noexcept nogil

# Whether the next record is one that next_record() gives without reading: those before it stay where they are.
cdef bint at_hand(const CaptureReader *r) noexcept nogil


cdef class Capture:
    cdef CaptureReader reader
    cdef readonly str path
    cdef object file
    cdef object unpacked            # what unpacks the file, None where it is not compressed

    cdef bint begin(self, int fd)
    cdef bytes start(self, size_t n)
    cdef object fault(self)
    cdef object unread(self)
