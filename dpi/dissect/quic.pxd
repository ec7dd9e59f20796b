"""QUIC: a flow's state and the function that the loop shows its datagrams to."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.quic_crypto cimport CID_MAX, Profile, QuicCrypto, QuicKeys
from dpi.flow.stream cimport Pool, Stream


cdef struct QuicState:      # may be moved with memcpy
    Stream crypto           # the client's CRYPTO frames of its Initials
    const Profile *profile  # of the keys; NULL while there are none
    int64_t largest         # packet number of the client's Initials, -1 for none
    uint32_t version        # as the headers say; 0 until QUIC is recognised
    QuicKeys keys           # the client's
    uint8_t dcid[CID_MAX]   # what they were derived from
    uint8_t client_cid[CID_MAX]     # the id that the client chose for itself …
    uint8_t server_cid[CID_MAX]     # … and the server for itself
    uint8_t dcid_len
    uint8_t client_cid_len
    uint8_t server_cid_len
    uint8_t client          # 1: the opener is the client, which is assumed until it shows; 0: the other side is
    uint8_t datagrams
    uint8_t short_headers
    uint8_t derived         # times that keys were derived
    uint8_t token           # 1: since a Retry the client's Initials bear a token


cdef void quic_state_init(QuicState *s, Pool *pool) noexcept nogil
cdef void quic_state_free(QuicState *s) noexcept nogil
cdef Answer quic_datagram(QuicState *s, QuicCrypto *c, const uint8_t *data, uint32_t n, bint from_opener,
                          Found *out) noexcept nogil
