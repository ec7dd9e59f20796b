"""Whether bytes are like noise, as what is encrypted or compressed is, at a port where a protocol of text is spoken."""
from libc.math cimport log2
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.wire.block cimport block_of


cdef enum:
    FEWEST = 64             # bytes; fewer say too little
    MOST = 128
    BYTES = 256             # that there are


cdef double ENOUGH = 0.9    # of the entropy that so many bytes can have: text has 0.6 of it, base64 0.8, noise 0.94


cdef bint expects_text(uint16_t port) noexcept nogil:
    """Ports of TCP that are registered for a protocol that begins with lines of text, and hardly used for others."""
    return port in (21, 25, 80, 110, 119, 143, 587)


cdef bint noise(const uint8_t *data, uint32_t n) noexcept nogil:
    """By the bytes' entropy, and by the share of those above 127, which is half of noise and little of text."""
    cdef uint16_t[256] seen
    cdef uint32_t high = 0
    cdef uint32_t i
    cdef double bits = 0
    if n < FEWEST:
        return False
    n = n if n < MOST else MOST
    memset(seen, 0, sizeof(seen))
    for i in range(n):
        seen[data[i]] += 1
        high += data[i] >> 7
    if high * 3 < n or high * 3 > n * 2:
        return False
    for i in range(BYTES):
        if seen[i] > 1:         # most of noise is there once, of which the logarithm is 0
            bits += seen[i] * log2(seen[i])
    return log2(n) - bits / n >= ENOUGH * log2(n)


def is_noise(bytes data) -> bool:
    """noise() of bytes."""
    cdef uint8_t *block = block_of(data)
    found = bool(noise(block, len(data)))
    free(block)
    return found
