"""JA4: a fingerprint of the software that sent a ClientHello.

As published by FoxIO (technical_details/JA4.md of their repository):

    t13d1516h2_8daaf6152771_e5627efa2ab1
    |||| | |   |            SHA-256 of sorted extensions "_" signature algorithms in their order, 12 hex digits
    |||| | |   SHA-256 of sorted cipher suites, 12 hex digits
    |||| | first and last character of the first ALPN
    |||| extensions, two digits
    ||cipher suites, two digits (after d: a server name is present, i: none)
    |version
    transport

GREASE values (RFC 8701) count nowhere, so that the fingerprint of a browser stays the same.

Hashing is what a fingerprint costs; see sha256.pxd.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from dpi.dissect.sha256 cimport SHA256_CTX, SHA256_Final, SHA256_Init, SHA256_Update
from dpi.wire.block cimport block_of
from dpi.wire.hexadecimal cimport HEX


cdef enum:
    EXT_SERVER_NAME = 0
    EXT_ALPN = 16


cdef inline const char *version_of(uint16_t version) noexcept nogil:
    if version == 0x0304:
        return "13"
    if version == 0x0303:
        return "12"
    if version == 0x0302:
        return "11"
    if version == 0x0301:
        return "10"
    if version == 0x0300:
        return "s3"
    if version == 0x0002:
        return "s2"
    if version == 0xfeff:
        return "d1"
    if version == 0xfefd:
        return "d2"
    if version == 0xfefc:
        return "d3"
    return "00"


cdef inline void put_count(char *out, uint32_t n) noexcept nogil:
    if n > 99:
        n = 99
    out[0] = 48 + n // 10
    out[1] = 48 + n % 10


cdef inline bint alphanumeric(uint8_t c) noexcept nogil:
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122


cdef void put_alpn(char *out, const uint8_t *alpn, uint32_t n) noexcept nogil:
    out[0] = out[1] = 48
    if n == 0:
        return
    if alphanumeric(alpn[0]) and alphanumeric(alpn[n - 1]):
        out[0] = alpn[0]
        out[1] = alpn[n - 1]
    else:
        out[0] = HEX[alpn[0] >> 4]
        out[1] = HEX[alpn[n - 1] & 15]


cdef void sort(uint16_t *v, int n) noexcept nogil:
    """Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2, algorithm M): which values are compared does not depend on them.

    So no order of input makes it slow, and the processor guesses no branch wrong.
    """
    cdef int top = 1
    cdef int p, q, r, d, i, block
    cdef uint16_t a, b
    while 2 * top < n:
        top *= 2
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            block = r
            while block < n - d:
                for i in range(block, min(block + p, n - d)):
                    a, b = v[i], v[i + d]
                    v[i] = a if a < b else b
                    v[i + d] = b if a < b else a
                block += 2 * p
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2


cdef void add_list(SHA256_CTX *s, const uint16_t *v, uint32_t n) noexcept nogil:
    """Adds "002f,0035,…"."""
    cdef char text[5 * JA4_CIPHERS]
    cdef char *p = text
    cdef uint32_t i
    for i in range(n):
        p[0] = HEX[v[i] >> 12]
        p[1] = HEX[v[i] >> 8 & 15]
        p[2] = HEX[v[i] >> 4 & 15]
        p[3] = HEX[v[i] & 15]
        p[4] = c","
        p += 5
    SHA256_Update(s, text, 5 * n - 1)   # n > 0; the last comma is too much


cdef void put_hash(char *out, SHA256_CTX *s) noexcept nogil:
    cdef uint8_t digest[32]
    cdef int i
    SHA256_Final(digest, s)
    for i in range(6):
        out[2 * i] = HEX[digest[i] >> 4]
        out[2 * i + 1] = HEX[digest[i] & 15]


cdef uint32_t read_list(uint16_t *v, const uint8_t *p, uint32_t n) noexcept nogil:
    """Reads n bytes of 16-bit values, without GREASE."""
    cdef uint32_t i
    cdef uint32_t count = 0
    cdef uint16_t value
    for i in range(n // 2):
        value = p[2 * i] << 8 | p[2 * i + 1]
        if not grease(value):
            v[count] = value
            count += 1
    return count


cdef bint ja4(const Hello *h, char *out) noexcept nogil:
    """Writes the fingerprint, 36 characters and NUL; False (and "") where the hello is too large for one."""
    cdef uint16_t v[JA4_CIPHERS]
    cdef uint32_t i, n, counted
    cdef SHA256_CTX s
    out[0] = 0
    if h.ciphers_len > 2 * JA4_CIPHERS or h.algorithms_len > 2 * JA4_CIPHERS or h.n_extensions > JA4_EXTENSIONS:
        return False
    memcpy(out, "t00i000000_000000000000_000000000000", 37)
    out[0] = h.transport
    memcpy(out + 1, version_of(h.version), 2)
    if h.sni:
        out[3] = c"d"
    put_alpn(out + 8, h.alpn, h.alpn_len)

    n = read_list(v, h.ciphers, h.ciphers_len)
    put_count(out + 4, n)
    if n:
        sort(v, n)
        SHA256_Init(&s)
        add_list(&s, v, n)
        put_hash(out + 11, &s)

    n = 0
    counted = 0
    for i in range(h.n_extensions):
        if not grease(h.extensions[i]):
            counted += 1
            if h.extensions[i] != EXT_SERVER_NAME and h.extensions[i] != EXT_ALPN:
                v[n] = h.extensions[i]
                n += 1
    put_count(out + 6, counted)
    if n:
        sort(v, n)
        SHA256_Init(&s)
        add_list(&s, v, n)
        n = read_list(v, h.algorithms, h.algorithms_len)
        if n:
            SHA256_Update(&s, <const char *>b"_", 1)
            add_list(&s, v, n)
        put_hash(out + 24, &s)
    return True


def fingerprint(
    str transport, uint16_t version, bint sni, bytes alpn, bytes ciphers, list extensions, bytes algorithms
) -> str:
    """The fingerprint of a hello in parts: transport is "t", "q" or "d", ciphers and algorithms are as on the wire."""
    cdef Hello h
    cdef char out[40]
    h.transport = ord(transport)
    h.version = version
    h.sni = sni
    h.n_extensions = 0
    for kind in extensions[:JA4_EXTENSIONS]:
        h.extensions[h.n_extensions] = kind
        h.n_extensions += 1
    cdef uint8_t *a = block_of(alpn)
    cdef uint8_t *b = block_of(ciphers)
    cdef uint8_t *c = block_of(algorithms)
    h.alpn = a
    h.alpn_len = len(alpn)
    h.ciphers = b
    h.ciphers_len = len(ciphers)
    h.algorithms = c
    h.algorithms_len = len(algorithms)
    ja4(&h, out)
    free(a)
    free(b)
    free(c)
    return out.decode()
