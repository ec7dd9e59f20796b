"""The protection of QUIC Initial packets: key schedule, header protection, AEAD, Retry tag.

An Initial is encrypted with keys that follow from the version and from the client's first destination
connection id (RFC 9001, section 5.2).  Everybody on the path can derive them; they protect against those who
are not on it, and against changed bits: what opens was sent by somebody who speaks QUIC.

The work is OpenSSL's (libcrypto, EVP).  Fetching an algorithm and making a context costs more than using it, so
each thread of the loop has one QuicCrypto that lives as long as it does.  HKDF is written out as HMAC over SHA-256
(sha256.pxd): a key is hashed in once for all that is derived from it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from dpi.dissect.sha256 cimport SHA256_CTX, SHA256_Final, SHA256_Init, SHA256_Update
from dpi.dissect.varint cimport length_of
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, over, skip, u8, u32


cdef extern from "openssl/evp.h" nogil:
    int EVP_CTRL_AEAD_SET_TAG
    EVP_CIPHER *EVP_CIPHER_fetch(void *library, const char *name, const char *properties)
    void EVP_CIPHER_free(EVP_CIPHER *cipher)
    EVP_CIPHER_CTX *EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx)
    int EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX *ctx, int padding)
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int kind, int arg, void *p)
    int EVP_EncryptInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const unsigned char *key,
                            const unsigned char *iv, const void *params)
    int EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *written, const unsigned char *data, int n)
    int EVP_DecryptInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const unsigned char *key,
                            const unsigned char *iv, const void *params)
    int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *written, const unsigned char *data, int n)
    int EVP_DecryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *written)


# HkdfLabel (RFC 8446, 7.1) with an empty context, and the counter 1 of HKDF-Expand (RFC 5869, 2.3) behind it:
# nothing that is derived here is longer than one SHA-256.
cdef enum:
    CLIENT_IN, SERVER_IN, KEY_1, IV_1, HP_1, KEY_2, IV_2, HP_2, LABELS

cdef struct Label:
    const uint8_t *info
    size_t n

cdef Label LABEL[8]
LABEL[CLIENT_IN] = Label(<const uint8_t *>b"\x00\x20\x0ftls13 client in\x00\x01", 20)
LABEL[SERVER_IN] = Label(<const uint8_t *>b"\x00\x20\x0ftls13 server in\x00\x01", 20)
LABEL[KEY_1] = Label(<const uint8_t *>b"\x00\x10\x0etls13 quic key\x00\x01", 19)
LABEL[IV_1] = Label(<const uint8_t *>b"\x00\x0c\x0dtls13 quic iv\x00\x01", 18)
LABEL[HP_1] = Label(<const uint8_t *>b"\x00\x10\x0dtls13 quic hp\x00\x01", 18)
LABEL[KEY_2] = Label(<const uint8_t *>b"\x00\x10\x10tls13 quicv2 key\x00\x01", 21)
LABEL[IV_2] = Label(<const uint8_t *>b"\x00\x0c\x0ftls13 quicv2 iv\x00\x01", 20)
LABEL[HP_2] = Label(<const uint8_t *>b"\x00\x10\x0ftls13 quicv2 hp\x00\x01", 20)

# Where the salts stand: RFC 9001, 5.2; RFC 9369, 3.3.1; draft-ietf-quic-tls-22, -23 and -29, 5.2;
# draft-ietf-quic-v2-01, 3.3.1; the three of Google's in Chromium's net/third_party/quiche.
# Retry: RFC 9001, 5.8; RFC 9369, 3.3.3.  A draft's Retry needs no key: the client's next Initial shows the new id.
cdef const uint8_t *RETRY_KEY_1 = b"\xbe\x0c\x69\x0b\x9f\x66\x57\x5a\x1d\x76\x6b\x54\xe3\x68\xc8\x4e"
cdef const uint8_t *RETRY_NONCE_1 = b"\x46\x15\x99\xd3\x5d\x63\x2b\xf2\x23\x98\x25\xbb"
cdef const uint8_t *RETRY_KEY_2 = b"\x8f\xb4\xb0\x1b\x56\xac\x48\xe2\x60\xfb\xcb\xce\xad\x7c\xcc\x92"
cdef const uint8_t *RETRY_NONCE_2 = b"\xd8\x69\x69\xbc\x2d\x7c\x6d\x99\x90\xef\xb0\x4a"

cdef Profile VERSION_1 = Profile(
    b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
    GENERATION_1, FRAMES_IETF, RETRY_KEY_1, RETRY_NONCE_1)
cdef Profile VERSION_2 = Profile(
    b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
    GENERATION_2, FRAMES_IETF, RETRY_KEY_2, RETRY_NONCE_2)
cdef Profile VERSION_2_DRAFT_01 = Profile(
    b"\xa7\x07\xc2\x03\xa5\x9b\x47\x18\x4a\x1d\x62\xca\x57\x04\x06\xea\x7a\xe3\xe5\xd3",
    GENERATION_2, FRAMES_IETF, NULL, NULL)
cdef Profile VERSION_2_DRAFT_00 = Profile(VERSION_2_DRAFT_01.salt, GENERATION_2_DRAFT, FRAMES_IETF, NULL, NULL)
cdef Profile DRAFT_22 = Profile(
    b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a",
    GENERATION_1, FRAMES_IETF, NULL, NULL)
cdef Profile DRAFT_23 = Profile(
    b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02",
    GENERATION_1, FRAMES_IETF, NULL, NULL)
cdef Profile DRAFT_29 = Profile(
    b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99",
    GENERATION_1, FRAMES_IETF, NULL, NULL)
cdef Profile Q050 = Profile(
    b"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45",
    GENERATION_1, FRAMES_GOOGLE_CHLO, NULL, NULL)
cdef Profile T050 = Profile(
    b"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10",
    GENERATION_1, FRAMES_GOOGLE, NULL, NULL)
cdef Profile T051 = Profile(
    b"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d",
    GENERATION_1, FRAMES_GOOGLE, NULL, NULL)


cdef const Profile *quic_profile(uint32_t version) noexcept nogil:
    """How the Initials of a version are protected, or NULL where that is not known."""
    cdef uint32_t draft
    if version == 1 or version == 0xfaceb003U or version == 0xfaceb004U:
        return &VERSION_1
    if version == 0x6b3343cf:
        return &VERSION_2
    if version >> 8 == 0xff0000:
        draft = version & 0xff
        if 23 <= draft <= 28:
            return &DRAFT_23
        if 29 <= draft <= 32:
            return &DRAFT_29
        if 33 <= draft <= 34:
            return &VERSION_1
        return &DRAFT_22 if draft == 22 else NULL
    if version >> 8 == 0xfaceb0:            # Facebook's mvfst: aliases of drafts, and its default is draft 23's salt
        return &DRAFT_22 if version <= 0xfaceb001U else &DRAFT_23
    if version == 0x709a50c4:
        return &VERSION_2_DRAFT_01
    if version == 0xff020000U:
        return &VERSION_2_DRAFT_00
    if version == 0x51303530:               # "Q050"
        return &Q050
    if version == 0x54303530:               # "T050"
        return &T050
    if version == 0x54303531:               # "T051"
        return &T051
    return NULL


cdef const Profile *quic_guess(int i) noexcept nogil:
    """The i-th of GUESSES to try for a version that is not known.

    Clients that force a version negotiation (RFC 9000, 15) and private versions protect like one of these.
    """
    if i == 0:
        return &VERSION_1
    if i == 1:
        return &DRAFT_29
    return &VERSION_2 if i == 2 else &DRAFT_23


cdef QuicCrypto *quic_crypto_new() noexcept nogil:
    """The contexts for one thread; NULL when memory or an algorithm is missing."""
    cdef QuicCrypto *c = <QuicCrypto *>calloc(1, sizeof(QuicCrypto))
    if c == NULL:
        return NULL
    c.ecb = EVP_CIPHER_fetch(NULL, b"AES-128-ECB", NULL)
    c.gcm = EVP_CIPHER_fetch(NULL, b"AES-128-GCM", NULL)
    c.mask = EVP_CIPHER_CTX_new()
    c.aead = EVP_CIPHER_CTX_new()
    if (c.ecb == NULL or c.gcm == NULL or c.mask == NULL or c.aead == NULL
            or EVP_EncryptInit_ex2(c.mask, c.ecb, NULL, NULL, NULL) != 1
            or EVP_CIPHER_CTX_set_padding(c.mask, 0) != 1
            or EVP_DecryptInit_ex2(c.aead, c.gcm, NULL, NULL, NULL) != 1):
        quic_crypto_free(c)
        return NULL
    return c


cdef void quic_crypto_free(QuicCrypto *c) noexcept nogil:
    if c == NULL:
        return
    EVP_CIPHER_CTX_free(c.aead)
    EVP_CIPHER_CTX_free(c.mask)
    EVP_CIPHER_free(c.gcm)
    EVP_CIPHER_free(c.ecb)
    free(c)


cdef struct Keyed:          # HMAC-SHA256 (RFC 2104), the key hashed in
    SHA256_CTX inner
    SHA256_CTX outer


cdef bint keyed(Keyed *k, const uint8_t *key, size_t n) noexcept nogil:
    """A key of at most 64 bytes."""
    cdef uint8_t inner[64]
    cdef uint8_t outer[64]
    cdef size_t i
    memset(inner, 0x36, 64)
    memset(outer, 0x5c, 64)
    for i in range(n):
        inner[i] ^= key[i]
        outer[i] ^= key[i]
    return (SHA256_Init(&k.inner) == 1 and SHA256_Update(&k.inner, inner, 64) == 1
            and SHA256_Init(&k.outer) == 1 and SHA256_Update(&k.outer, outer, 64) == 1)


cdef bint hmac(const Keyed *k, const uint8_t *data, size_t n, uint8_t *out) noexcept nogil:
    """`out` is 32 bytes."""
    cdef SHA256_CTX inner = k.inner
    cdef SHA256_CTX outer = k.outer
    return (SHA256_Update(&inner, data, n) == 1 and SHA256_Final(out, &inner) == 1
            and SHA256_Update(&outer, out, 32) == 1 and SHA256_Final(out, &outer) == 1)


cdef bint expand(const Keyed *secret, int label, uint8_t *out, size_t n) noexcept nogil:
    """HKDF-Expand-Label; n is at most 32."""
    cdef uint8_t block[32]
    if not hmac(secret, LABEL[label].info, LABEL[label].n, block):
        return False
    memcpy(out, block, n)
    return True


cdef bint quic_initial_keys(const Profile *profile, const uint8_t *dcid, uint8_t n, bint server,
                            QuicKeys *out) noexcept nogil:
    """The keys of one direction's Initials (RFC 9001, 5.1 and 5.2): `dcid` is the client's first destination id."""
    cdef uint8_t secret[32]
    cdef int first = KEY_1 if profile.generation == GENERATION_1 else KEY_2
    cdef Keyed k
    return (keyed(&k, profile.salt, 20) and hmac(&k, dcid, n, secret)
            and keyed(&k, secret, 32) and expand(&k, SERVER_IN if server else CLIENT_IN, secret, 32)
            and keyed(&k, secret, 32)
            and expand(&k, first, out.key, 16)
            and expand(&k, first + 1, out.iv, 12)
            and expand(&k, first + 2, out.hp, 16))


cdef bint rekey(QuicCrypto *c, const QuicKeys *keys) noexcept nogil:
    """Keys both contexts, unless they are: a connection's second Initial needs no new key expansion."""
    if c.keyed and not memcmp(c.aead_key, keys.key, 16) and not memcmp(c.mask_key, keys.hp, 16):
        return True
    c.keyed = (EVP_EncryptInit_ex2(c.mask, NULL, keys.hp, NULL, NULL) == 1
               and EVP_DecryptInit_ex2(c.aead, NULL, keys.key, NULL, NULL) == 1)
    memcpy(c.aead_key, keys.key, 16)
    memcpy(c.mask_key, keys.hp, 16)
    return c.keyed


cdef int64_t packet_number(int64_t truncated, int bits, int64_t largest) noexcept nogil:
    """RFC 9000, A.3: the number nearest to the one expected that ends in these bits."""
    cdef int64_t window = <int64_t>1 << bits
    cdef int64_t expected = largest + 1
    cdef int64_t candidate = (expected & ~(window - 1)) | truncated
    if candidate <= expected - window // 2 and candidate < (<int64_t>1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


cdef int quic_open(QuicCrypto *c, const QuicKeys *keys, const uint8_t *packet, uint32_t n,
                   uint32_t number_at, int64_t largest) noexcept nogil:
    """Opens a long header packet of n bytes whose packet number starts at number_at (RFC 9001, 5.3 and 5.4).

    `largest` is the largest packet number seen so far, -1 for none.  Returns how many bytes of frames are in
    c.plain now, with the packet's number in c.number; -1 where the packet is not authentic under these keys.
    """
    cdef uint8_t mask[16]
    cdef uint8_t nonce[12]
    cdef uint8_t first
    cdef uint8_t number[4]
    cdef uint32_t truncated = 0
    cdef uint32_t number_len, body, body_len
    cdef int i, written, tail
    # The sample starts where a packet number of four bytes would end, RFC 9001, 5.4.2.
    if n > PLAIN_MAX or number_at > n or n - number_at < 4 + 16 or not rekey(c, keys):
        return -1
    if EVP_EncryptUpdate(c.mask, mask, &written, packet + number_at + 4, 16) != 1:
        return -1
    first = packet[0] ^ (mask[0] & 0x0f)
    number_len = (first & 3) + 1
    for i in range(<int>number_len):
        number[i] = packet[number_at + i] ^ mask[1 + i]
        truncated = truncated << 8 | number[i]
    body = number_at + number_len
    if n - body < TAG_LEN:
        return -1
    body_len = n - body - TAG_LEN

    c.number = packet_number(truncated, 8 * number_len, largest)
    memcpy(nonce, keys.iv, 12)
    for i in range(8):
        nonce[11 - i] ^= <uint8_t>(c.number >> (8 * i))

    # The associated data is the header as it was before its protection; it goes in piece by piece.
    if (EVP_DecryptInit_ex2(c.aead, NULL, NULL, nonce, NULL) != 1
            or EVP_DecryptUpdate(c.aead, NULL, &written, &first, 1) != 1
            or EVP_DecryptUpdate(c.aead, NULL, &written, packet + 1, number_at - 1) != 1
            or EVP_DecryptUpdate(c.aead, NULL, &written, number, number_len) != 1
            or EVP_DecryptUpdate(c.aead, c.plain, &written, packet + body, body_len) != 1
            or EVP_CIPHER_CTX_ctrl(c.aead, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, <void *>(packet + n - TAG_LEN)) != 1
            or EVP_DecryptFinal_ex(c.aead, c.plain + written, &tail) != 1):
        return -1
    return written


cdef bint quic_retry_is_genuine(QuicCrypto *c, const Profile *profile, const uint8_t *packet, uint32_t n,
                                const uint8_t *dcid, uint8_t dcid_len) noexcept nogil:
    """Whether a Retry answers the Initial that was sent to this destination id (RFC 9001, 5.8)."""
    cdef int written
    if n < TAG_LEN or profile.retry_key == NULL:
        return False
    c.keyed = False
    return (EVP_DecryptInit_ex2(c.aead, NULL, profile.retry_key, profile.retry_nonce, NULL) == 1
            and EVP_DecryptUpdate(c.aead, NULL, &written, &dcid_len, 1) == 1
            and (dcid_len == 0 or EVP_DecryptUpdate(c.aead, NULL, &written, dcid, dcid_len) == 1)
            and EVP_DecryptUpdate(c.aead, NULL, &written, packet, n - TAG_LEN) == 1
            and EVP_CIPHER_CTX_ctrl(c.aead, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, <void *>(packet + n - TAG_LEN)) == 1
            and EVP_DecryptFinal_ex(c.aead, c.plain, &written) == 1)


cdef class _Contexts:
    cdef QuicCrypto *c

    def __cinit__(self):
        self.c = quic_crypto_new()
        if self.c == NULL:
            raise MemoryError

    def __dealloc__(self):
        quic_crypto_free(self.c)


def initial_keys(version: int, dcid: bytes, server: bool = False) -> tuple[bytes, bytes, bytes] | None:
    """(key, IV, header protection key) of a direction's Initials; None where the version is not known."""
    cdef const Profile *profile = quic_profile(version)
    cdef QuicKeys keys
    if profile == NULL or not quic_initial_keys(profile, dcid, <uint8_t>min(len(dcid), 255), server, &keys):
        return None
    return (<char *>keys.key)[:16], (<char *>keys.iv)[:12], (<char *>keys.hp)[:16]


def open_initial(packet: bytes, dcid: bytes, server: bool = False) -> tuple[int, bytes] | None:
    """(packet number, frames) of one Initial packet, None where it does not open with the keys of this id."""
    cdef _Contexts contexts = _Contexts()
    cdef uint8_t *block = block_of(packet)
    cdef Cursor at = over(block, len(packet))
    cdef const Profile *profile
    cdef QuicKeys keys
    cdef Py_ssize_t number_at
    cdef int got = -1
    skip(&at, 1)
    profile = quic_profile(u32(&at))
    skip(&at, u8(&at))
    skip(&at, u8(&at))
    skip(&at, length_of(&at))
    length_of(&at)
    if (alive(&at) and profile != NULL
            and quic_initial_keys(profile, dcid, <uint8_t>min(len(dcid), 255), server, &keys)):
        number_at = at.p - block
        got = quic_open(contexts.c, &keys, block, len(packet), number_at, -1)
    free(block)
    return (contexts.c.number, (<char *>contexts.c.plain)[:got]) if got >= 0 else None


def retry_is_genuine(packet: bytes, dcid: bytes) -> bool:
    """Whether a Retry packet answers an Initial that was sent to this destination id."""
    cdef _Contexts contexts = _Contexts()
    cdef uint8_t *block = block_of(packet)
    cdef Cursor at = over(block, len(packet))
    cdef const Profile *profile
    cdef bint answer
    skip(&at, 1)
    profile = quic_profile(u32(&at))
    answer = profile != NULL and quic_retry_is_genuine(contexts.c, profile, block, len(packet), dcid,
                                                       <uint8_t>min(len(dcid), 255))
    free(block)
    return answer
