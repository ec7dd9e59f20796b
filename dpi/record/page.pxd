"""Text put together of short pieces; see page.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cimport cython


cdef enum:
    CHUNK = 256 << 10       # bytes that are written at once
    ODD_MAX = 4             # printable bytes that do not stand for themselves; of a style with more, bytes are looked at singly
    PIECE = 32              # bytes of a text that is copied without asking for its length
    FIELDS_MAX = 64
    NAME = 256              # bytes that a name in an event may have
    SPARE = FIELDS_MAX * (NAME + 4 * PIECE)     # more than the values of all fields need but for longer pieces


cdef struct Text:
    const char *at
    size_t n


@cython.final
cdef class Spelled:
    cdef Text *texts
    cdef size_t n
    cdef char *kept         # all texts, and PIECE bytes

    cdef inline const Text *of(self, size_t number) noexcept:
        return &self.texts[min(number, self.n)]


@cython.final
cdef class Page:
    cdef char *buffer
    cdef size_t size
    cdef size_t room
    cdef size_t done            # of these bytes are written
    cdef uint8_t plain[256]     # bytes that stand for themselves
    cdef uint8_t leading[256]   # … and do so also where a text begins with them
    cdef uint8_t odd_bytes[ODD_MAX]     # printable ones that do not
    cdef int n_odd
    cdef object out, spell
    cdef Spelled quote, null, octets
    cdef dict odd

    cdef inline int put(self, const Text *text) except -1:
        if text.n > PIECE:
            return self.put_long(text.at, text.n)
        memcpy(self.buffer + self.size, text.at, PIECE)
        self.size += text.n
        return 0

    cdef inline void put_char(self, char c) noexcept:
        self.buffer[self.size] = c
        self.size += 1

    cdef int flush(self) except -1
    cdef int make_room(self, size_t n) except -1
    cdef int put_long(self, const char *text, size_t n) except -1
    cdef int put_bytes(self, bytes text) except -1
    cdef void put_number(self, uint64_t number) noexcept
    cdef int put_hex(self, uint32_t number) except -1
    cdef int put_time(self, int64_t ns) except -1
    cdef int put_address(self, const uint8_t *addr, int version) except -1
    cdef bint odd_among(self, uint64_t eight) noexcept
    cdef int put_name(self, const char *name) except -1
    cdef bytes odd_name(self, bytes name)
