"""BitTorrent's Message Stream Encryption; see obfuscated.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow


cdef Answer find_obfuscated(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                            Finding *out) noexcept nogil


cdef inline bint key_sized(uint32_t n) noexcept nogil:
    """Whether so many bytes may be a key of 768 bits and up to 512 bytes of padding."""
    return 96 <= n <= 608
