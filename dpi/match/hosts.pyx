"""Host name → label, by the most specific of tens of thousands of entries.

An entry is spelled as in policies and signature files:

    example.org         the name and all below it
    *.example.org       all below it
    =example.org        the name alone
    *keyword*  a*.b.c   a pattern; each * stands for any characters, dots too, or none
    o=some-company-inc  not a name: the organisation in a server's certificate, its letters and digits with "-" between
    a=some.program      not a name either: what a client's program calls itself (programs.pyx)

The most specific entry wins: the exact name first, then whichever fixes the most characters of the name (so a
longer suffix beats a shorter one); where two fix as many, a suffix beats a pattern and a later entry an earlier.

Suffixes live in a trie by label from the right, kept as one hash table over whole suffixes: the name is hashed
from its end, and at each dot the suffix so far is looked up.  Every suffix of an entry has a slot, so the walk
stops at the first suffix that no entry ends in: two or three probes for most names.  Slots hold the hash of 64
bits and not the characters, which keeps a probe to one cache line; that two names share one by chance is out of
the question, and whoever makes it so on purpose could have sent the other name in the first place.

Patterns are looked for in the whole name, all at once (patterns.pyx).

Measured by tests/bench/match.py (which compares with a Python dict).  The table is immutable once built, so any
number of threads may read it.  Names come off the wire: they are folded to lower case, may be anything, and
cost at most 255 steps; longer ones match nothing (RFC 1035, 2.3.4).
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from dpi.match.patterns cimport (
    Pattern, pattern_match, patterns_again, patterns_build, patterns_bytes, patterns_free, patterns_kept, patterns_of,
)
from dpi.match.plain cimport array_of, bytes_of

import re
from collections.abc import Iterable
from typing import NamedTuple

from dpi.match.patterns import problem as pattern_problem

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|o=[a-z0-9]+(-[a-z0-9]+)*|a=[a-z0-9_.-]+")  # no host has an "="
KINDS = ("suffix", "below", "exact", "pattern")

cdef enum:
    NAME_MAX = 255
    DOT = 46

cdef uint64_t SEED = 0xCBF29CE484222325
cdef uint64_t PRIME = 0x9E3779B97F4A7C15

cdef uint8_t FOLD[256]      # to lower case


cdef void _folds() noexcept:
    cdef int i
    for i in range(256):
        FOLD[i] = i + 32 if 65 <= i <= 90 else i


_folds()


class Hit(NamedTuple):
    """What an entry says of a name."""

    label: int
    kind: str               # suffix, below, exact or pattern
    fixed: int              # characters of the name that the entry fixes
    entry: int              # its place in the list that the table was built from


def problem(text: str) -> str:
    """What is wrong with an entry's spelling; "" where it is right."""
    kind, name = _parse(text)
    if kind == HOST_PATTERN:
        return pattern_problem(name)
    if len(name) > NAME_MAX - 2:
        return f"longer than {NAME_MAX - 2} characters"
    if not _NAME.fullmatch(name):
        return "not a host name (labels of lower-case letters, digits, - and _, up to 63 each; IDN as xn--)"
    return ""


def _parse(str text):
    if text.startswith("="):
        return HOST_EXACT, text[1:]
    if text.startswith(("o=", "a=")):
        return HOST_EXACT, text
    if text.startswith("*.") and "*" not in text[2:]:
        return HOST_BELOW, text[2:]
    if "*" in text:
        return HOST_PATTERN, text
    return HOST_SUFFIX, text


cdef inline uint64_t _step(uint64_t h, uint8_t c) noexcept nogil:
    return (h ^ c) * PRIME


cdef inline uint64_t _slot(const HostTable *t, uint64_t h) noexcept nogil:
    """Where a suffix with this hash is, or would be: at an empty slot."""
    cdef uint64_t i = (h ^ (h >> 32)) & t.mask
    while t.slots[i].hash and t.slots[i].hash != h:
        i = (i + 1) & t.mask
    return i


cdef inline uint32_t _fold(uint8_t *to, const char *name, uint32_t n) noexcept nogil:
    """The name in lower case without the root's dot; its length, 0 where it cannot be a name."""
    cdef uint32_t i
    if n and name[n - 1] == DOT:
        n -= 1
    if n > NAME_MAX:
        return 0
    for i in range(n):
        to[i] = FOLD[<uint8_t>name[i]]
    return n


cdef uint16_t host_match(const HostTable *t, const char *name, uint32_t n, HostHit *out) noexcept nogil:
    """The label of the most specific entry for a name of n characters, 0 (and *out zeroed) for none."""
    cdef uint8_t s[256]
    cdef const Suffix *suffix
    cdef const Pattern *pattern
    cdef uint64_t h = SEED, at, below = 0
    cdef uint32_t i
    memset(out, 0, sizeof(HostHit))
    n = _fold(s, name, n)
    if n == 0:
        return 0
    i = n
    while True:
        while i > 0 and s[i - 1] != DOT:
            i -= 1
            h = _step(h, s[i])
        at = _slot(t, h)
        suffix = t.slots + at
        if i == 0:
            if suffix.at:
                out.label = suffix.at
                out.kind = suffix.at_kind
                out.fixed = suffix.length
                out.entry = t.origins[at].at
                below = 0
            break
        if suffix.below:
            out.label = suffix.below
            out.kind = suffix.below_kind
            out.fixed = suffix.length
            below = at + 1
        if not suffix.inner:
            break
        i -= 1
        h = _step(h, DOT)
    if below:
        out.entry = t.origins[below - 1].below
    if out.kind != HOST_EXACT:
        pattern = pattern_match(&t.patterns, s, n, out.fixed)
        if pattern != NULL:
            out.label = pattern.label
            out.kind = HOST_PATTERN
            out.entry = pattern.entry
            out.fixed = pattern.fixed
    return out.label


cdef int _resize(HostTable *t, uint64_t slots) except -1:
    """Gives the hash table so many slots, a power of two, and moves what it holds into them."""
    cdef Suffix *old = t.slots
    cdef Origin *origins = t.origins
    cdef uint64_t i, k, n = t.mask + 1 if old else 0
    t.slots = <Suffix *>calloc(slots, sizeof(Suffix))
    t.origins = <Origin *>calloc(slots, sizeof(Origin))
    if not t.slots or not t.origins:
        free(t.slots)
        free(t.origins)
        t.slots, t.origins = old, origins
        raise MemoryError
    t.mask = slots - 1
    for i in range(n):
        if old[i].hash:
            k = _slot(t, old[i].hash)
            t.slots[k] = old[i]
            t.origins[k] = origins[i]
    free(old)
    free(origins)
    return 0


cdef int _add(HostTable *t, int kind, bytes name, uint16_t label, uint32_t entry) except -1:
    cdef const uint8_t *s = name
    cdef uint32_t n = len(name), i = n
    cdef uint64_t h = SEED, k
    cdef Suffix *suffix
    while True:
        while i > 0 and s[i - 1] != DOT:
            i -= 1
            h = _step(h, s[i])
        k = _slot(t, h)
        if t.slots[k].hash == 0:
            if (t.used + 1) * 3 > t.mask * 2:
                _resize(t, (t.mask + 1) * 2)
                k = _slot(t, h)
            t.slots[k].hash = h
            t.slots[k].length = n - i
            t.used += 1
        if i == 0:
            break
        t.slots[k].inner = 1
        i -= 1
        h = _step(h, DOT)
    suffix = t.slots + k
    # An entry for the name alone, or only for what is below, beats the suffix that would say both.
    if kind == HOST_EXACT or (kind == HOST_SUFFIX and not (suffix.at and suffix.at_kind == HOST_EXACT)):
        suffix.at = label
        suffix.at_kind = kind
        t.origins[k].at = entry
    if kind == HOST_BELOW or (kind == HOST_SUFFIX and not (suffix.below and suffix.below_kind == HOST_BELOW)):
        suffix.below = label
        suffix.below_kind = kind
        t.origins[k].below = entry
    return 0


cdef class Hosts:
    """A table of (entry, label) pairs.  Labels are 1 to 65535.

    Raises ValueError for the first entry that problem() finds fault with.
    """

    def __cinit__(self, entries: Iterable[tuple[str, int]]) -> None:
        cdef uint32_t place = 0
        cdef int kind
        cdef str text, name
        cdef dict patterns = {}
        listed = entries if isinstance(entries, list) else list(entries)
        self.size = len(listed)
        _resize(&self.table, 4096)
        for text, label in listed:
            if not 0 < label < 65536:
                raise ValueError(f"{text}: label {label} is not 1 to 65535")
            kind, name = _parse(text)
            if kind == HOST_PATTERN:
                if problem(text):
                    raise ValueError(f"{text}: {problem(text)}")
                patterns[name] = (place, label)
            else:
                if len(name) > NAME_MAX - 2 or not _NAME.fullmatch(name):
                    raise ValueError(f"{text}: {problem(text)}")
                _add(&self.table, kind, name.encode("ascii"), label, place)
            place += 1
        if patterns:
            patterns_build(&self.table.patterns, patterns)

    def __dealloc__(self) -> None:
        free(self.table.slots)
        free(self.table.origins)
        patterns_free(&self.table.patterns)

    def __len__(self) -> int:
        return self.size

    def kept(self):
        """The table as plain values, for again() of the very same build."""
        cdef HostTable *t = &self.table
        slots = t.mask + 1
        return (
            self.size,
            t.mask,
            t.used,
            bytes_of(t.slots, slots * sizeof(Suffix)),
            bytes_of(t.origins, slots * sizeof(Origin)),
            patterns_kept(&t.patterns),
        )

    @classmethod
    def again(cls, kept):
        """The table that gave kept().  What it holds is believed.  Raises ValueError, TypeError, MemoryError."""
        cdef Hosts hosts = cls([])
        cdef HostTable *t = &hosts.table
        cdef uint64_t slots
        size, mask, used, suffixes, origins, patterns = kept
        slots = <uint64_t>mask + 1
        free(t.slots)
        free(t.origins)
        t.slots, t.origins = NULL, NULL
        t.slots = <Suffix *>array_of(suffixes, slots * sizeof(Suffix))
        t.origins = <Origin *>array_of(origins, slots * sizeof(Origin))
        t.mask, t.used, hosts.size = mask, used, size
        patterns_again(&t.patterns, patterns)
        return hosts

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the table holds."""
        cdef HostTable *t = &self.table
        return (t.mask + 1) * (sizeof(Suffix) + sizeof(Origin)) + patterns_bytes(&t.patterns)

    def match(self, name: str | bytes) -> Hit | None:
        """What the loop would say of a name."""
        cdef HostHit hit
        cdef bytes raw = name.encode() if isinstance(name, str) else name
        if not host_match(&self.table, raw, <uint32_t>min(len(raw), 0xFFFF), &hit):
            return None
        return Hit(hit.label, KINDS[hit.kind], hit.fixed, hit.entry)

    def matches(self, name: str | bytes) -> list[Hit]:
        """Every entry that the name is of, the winner first; for explaining, not for speed."""
        cdef uint8_t s[256]
        cdef bytes raw = name.encode() if isinstance(name, str) else name
        cdef uint32_t n = _fold(s, raw, <uint32_t>min(len(raw), 0xFFFF))
        cdef uint32_t i = n
        cdef uint64_t h = SEED, at
        cdef HostTable *t = &self.table
        cdef Suffix suffix
        hits = []
        while i > 0:
            while i > 0 and s[i - 1] != DOT:
                i -= 1
                h = _step(h, s[i])
            at = _slot(t, h)
            suffix = t.slots[at]
            if i == 0 and suffix.at:
                hits.append(Hit(suffix.at, KINDS[suffix.at_kind], suffix.length, t.origins[at].at))
            if i > 0 and suffix.below:
                hits.append(Hit(suffix.below, KINDS[suffix.below_kind], suffix.length, t.origins[at].below))
            if i > 0:
                i -= 1
                h = _step(h, DOT)
        hits += [Hit(label, "pattern", fixed, entry) for label, fixed, entry in patterns_of(&t.patterns, s, n)]
        return sorted(hits, key=_specificity, reverse=True)

    def speed(self, names: list[bytes], rounds: int) -> int:
        """Looks all names up so many times without the interpreter; how many were found.  For the benchmark."""
        cdef HostHit hit
        cdef bytes name
        cdef Py_ssize_t i, n = len(names), found = 0, times = rounds
        cdef const char **texts = <const char **>malloc(max(n, 1) * sizeof(char *))
        cdef uint32_t *lengths = <uint32_t *>malloc(max(n, 1) * sizeof(uint32_t))
        if not texts or not lengths:
            free(texts)
            free(lengths)
            raise MemoryError
        for i in range(n):
            name = names[i]
            texts[i] = PyBytes_AS_STRING(name)
            lengths[i] = len(name)
        with nogil:
            for _ in range(times):
                for i in range(n):
                    found += host_match(&self.table, texts[i], lengths[i], &hit) != 0
        free(texts)
        free(lengths)
        return found


def _specificity(hit: Hit) -> tuple[bool, int, bool, int]:
    return hit.kind == "exact", hit.fixed, hit.kind != "pattern", hit.entry
