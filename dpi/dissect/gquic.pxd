"""Google's QUIC before the IETF's: what still names a flow."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found


cdef uint32_t is_gquic(uint32_t v) noexcept nogil
cdef uint32_t gquic_version(const uint8_t *data, uint32_t n) noexcept nogil
cdef Answer gquic_datagram(const uint8_t *data, uint32_t n, Found *out, bint *from_client) noexcept nogil
cdef Answer gquic_chlo(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
