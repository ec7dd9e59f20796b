"""HASSH and hasshServer: fingerprints of the software at either end of an SSH connection.

As published by Salesforce (HASSH, 2018): the MD5 digest of four of the lists in a side's KEXINIT (RFC 4253, 7.1), each
as it is sent, with ";" between them; of the three kinds that there are for each direction, the one that the side sends in:

    key exchange;ciphers;MACs;compression

What a side offers depends on its program and release, and hardly on who uses it.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr

from dpi.dissect.answer cimport MORE, NO, YES, Answer, answer_name
from dpi.dissect.md5 cimport MD5_CTX, MD5_Final, MD5_Init, MD5_Update
from dpi.wire.cursor cimport Cursor, alive, over, skip, take, u8, u32
from dpi.wire.hexadecimal cimport HEX


cdef enum:
    LINE_MAX = 255          # RFC 4253, 4.2
    PACKET_MAX = 35000      # RFC 4253, 6.1
    KEXINIT = 20            # RFC 4253, 12
    COOKIE = 16
    LISTS = 8               # key exchange, host keys, ciphers, MACs and compression, each to the server and back
    CIPHERS = 2             # to the server


cdef bint lists(const uint8_t *packet, uint32_t n, bint server, MD5_CTX *digest) noexcept nogil:
    """Digests the lists that count; False where they are cut or run over the packet."""
    cdef Cursor c = over(packet, n)
    cdef const uint8_t *text
    cdef uint32_t size
    cdef int i
    skip(&c, 1 + COOKIE)
    for i in range(LISTS):
        size = u32(&c)
        text = take(&c, size)
        if not alive(&c):
            return False
        if i == 0 or i >= CIPHERS and i & 1 == server:      # what the side would rather send by, not what it would read
            if i:
                MD5_Update(digest, <const char *>b";", 1)
            MD5_Update(digest, text, size)
    return True


cdef Answer hassh(const uint8_t *data, uint32_t n, bint server, char *out) noexcept nogil:
    """What a side sends, from its version or from what follows that; writes 32 hexadecimal digits and NUL."""
    cdef const uint8_t *end
    cdef uint8_t digest[16]
    cdef MD5_CTX state
    cdef Cursor c
    cdef uint32_t size, padding, i
    if n >= 4 and data[0] == c"S" and data[1] == c"S" and data[2] == c"H" and data[3] == c"-":
        end = <const uint8_t *>memchr(data, c"\n", n if n < LINE_MAX else LINE_MAX)
        if end == NULL:
            return MORE if n < LINE_MAX else NO
        n -= <uint32_t>(end + 1 - data)
        data = end + 1
    if n < 6:
        return MORE
    c = over(data, n)
    size = u32(&c)
    padding = u8(&c)
    if u8(&c) != KEXINIT or not 2 + COOKIE + 4 * LISTS + padding <= size <= PACKET_MAX:
        return NO
    if n - 4 < size:
        return MORE
    MD5_Init(&state)
    if not lists(data + 5, size - 1 - padding, server, &state):
        return NO
    MD5_Final(digest, &state)
    for i in range(16):
        out[2 * i] = HEX[digest[i] >> 4]
        out[2 * i + 1] = HEX[digest[i] & 15]
    out[32] = 0
    return YES


def fingerprint(bytes data, bint server=False) -> tuple:
    """→ ("no" | "more" | "yes", the fingerprint or "") of what a side sends, from its version or its KEXINIT on."""
    cdef char out[40]
    out[0] = 0
    answer = hassh(data, <uint32_t>len(data), server, out)
    return answer_name(answer), out.decode("ascii")
