/* What reading a pcap file would cost if it were mapped: prints CPU nanoseconds a packet.  See capture.py. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { CHUNK = 16 << 20 };
    struct stat s;
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &s) < 0)
        return 1;
    double start = cpu_ns();
    uint8_t *p = mmap(0, s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return 1;
    madvise(p, s.st_size, MADV_SEQUENTIAL);
    volatile uint64_t touched = 0;
    uint64_t n = 0, freed = 0, at = 24;
    while (at + 16 <= (uint64_t)s.st_size) {
        uint32_t caplen;
        memcpy(&caplen, p + at + 8, 4);
        if (at + 16 + caplen > (uint64_t)s.st_size)
            break;
        touched += p[at + 16];
        at += 16 + caplen;
        n++;
        if (at - freed > CHUNK) {   /* keeps the resident memory bounded, as the reader's buffer does */
            madvise(p + freed, CHUNK, MADV_DONTNEED);
            freed += CHUNK;
        }
    }
    printf("%.1f\n", (cpu_ns() - start) / n);
    return 0;
}
