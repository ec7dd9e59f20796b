"""The JA4 fingerprint of a ClientHello; see ja4.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    JA4_CIPHERS = 512       # more than twice what is registered; a hello with more gets no fingerprint
    JA4_EXTENSIONS = 256


cdef struct Hello:          # what a fingerprint is made of, as it stands in the message
    uint8_t transport       # 't' TCP, 'q' QUIC, 'd' DTLS
    uint8_t sni             # a server_name extension is present
    uint16_t version        # the highest offered
    const uint8_t *alpn     # the first protocol offered
    uint32_t alpn_len
    const uint8_t *ciphers  # 2 bytes each, as are the algorithms
    uint32_t ciphers_len
    const uint8_t *algorithms
    uint32_t algorithms_len
    uint16_t extensions[JA4_EXTENSIONS]
    uint32_t n_extensions


cdef bint ja4(const Hello *hello, char *out) noexcept nogil


cdef inline bint grease(uint16_t value) noexcept nogil:
    """One of the values that stand for nothing: 0x0a0a, 0x1a1a, … 0xfafa (RFC 8701)."""
    return value & 0x0f0f == 0x0a0a and value >> 8 == value & 0xff
