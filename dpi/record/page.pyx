"""Text that is put together of short pieces, some eighty a line, and written in large ones; values as a style has them.

Each piece is copied as PIECE bytes whatever its length: the texts that are copied from have as many behind them, and at
each of a line's pieces there is room for all short ones that may follow (make_room()).  Names that are plain ASCII are
copied; what is rare (other characters, times finer than a microsecond) is left to Python, and odd names are remembered.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, strlen

cimport cython

import select


cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET6
    const char *inet_ntop(int family, const void *address, char *text, unsigned int size)


cdef extern from "Python.h":
    object PyMemoryView_FromMemory(char *memory, Py_ssize_t size, int flags)
    int PyBUF_READ


cdef enum:
    SECOND = 1000000000     # ns
    ODD_NAMES = 4096        # remembered as they are spelled


cdef uint64_t ONES = 0x0101010101010101ULL


cdef inline uint64_t without(uint64_t lanes) noexcept nogil:
    """The high bit of the lowest lane that is zero is set, and none where no lane is and all are below 128."""
    return lanes - ONES


@cython.final
cdef class Spelled:
    """Values as a style spells them: of(number) is its text; for any other number, that of None."""

    def __cinit__(self, spell, values):
        cdef bytes each
        cdef size_t i = 0
        cdef size_t at = 0
        spelled = [spell(value).encode("utf-8", "replace") for value in (*values, None)]
        self.n = len(spelled) - 1
        self.texts = <Text *>malloc(len(spelled) * sizeof(Text))
        self.kept = <char *>calloc(sum(map(len, spelled)) + PIECE, 1)
        if self.texts == NULL or self.kept == NULL:
            raise MemoryError
        for each in spelled:
            self.texts[i].at = self.kept + at
            self.texts[i].n = len(each)
            memcpy(self.kept + at, <const char *>each, self.texts[i].n)
            at += self.texts[i].n
            i += 1

    def __dealloc__(self):
        free(self.texts)
        free(self.kept)


@cython.final
cdef class Page:
    """how: one of record.spelling.STYLES.  out: has write(), which may take a part, as a raw file's does; it may raise
    before it has written anything, and be asked again.
    """

    def __cinit__(self, how, out):
        cdef int i
        self.out, self.spell = out, how.spell
        self.quote, self.null = Spelled(str, [how.quote]), Spelled(how.spell, [])
        self.octets = Spelled(str, [f"{n}." for n in range(256)])
        self.odd = {}
        for i in range(0x20, 0x7F):
            text = f"a{chr(i)}a"
            self.plain[i] = how.spell(text) == how.quote + text + how.quote
            text = f"{chr(i)}a"
            self.leading[i] = how.spell(text) == how.quote + text + how.quote
            if not self.plain[i]:
                self.n_odd += 1
                if self.n_odd <= ODD_MAX:
                    self.odd_bytes[self.n_odd - 1] = <uint8_t>i

    def __dealloc__(self):
        free(self.buffer)

    cdef int flush(self) except -1:
        """Writes what there is."""
        while self.done < self.size:
            n = self.out.write(
                PyMemoryView_FromMemory(self.buffer + self.done, <Py_ssize_t>(self.size - self.done), PyBUF_READ)
            )
            if n is None:                   # somebody has made it non-blocking
                select.select([], [self.out], [])
            else:
                self.done += <size_t>n
        self.size = self.done = 0

    cdef int make_room(self, size_t n) except -1:
        cdef char *grown
        if self.room - self.size < n:
            grown = <char *>realloc(self.buffer, 2 * self.room + n + CHUNK)
            if grown == NULL:
                raise MemoryError
            self.buffer = grown
            self.room = 2 * self.room + n + CHUNK
        return 0

    cdef int put_long(self, const char *text, size_t n) except -1:
        """Of any length, with nothing readable behind it; then there is room for the rest of the line again."""
        self.make_room(n + SPARE)
        memcpy(self.buffer + self.size, text, n)
        self.size += n
        return 0

    cdef int put_bytes(self, bytes text) except -1:
        return self.put_long(text, len(text))

    cdef void put_number(self, uint64_t number) noexcept:
        cdef uint64_t above = 10
        cdef char *at = self.buffer + self.size
        cdef int digits = 1
        while digits < 20 and number >= above:
            digits += 1
            above *= 10
        self.size += digits
        while digits:
            digits -= 1
            at[digits] = <char>(c'0' + number % 10)
            number //= 10

    cdef int put_hex(self, uint32_t number) except -1:
        """Eight digits; 0 is none."""
        cdef int i
        if number == 0:
            return self.put(self.null.of(0))
        self.put(self.quote.of(0))
        for i in range(8):
            self.put_char((<const char *>b"0123456789abcdef")[number >> (28 - 4 * i) & 15])
        return self.put(self.quote.of(0))

    cdef int put_time(self, int64_t ns) except -1:
        """Seconds, as Python spells the nearest float: whole microseconds of this century have one short spelling."""
        cdef int digits = 6
        cdef int i
        cdef uint64_t micro
        if ns < SECOND or ns >= <int64_t>SECOND << 32 or ns % 1000:
            return self.put_bytes(repr(<object>ns / SECOND).encode())
        self.put_number(ns // SECOND)
        micro = ns % SECOND // 1000
        while digits > 1 and micro % 10 == 0:
            micro //= 10
            digits -= 1
        self.put_char(c'.')
        self.size += digits
        for i in range(1, digits + 1):
            self.buffer[self.size - i] = <char>(c'0' + micro % 10)
            micro //= 10
        return 0

    cdef int put_address(self, const uint8_t *addr, int version) except -1:
        cdef int i
        self.put(self.quote.of(0))
        if version == 4:
            for i in range(12, 16):
                self.put(self.octets.of(addr[i]))
            self.size -= 1                      # the last one's dot
        else:
            inet_ntop(AF_INET6, addr, self.buffer + self.size, NAME)
            self.size += strlen(self.buffer + self.size)
        return self.put(self.quote.of(0))

    cdef bint odd_among(self, uint64_t eight) noexcept:
        """Whether one of eight bytes may not stand for itself: each a lane of which the high bit tells that."""
        cdef uint64_t found = eight | (eight - ONES * 0x20) | without(eight ^ ONES * 0x7F)
        cdef int i
        for i in range(self.n_odd):
            found |= without(eight ^ ONES * self.odd_bytes[i])
        return found & (ONES << 7) != 0

    cdef int put_name(self, const char *name) except -1:
        """What somebody has sent: any bytes, NAME at the most with the NUL, in room for a multiple of eight."""
        cdef size_t start = self.size
        cdef uint64_t eight
        if name[0] == 0:
            return self.put(self.null.of(0))
        if not self.leading[<uint8_t>name[0]]:
            return self.put_bytes(self.odd_name(name))
        self.put(self.quote.of(0))
        memcpy(&eight, name, 8)
        while self.n_odd <= ODD_MAX and not self.odd_among(eight):
            memcpy(self.buffer + self.size, &eight, 8)
            self.size += 8
            name += 8
            memcpy(&eight, name, 8)
        while self.plain[<uint8_t>name[0]]:
            self.put_char(name[0])
            name += 1
        if name[0]:
            name -= self.size - start - self.quote.of(0).n
            self.size = start
            return self.put_bytes(self.odd_name(name))
        return self.put(self.quote.of(0))

    cdef bytes odd_name(self, bytes name):
        spelled = self.odd.get(name)
        if spelled is None:
            if len(self.odd) == ODD_NAMES:
                self.odd.clear()
            self.odd[name] = spelled = self.spell(name.decode("utf-8", "replace")).encode()
        return spelled
