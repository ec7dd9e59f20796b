"""The targets of small.pyx."""
from libc.stdint cimport uint8_t, uint32_t


cdef void fuzz_login(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_shown(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_over_tls(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_over_http(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_peer_lists(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_program(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_noise(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_proxied(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_consent(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_socks(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_hassh(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_tor(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_dns_names(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_hpack(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_gquic(const uint8_t *data, uint32_t n) noexcept nogil
