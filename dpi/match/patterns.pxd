"""Patterns with * for host names, many at once.  See patterns.pyx; hosts.pyx is who asks."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef struct Pattern:
    uint32_t entry          # its place in the list that the table was built from
    uint32_t next           # the next pattern with the same literal, 0 for none
    uint16_t label
    uint8_t length
    uint8_t fixed           # characters that are not *
    uint8_t glob[256]


cdef struct PatternTable:
    uint16_t *moves         # the automaton that finds literals: [state * classes + class]
    uint32_t *found         # per state: its first pattern, 0 for none
    uint16_t *ends          # per state: itself where it is a literal, else as in shorter
    uint16_t *shorter       # per state: the next shorter suffix of it that is a literal, 0 for none
    Pattern *patterns       # [0] is not used
    uint32_t n_states       # 0: there are no patterns
    uint32_t n_patterns


cdef const Pattern *pattern_match(const PatternTable *t, const uint8_t *s, uint32_t n, uint32_t fixed) noexcept nogil
cdef int patterns_build(PatternTable *t, dict patterns) except -1
cdef void patterns_free(PatternTable *t) noexcept
cdef list patterns_of(const PatternTable *t, const uint8_t *s, uint32_t n)
cdef tuple patterns_kept(const PatternTable *t)
cdef int patterns_again(PatternTable *t, tuple kept) except -1
cdef size_t patterns_bytes(const PatternTable *t) noexcept
