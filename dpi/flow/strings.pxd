"""Names that flows carry (hosts, user agents, fingerprints), each kept once and counted; see strings.pyx."""
from libc.stdint cimport uint32_t, uint64_t


cdef struct String:
    char *text              # NUL-terminated; NULL where the entry is free
    uint32_t length
    uint32_t hash
    uint32_t references
    uint32_t next           # in its bucket, or in the list of the free


cdef struct Strings:
    String *strings
    uint32_t *buckets
    uint32_t mask
    uint32_t capacity
    uint32_t count
    uint32_t fresh
    uint32_t free
    uint64_t key[2]
    uint64_t bytes          # of the texts kept
    uint64_t refused        # names not kept because the pool was full


cdef Strings *strings_new(uint32_t capacity) noexcept nogil
cdef void strings_free(Strings *s) noexcept nogil
cdef uint32_t string_keep(Strings *s, const char *text, uint32_t n) noexcept nogil
cdef void string_drop(Strings *s, uint32_t i) noexcept nogil


cdef inline const char *string_text(const Strings *s, uint32_t i) noexcept nogil:
    """The text, "" for NONE."""
    if i >= s.capacity:
        return ""
    return s.strings[i].text
