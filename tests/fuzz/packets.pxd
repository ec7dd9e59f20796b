"""The targets of packets.pyx."""
from libc.stdint cimport uint8_t, uint32_t


cdef void fuzz_decode(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_fragments(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_pcapfile(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_capture(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_nfnetlink(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_stream(const uint8_t *data, uint32_t n) noexcept nogil
