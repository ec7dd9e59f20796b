"""What a dissector answers, and what it may find.  One Found a thread, cleared by the loop before each use."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum Answer:
    NO                      # these bytes are not of this protocol, nor will more of them be
    MORE                    # they may be: come again with more
    YES                     # they are, and all that was wanted has been read


cdef enum:
    HOST_MAX = 255          # RFC 1035, 2.3.4
    ALPN_MAX = 31


cdef struct Found:
    char host[256]          # lower case, no trailing dot, NUL-terminated; "" where none is visible
    uint16_t host_len
    char ja4[40]            # "t13d1516h2_8daaf6152771_e5627efa2ab1", "" where it does not apply
    char alpn[32]           # the first protocol offered
    char agent[128]         # HTTP user agent, or what names the client's software
    char content_type[64]
    uint16_t tls_version    # the highest offered, 0x0304 for TLS 1.3
    uint32_t quic_version
    uint8_t ech             # an encrypted_client_hello extension is present (RFC 9849)
