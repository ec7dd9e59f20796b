"""Logins in clear; see login.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef bint login_in_clear(uint16_t protocol, const uint8_t *data, uint32_t n) noexcept nogil
cdef uint32_t behind_tag(const uint8_t *data, uint32_t n) noexcept nogil
cdef bint shows_secret(const uint8_t *authorization, uint32_t n) noexcept nogil
cdef bint asks_basic(const uint8_t *challenge, uint32_t n) noexcept nogil
