"""What is spoken over TLS, and what goes over to it; see over_tls.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum Step:
    STAYS                   # in clear, for good
    WAITS                   # it may go over yet
    BEGINS                  # these bytes are the first of TLS


cdef bint upgradable(uint16_t label) noexcept nogil
cdef bint in_messages(uint16_t label) noexcept nogil
cdef bint cut_short(uint16_t label, const uint8_t *data, uint32_t n) noexcept nogil
cdef Step upgrade(uint16_t label, uint32_t turn, const uint8_t *data, uint32_t n) noexcept nogil
cdef uint16_t secured(uint16_t label) noexcept nogil
cdef uint16_t implicit_tls(uint16_t port, const char *alpn) noexcept nogil
cdef uint16_t carried_by_tls(uint16_t port, const char *alpn) noexcept nogil
