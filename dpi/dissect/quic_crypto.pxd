"""OpenSSL's contexts for QUIC Initials, one set a thread, and what is done with them."""
from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass


cdef enum:
    CID_MAX = 20            # RFC 9000, 17.2
    TAG_LEN = 16            # AEAD_AES_128_GCM (RFC 9001, 5.3 and 5.8)
    PLAIN_MAX = 65536       # no UDP datagram is longer
    GUESSES = 4             # profiles that quic_guess() has


cdef enum Generation:
    GENERATION_1            # RFC 9001's labels, and its numbers for the packet types
    GENERATION_2_DRAFT      # draft-ietf-quic-v2-00: labels of version 2, packet types of version 1
    GENERATION_2            # RFC 9369


cdef enum Frames:
    FRAMES_IETF
    FRAMES_GOOGLE           # CRYPTO is type 8, and what it carries …
    FRAMES_GOOGLE_CHLO      # … is not TLS but Google's own CHLO


cdef struct Profile:        # what decides how the Initials of a version are protected and read
    const uint8_t *salt     # 20 bytes
    Generation generation
    Frames frames
    const uint8_t *retry_key    # 16 bytes, or NULL where its Retry packets are not checked
    const uint8_t *retry_nonce  # 12 bytes


cdef struct QuicKeys:       # of one direction
    uint8_t key[16]
    uint8_t iv[12]
    uint8_t hp[16]


cdef struct QuicCrypto:
    EVP_CIPHER *ecb
    EVP_CIPHER *gcm
    EVP_CIPHER_CTX *mask
    EVP_CIPHER_CTX *aead
    uint8_t mask_key[16]    # what the two contexts are keyed with now …
    uint8_t aead_key[16]
    bint keyed              # … if they are
    int64_t number          # the packet number of what was opened last
    uint8_t plain[PLAIN_MAX]    # … and its frames


cdef QuicCrypto *quic_crypto_new() noexcept nogil
cdef void quic_crypto_free(QuicCrypto *c) noexcept nogil
cdef const Profile *quic_profile(uint32_t version) noexcept nogil
cdef const Profile *quic_guess(int i) noexcept nogil
cdef bint quic_initial_keys(const Profile *profile, const uint8_t *dcid, uint8_t n, bint server,
                            QuicKeys *out) noexcept nogil
cdef int quic_open(QuicCrypto *c, const QuicKeys *keys, const uint8_t *packet, uint32_t n,
                   uint32_t number_at, int64_t largest) noexcept nogil
cdef bint quic_retry_is_genuine(QuicCrypto *c, const Profile *profile, const uint8_t *packet, uint32_t n,
                                const uint8_t *dcid, uint8_t dcid_len) noexcept nogil
