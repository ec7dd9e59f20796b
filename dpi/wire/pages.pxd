"""Memory of tables that are large, looked up at random, and often never filled.

Pages come from the kernel as they are touched, and are zero.  It is asked for huge ones (madvise(2), MADV_HUGEPAGE):
a table of 200 MB has 50,000 small pages, so that most look-ups would wait for an address translation as well as
for the memory, and filling it would take 50,000 page faults.  Where the kernel has none, nothing else changes.
"""


cdef extern from *:
    """
    #include <stddef.h>
    #include <sys/mman.h>

    static inline void *dpi_map_pages(size_t n) {
        void *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            return 0;
    #ifdef MADV_HUGEPAGE
        madvise(p, n, MADV_HUGEPAGE);
    #endif
        return p;
    }

    static inline void dpi_unmap_pages(void *p, size_t n) {
        if (p)
            munmap(p, n);
    }
    """
    void *map_pages "dpi_map_pages"(size_t n) noexcept nogil       # NULL where there is no memory
    void unmap_pages "dpi_unmap_pages"(void *p, size_t n) noexcept nogil  # NULL is fine
