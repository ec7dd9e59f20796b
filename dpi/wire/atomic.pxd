"""What two threads, or a signal's handler and a thread, say to each other without a lock: a store that releases what was
written before it, and the load that acquires it."""
from libc.stdint cimport uint32_t, uint64_t


cdef extern from *:
    """
    #define dpi_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define dpi_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define dpi_take(p) __sync_bool_compare_and_swap((p), 0, 1)
    """
    int load "dpi_load"(const int *p) noexcept nogil
    uint32_t load32 "dpi_load"(const uint32_t *p) noexcept nogil
    uint64_t load64 "dpi_load"(const uint64_t *p) noexcept nogil
    void store "dpi_store"(int *p, int v) noexcept nogil
    void store32 "dpi_store"(uint32_t *p, uint32_t v) noexcept nogil
    void store64 "dpi_store"(uint64_t *p, uint64_t v) noexcept nogil
    bint take "dpi_take"(int *p) noexcept nogil         # whether it was 0, and is 1 by this
