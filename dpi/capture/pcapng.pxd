"""Packets out of the blocks of a pcapng stream; see pcapng.pyx."""
from libc.stdint cimport uint8_t

from dpi.capture.reader cimport CaptureReader, Record


cdef enum:
    BLOCK_SECTION = 0x0a0d0d0a      # what such a stream begins with

cdef int next_block(CaptureReader *r, Record *out) noexcept nogil
cdef bint block_at_hand(const CaptureReader *r, const uint8_t *b, size_t n) noexcept nogil
