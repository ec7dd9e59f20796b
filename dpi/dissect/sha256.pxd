"""SHA-256; see sha256.pyx."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef struct Sha256:
    uint32_t state[8]
    uint64_t length         # bytes added
    uint8_t block[64]       # of which length % 64 wait


cdef void sha256_start(Sha256 *s) noexcept nogil
cdef void sha256_add(Sha256 *s, const uint8_t *data, uint32_t n) noexcept nogil
cdef void sha256_end(Sha256 *s, uint8_t *digest) noexcept nogil
