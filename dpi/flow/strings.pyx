"""Names that flows carry, each kept once however many flows carry it, counted, freed with the last of them.

Thousands of flows share a host name, a user agent and a fingerprint: 4 bytes a flow are enough then, and a
flow's entry has a fixed size however long its names are.  The pool is bounded by number; when it is full a
name is not kept (and counted), the flow's labels are not touched by that.  Memory is taken from malloc once
per new name, never per packet.  Buckets are chained and their hash is keyed, as the names are chosen by
whoever sends them.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from dpi.flow.flow cimport NONE
from dpi.wire.keyed cimport random_key
from dpi.wire.pages cimport map_pages, unmap_pages


cdef Strings *strings_new(uint32_t capacity) noexcept nogil:
    """A pool of at most `capacity` different names; NULL where memory or randomness is refused."""
    cdef Strings *s
    cdef uint64_t buckets = 16
    if capacity < 1 or capacity > 1 << 28:
        return NULL
    while buckets < capacity:
        buckets *= 2
    s = <Strings *>calloc(1, sizeof(Strings))
    if s == NULL:
        return NULL
    s.capacity = capacity
    s.mask = <uint32_t>(buckets - 1)
    s.free = NONE
    s.strings = <String *>map_pages(capacity * sizeof(String))
    s.buckets = <uint32_t *>map_pages(buckets * sizeof(uint32_t))
    if s.strings == NULL or s.buckets == NULL or not random_key(s.key, sizeof(s.key)):
        strings_free(s)
        return NULL
    return s


cdef void strings_free(Strings *s) noexcept nogil:
    cdef uint32_t i
    if s == NULL:
        return
    if s.strings != NULL:
        for i in range(s.fresh):
            free(s.strings[i].text)
    unmap_pages(s.strings, s.capacity * sizeof(String))
    unmap_pages(s.buckets, (<size_t>s.mask + 1) * sizeof(uint32_t))
    free(s)


cdef inline uint64_t rotate(uint64_t x, int n) noexcept nogil:
    return x << n | x >> (64 - n)


cdef uint32_t hash_of(const Strings *s, const char *text, uint32_t n) noexcept nogil:
    """SipHash's round over 8 bytes at a time, one for each and three at the end (SipHash-1-3)."""
    cdef uint64_t v0 = s.key[0] ^ <uint64_t>0x736f6d6570736575ULL
    cdef uint64_t v1 = s.key[1] ^ <uint64_t>0x646f72616e646f6dULL
    cdef uint64_t v2 = s.key[0] ^ <uint64_t>0x6c7967656e657261ULL
    cdef uint64_t v3 = s.key[1] ^ <uint64_t>0x7465646279746573ULL
    cdef uint64_t m
    cdef uint32_t at = 0
    cdef int rounds = 0
    while rounds < 3:
        m = 0
        if at + 8 <= n:
            memcpy(&m, text + at, 8)
        elif at <= n:
            memcpy(&m, text + at, n - at)
            m |= <uint64_t>(n & 0xFF) << 56
        else:
            if rounds == 0:
                v2 ^= 0xFF
            rounds += 1
        at += 8
        v3 ^= m
        v0 += v1
        v2 += v3
        v1 = rotate(v1, 13) ^ v0
        v3 = rotate(v3, 16) ^ v2
        v0 = rotate(v0, 32)
        v2 += v1
        v0 += v3
        v1 = rotate(v1, 17) ^ v2
        v3 = rotate(v3, 21) ^ v0
        v2 = rotate(v2, 32)
        v0 ^= m
    m = v0 ^ v1 ^ v2 ^ v3
    return <uint32_t>(m ^ m >> 32)


cdef uint32_t string_keep(Strings *s, const char *text, uint32_t n) noexcept nogil:
    """One more reference to this text; NONE for an empty one, or where the pool is full."""
    cdef uint32_t h, i
    cdef String *e
    if n == 0:
        return NONE
    h = hash_of(s, text, n)
    i = s.buckets[h & s.mask]               # number + 1
    while i != 0:
        e = &s.strings[i - 1]
        if e.hash == h and e.length == n and memcmp(e.text, text, n) == 0:
            e.references += 1
            return i - 1
        i = e.next
    if s.free != NONE:
        i = s.free
    elif s.fresh < s.capacity:
        i = s.fresh
    else:
        s.refused += 1
        return NONE
    e = &s.strings[i]
    e.text = <char *>malloc(n + 1)
    if e.text == NULL:
        s.refused += 1
        return NONE
    if i == s.free:
        s.free = e.next
    else:
        s.fresh += 1
    memcpy(e.text, text, n)
    e.text[n] = 0
    e.length = n
    e.hash = h
    e.references = 1
    e.next = s.buckets[h & s.mask]
    s.buckets[h & s.mask] = i + 1
    s.count += 1
    s.bytes += n + 1
    return i


cdef void string_drop(Strings *s, uint32_t i) noexcept nogil:
    """One reference less; NONE is allowed."""
    cdef String *e
    cdef uint32_t *link
    if i >= s.capacity:
        return
    e = &s.strings[i]
    e.references -= 1
    if e.references:
        return
    link = &s.buckets[e.hash & s.mask]
    while link[0] != i + 1:
        link = &s.strings[link[0] - 1].next
    link[0] = e.next
    free(e.text)
    s.bytes -= e.length + 1
    e.text = NULL
    e.next = s.free
    s.free = i
    s.count -= 1


# For tests

cdef class StringPool:
    """The pool alone."""
    cdef Strings *pool

    def __cinit__(self, uint32_t capacity):
        self.pool = strings_new(capacity)
        if self.pool == NULL:
            raise MemoryError("no memory for names")

    def __dealloc__(self):
        strings_free(self.pool)

    def __len__(self):
        return self.pool.count

    @property
    def refused(self):
        return self.pool.refused

    def keep(self, bytes text):
        """The text's number, or None where it is empty or the pool is full."""
        cdef uint32_t i = string_keep(self.pool, text, <uint32_t>len(text))
        return None if i == NONE else i

    def text(self, uint32_t i):
        self.check(i)
        return self.pool.strings[i].text[:self.pool.strings[i].length]

    def drop(self, uint32_t i):
        self.check(i)
        string_drop(self.pool, i)

    cdef check(self, uint32_t i):
        if i >= self.pool.capacity or self.pool.strings[i].text == NULL:
            raise IndexError(i)
