"""What hash tables are made of that strangers fill: a key at random, and a step that mixes it in."""
from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/random.h>

    static inline int dpi_random_key(void *p, size_t n) {
        return getrandom(p, n, 0) == (ssize_t)n;
    }

    /* A 128 bit product folded.  Routers with 32 bits have no __int128. */
    static inline uint64_t dpi_fold(uint64_t a, uint64_t b) {
    #ifdef __SIZEOF_INT128__
        unsigned __int128 r = (unsigned __int128)a * b;
        return (uint64_t)r ^ (uint64_t)(r >> 64);
    #else
        uint64_t ah = a >> 32, al = (uint32_t)a, bh = b >> 32, bl = (uint32_t)b;
        uint64_t m1 = ah * bl, m2 = al * bh, low = al * bl;
        uint64_t carry = (low >> 32) + (uint32_t)m1 + (uint32_t)m2;
        uint64_t high = ah * bh + (m1 >> 32) + (m2 >> 32) + (carry >> 32);
        return (a * b) ^ high;
    #endif
    }
    """
    bint random_key "dpi_random_key"(void *p, size_t n) noexcept nogil
    uint64_t fold "dpi_fold"(uint64_t a, uint64_t b) noexcept nogil
