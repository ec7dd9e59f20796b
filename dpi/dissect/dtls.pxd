"""DTLS handshakes in clear; see dtls.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.flow.stream cimport Stream


cdef struct DtlsHello:      # a ClientHello that one fragment does not hold; zeroed but for the stream's pool: none
    Stream body
    uint32_t length         # of the body; 0: none was begun
    uint16_t number         # of the message: 0, or 1 where the server asked for another
    uint8_t side            # who sends it
    uint8_t datagrams       # looked at since it was begun


cdef Answer dtls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef Answer dtls_datagram(DtlsHello *h, int side, const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef void dtls_told(DtlsHello *h, Found *out) noexcept nogil
