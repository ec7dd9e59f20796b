"""SHA-256 (FIPS 180-4), for fingerprints of a few hundred bytes.

Own, because libcrypto's one-shot call fetches the algorithm and allocates each time, which costs more than hashing
these few blocks does.  Nothing secret is hashed here.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dpi.wire.block cimport block_of


cdef extern from *:
    """
    static const uint32_t SHA256_K[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    """
    const uint32_t SHA256_K[64]


cdef inline uint32_t rotr(uint32_t x, int n) noexcept nogil:
    return x >> n | x << (32 - n)


cdef void compress(uint32_t *state, const uint8_t *block) noexcept nogil:
    """One block, section 6.2.2."""
    cdef uint32_t w[64]
    cdef uint32_t a, b, c, d, e, f, g, h, t1, t2
    cdef int i
    for i in range(16):
        w[i] = (
            <uint32_t>block[4 * i] << 24 | <uint32_t>block[4 * i + 1] << 16
            | <uint32_t>block[4 * i + 2] << 8 | block[4 * i + 3]
        )
    for i in range(16, 64):
        t1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10
        t2 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3
        w[i] = t1 + w[i - 7] + t2 + w[i - 16]
    a = state[0]
    b = state[1]
    c = state[2]
    d = state[3]
    e = state[4]
    f = state[5]
    g = state[6]
    h = state[7]
    for i in range(64):
        t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (e & f ^ ~e & g) + SHA256_K[i] + w[i]
        t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + (a & b ^ a & c ^ b & c)
        h = g
        g = f
        f = e
        e = d + t1
        d = c
        c = b
        b = a
        a = t1 + t2
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


cdef void sha256_start(Sha256 *s) noexcept nogil:
    s.state[0] = 0x6a09e667
    s.state[1] = 0xbb67ae85
    s.state[2] = 0x3c6ef372
    s.state[3] = 0xa54ff53a
    s.state[4] = 0x510e527f
    s.state[5] = 0x9b05688c
    s.state[6] = 0x1f83d9ab
    s.state[7] = 0x5be0cd19
    s.length = 0


cdef void sha256_add(Sha256 *s, const uint8_t *data, uint32_t n) noexcept nogil:
    cdef uint32_t waiting = s.length % 64
    cdef uint32_t part
    s.length += n
    while n:
        part = 64 - waiting if 64 - waiting < n else n
        memcpy(s.block + waiting, data, part)
        data += part
        n -= part
        waiting += part
        if waiting == 64:
            compress(s.state, s.block)
            waiting = 0


cdef void sha256_end(Sha256 *s, uint8_t *digest) noexcept nogil:
    """Writes the 32 bytes of the digest; the state must be started anew to be used again."""
    cdef uint32_t waiting = s.length % 64
    cdef int i
    s.block[waiting] = 0x80
    memset(s.block + waiting + 1, 0, 63 - waiting)
    if waiting >= 56:
        compress(s.state, s.block)
        memset(s.block, 0, 64)
    for i in range(8):
        s.block[56 + i] = s.length * 8 >> (56 - 8 * i) & 0xff
    compress(s.state, s.block)
    for i in range(32):
        digest[i] = s.state[i // 4] >> (24 - 8 * (i % 4)) & 0xff


def sha256(bytes data, uint32_t step=0) -> bytes:
    """The digest of the data, given to the hash in steps of so many bytes (0: at once)."""
    cdef Sha256 s
    cdef uint8_t digest[32]
    cdef uint32_t n = len(data)
    cdef uint32_t at = 0
    cdef uint32_t part
    cdef uint8_t *block = block_of(data)
    sha256_start(&s)
    while at < n:
        part = step if step and step < n - at else n - at
        sha256_add(&s, block + at, part)
        at += part
    sha256_end(&s, digest)
    free(block)
    return (<char *>digest)[:32]
