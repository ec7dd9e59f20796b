"""Patterns with * for host names, many at once.

One literal of each pattern is put into an automaton (Aho and Corasick, 1975), which costs a step a character
however many patterns there are; only where the literal occurs is the pattern itself compared.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from dpi.match.plain cimport array_of, bytes_of

import re

PATTERNS_MAX = 4096         # bounds the automaton to states of 16 bits together with the length of names
_GLOB = re.compile(r"[a-z0-9_.*-]{1,255}")

cdef enum:
    CLASSES = 40            # a-z 0-9 - _ . and everything else
    SHARING_MAX = 64        # patterns with the same literal
    COMPARED_MAX = 512      # comparisons for one name, so that none can be made to cost more

cdef uint8_t CLASS[256]     # of a character in lower case


cdef void _classes() noexcept:
    cdef const char *known = "abcdefghijklmnopqrstuvwxyz0123456789-_."
    cdef uint8_t i = 0
    while known[i]:
        CLASS[<uint8_t>known[i]] = i + 1
        i += 1


_classes()


def problem(glob: str) -> str:
    """What is wrong with a pattern's spelling; "" where it is right."""
    if not _GLOB.fullmatch(glob):
        return "a host pattern may hold lower-case letters, digits, - _ . and *, up to 255 in all"
    if len(_literal(glob)) < 3:
        return "a host pattern needs at least three characters in a row that are fixed"
    return ""


def _literal(str glob) -> str:
    """The piece of a pattern to look for: the longest, but the last only where the others are short.

    The last piece is mostly a domain that many names and patterns share.
    """
    pieces = glob.split("*")
    head = max(pieces[:len(pieces) - 1], key=len)
    return head if len(head) >= 4 else max(pieces, key=len)


cdef inline bint _glob(const uint8_t *p, uint32_t m, const uint8_t *s, uint32_t n) noexcept nogil:
    """Whether s is of the pattern p.  Backs up to the last * only, so it takes at most n * m steps."""
    cdef uint32_t i = 0, j = 0, star = m, mark = 0
    while i < n:
        if j < m and p[j] == 42:
            star = j
            mark = i
            j += 1
        elif j < m and p[j] == s[i]:
            i += 1
            j += 1
        elif star < m:
            j = star + 1
            mark += 1
            i = mark
        else:
            return False
    while j < m and p[j] == 42:
        j += 1
    return j == m


cdef const Pattern *pattern_match(const PatternTable *t, const uint8_t *s, uint32_t n, uint32_t fixed) noexcept nogil:
    """The pattern of a name in lower case that fixes most characters, but more than so many; NULL for none.

    Of two that fix as many it is the later entry.
    """
    cdef const Pattern *best = NULL
    cdef const Pattern *pattern
    cdef uint32_t i, k, other, state = 0, compared = 0
    if t.n_states == 0:
        return NULL
    for i in range(n):
        state = t.moves[state * CLASSES + CLASS[s[i]]]
        other = t.ends[state]
        while other:
            k = t.found[other]
            while k:
                pattern = t.patterns + k
                k = pattern.next
                if pattern.fixed < fixed or (pattern.fixed == fixed and (best == NULL or pattern.entry <= best.entry)):
                    continue
                compared += 1
                if compared > COMPARED_MAX:
                    return best
                if _glob(pattern.glob, pattern.length, s, n):
                    best = pattern
                    fixed = pattern.fixed
            other = t.shorter[other]
    return best


cdef list patterns_of(const PatternTable *t, const uint8_t *s, uint32_t n):
    """Every pattern that a name in lower case is of, as (label, characters fixed, entry)."""
    cdef uint32_t k
    return [
        (t.patterns[k].label, t.patterns[k].fixed, t.patterns[k].entry)
        for k in range(1, t.n_patterns)
        if _glob(t.patterns[k].glob, t.patterns[k].length, s, n)
    ]


cdef void patterns_free(PatternTable *t) noexcept:
    free(t.moves)
    free(t.found)
    free(t.ends)
    free(t.shorter)
    free(t.patterns)


cdef tuple patterns_kept(const PatternTable *t):
    """The table as plain values."""
    return (
        t.n_states,
        t.n_patterns,
        bytes_of(t.moves, t.n_states * CLASSES * sizeof(uint16_t)),
        bytes_of(t.found, t.n_states * sizeof(uint32_t)),
        bytes_of(t.ends, t.n_states * sizeof(uint16_t)),
        bytes_of(t.shorter, t.n_states * sizeof(uint16_t)),
        bytes_of(t.patterns, t.n_patterns * sizeof(Pattern)),
    )


cdef int patterns_again(PatternTable *t, tuple kept) except -1:
    """Fills a zeroed table from what patterns_kept() gave."""
    cdef uint32_t states = kept[0]
    cdef uint32_t patterns = kept[1]
    t.moves = <uint16_t *>array_of(kept[2], states * CLASSES * sizeof(uint16_t))
    t.found = <uint32_t *>array_of(kept[3], states * sizeof(uint32_t))
    t.ends = <uint16_t *>array_of(kept[4], states * sizeof(uint16_t))
    t.shorter = <uint16_t *>array_of(kept[5], states * sizeof(uint16_t))
    t.patterns = <Pattern *>array_of(kept[6], patterns * sizeof(Pattern))
    t.n_states, t.n_patterns = states, patterns
    return 0


cdef size_t patterns_bytes(const PatternTable *t) noexcept:
    return t.n_states * (CLASSES * 2 + 4 + 2 + 2) + t.n_patterns * sizeof(Pattern)


cdef int patterns_build(PatternTable *t, dict patterns) except -1:
    """Fills a zeroed table from patterns and their (entry, label): goto, failure and output as one table of moves."""
    cdef list branches = [{}], ends = [[]]
    cdef int at, code, to, fail
    if len(patterns) > PATTERNS_MAX:
        raise ValueError(f"more than {PATTERNS_MAX} host patterns")
    for glob in patterns:
        at = 0
        for code in _literal(glob).encode("ascii"):
            code = CLASS[code]
            if code not in branches[at]:
                branches[at][code] = len(branches)
                branches.append({})
                ends.append([])
            at = branches[at][code]
        ends[at].append(glob)
        if len(ends[at]) > SHARING_MAX:
            raise ValueError(f"more than {SHARING_MAX} host patterns share {_literal(glob)!r}")
    if len(branches) > 65535:
        raise ValueError("host patterns have more than 65535 characters in all")
    t.n_states = len(branches)
    t.n_patterns = len(patterns) + 1
    t.moves = <uint16_t *>calloc(t.n_states * CLASSES, sizeof(uint16_t))
    t.found = <uint32_t *>calloc(t.n_states, sizeof(uint32_t))
    t.ends = <uint16_t *>calloc(t.n_states, sizeof(uint16_t))
    t.shorter = <uint16_t *>calloc(t.n_states, sizeof(uint16_t))
    t.patterns = <Pattern *>calloc(t.n_patterns, sizeof(Pattern))
    if not t.moves or not t.found or not t.ends or not t.shorter or not t.patterns:
        t.n_states = 0
        raise MemoryError
    number = 1
    for at in range(len(ends)):
        for glob in ends[at]:
            raw = glob.encode("ascii")
            memcpy(t.patterns[number].glob, <const uint8_t *>raw, len(raw))
            t.patterns[number].length = len(raw)
            t.patterns[number].fixed = len(raw) - raw.count(b"*")
            t.patterns[number].entry, t.patterns[number].label = patterns[glob]
            t.patterns[number].next = t.found[at]
            t.found[at] = number
            number += 1
    failure = [0] * len(branches)
    queue = [0]
    for at in queue:            # breadth first, so failures point to states that are finished
        fail = failure[at]
        for code in range(CLASSES):
            t.moves[at * CLASSES + code] = t.moves[fail * CLASSES + code] if at else 0
        for code, to in branches[at].items():
            failure[to] = t.moves[fail * CLASSES + code] if at else 0
            t.moves[at * CLASSES + code] = to
            queue.append(to)
        if at:
            t.shorter[at] = t.ends[fail]
            t.ends[at] = at if t.found[at] else t.ends[fail]
    return 0
