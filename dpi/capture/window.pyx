"""A file, mapped: it is read without copying, and whatever happens to it meanwhile does not kill us.

Where the file has become shorter, or its disk fails, touching a mapped page is a SIGBUS.  The handler puts a page of
zeros there and notes it in the window; whoever reads looks at that note before believing what was read.  A SIGBUS at
any other address goes to whom it went before.

All of the file is mapped at once, so that the kernel can do it in huge pages where its cache has such; what was read is
given back on the way, so that little of it counts as ours.
"""
from libc.stdint cimport uint8_t


cdef enum:
    KEPT = 4 << 20          # bytes that are given back at once; as many stay, for packets are looked at a batch later


cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <unistd.h>

    #define DPI_WINDOWS 64      /* at a time */

    struct dpi_shown { uint8_t *at; size_t n; int *lost; };     /* lost: NULL in a free one */
    static struct dpi_shown dpi_shown[DPI_WINDOWS];
    static struct sigaction dpi_sigbus_before;
    static pthread_mutex_t dpi_showing = PTHREAD_MUTEX_INITIALIZER;

    static void dpi_on_sigbus(int number, siginfo_t *info, void *context) {
        uint8_t *at = info->si_addr;
        int i, error = errno;
        for (i = 0; i < DPI_WINDOWS; i++) {
            int *lost = __atomic_load_n(&dpi_shown[i].lost, __ATOMIC_ACQUIRE);
            if (lost && at >= dpi_shown[i].at && at < dpi_shown[i].at + dpi_shown[i].n) {
                uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
                void *page = (void *)((uintptr_t)at & ~(size - 1));
                if (mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
                    break;
                *lost = 1;
                errno = error;
                return;
            }
        }
        sigaction(SIGBUS, &dpi_sigbus_before, NULL);    /* it comes again at once, and is theirs */
    }

    static void dpi_take_sigbus(void) {
        struct sigaction action, now;
        memset(&action, 0, sizeof(action));
        action.sa_sigaction = dpi_on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction != dpi_on_sigbus
                && sigaction(SIGBUS, &action, &now) == 0)
            dpi_sigbus_before = now;
    }

    /* 0: there are too many. */
    static int dpi_guard(uint8_t *at, size_t n, int *lost) {
        int i, done = 0;
        pthread_mutex_lock(&dpi_showing);
        for (i = 0; i < DPI_WINDOWS && !done; i++)
            if (!dpi_shown[i].lost) {
                dpi_shown[i].at = at;
                dpi_shown[i].n = n;
                __atomic_store_n(&dpi_shown[i].lost, lost, __ATOMIC_RELEASE);
                done = 1;
            }
        dpi_take_sigbus();
        pthread_mutex_unlock(&dpi_showing);
        return done;
    }

    static void dpi_unguard(int *lost) {
        int i;
        pthread_mutex_lock(&dpi_showing);
        for (i = 0; i < DPI_WINDOWS; i++)
            if (dpi_shown[i].lost == lost)
                __atomic_store_n(&dpi_shown[i].lost, (int *)0, __ATOMIC_RELEASE);
        pthread_mutex_unlock(&dpi_showing);
    }

    static uint8_t *dpi_map_file(int fd, size_t n) {
        void *p = mmap(0, n, PROT_READ, MAP_SHARED, fd, 0);
        return p == MAP_FAILED ? 0 : p;
    }
    """
    uint8_t *map_file "dpi_map_file"(int fd, size_t n) noexcept nogil
    int MADV_DONTNEED
    int madvise(void *at, size_t n, int advice) noexcept nogil
    int munmap(void *at, size_t n) noexcept nogil
    bint guard "dpi_guard"(uint8_t *at, size_t n, bint *lost) noexcept nogil
    void unguard "dpi_unguard"(bint *lost) noexcept nogil


cdef bint window_show(Window *w, int fd, size_t size) noexcept nogil:
    window_close(w)
    w.n = size
    w.left = 0
    w.at = map_file(fd, size)
    if w.at != NULL and not guard(w.at, w.n, &w.lost):
        munmap(w.at, w.n)
        w.at = NULL
    return w.at != NULL


cdef void window_leave(Window *w, size_t at) noexcept nogil:
    while at - w.left > 2 * KEPT:
        madvise(w.at + w.left, KEPT, MADV_DONTNEED)
        w.left += KEPT


cdef void window_close(Window *w) noexcept nogil:
    if w.at != NULL:
        munmap(w.at, w.n)
        unguard(&w.lost)
        w.at = NULL
