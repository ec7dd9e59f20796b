"""Address → label, by the longest of tens of thousands of IPv4 and IPv6 prefixes.

When the table is built, nested prefixes are flattened into ranges that do not overlap, in order, each with the
label of the longest prefix that covers it (0 where none does); prefix_table.pyx looks addresses up among them.  IPv4 and
IPv6 have arrays of their own: IPv4's are small, and most of what passes is looked up there.

A table of 2^24 first steps would save a few comparisons and cost 32 MB, which the caches of a router do not
have; this costs 11 bytes a range, two 256 kB indices and no more.  Measured by tests/bench/match.py.

Some owners number their services alike at every place, so that a service is told by the end of its addresses: such an
entry is an address with a mask whose bits are not contiguous (151.101.0.140/255.255.0.255).  They are kept by their
masks, those that fix the most bits first.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memset

from dpi.match.addresses cimport Net, Wide, less, parse
from dpi.match.plain cimport array_of, bytes_of
from dpi.match.prefix_table cimport Mask, Masked, MaskTable, PrefixTable, prefix_entry, prefix_match

from collections.abc import Iterable
from typing import NamedTuple

from dpi.match.addresses import pack


cdef enum:
    UPPER = 65536


class Hit(NamedTuple):
    """What an entry says of an address."""

    label: int
    entry: int              # its place in the list that the table was built from


cdef int _order(const void *a, const void *b) noexcept nogil:
    """Prefixes first, IPv4 first, by first address, outer before inner, earlier entries before later.

    Those with a mask: by how many bits count, the most first, then by mask, value and entry.
    """
    cdef const Net *x = <const Net *>a
    cdef const Net *y = <const Net *>b
    if x.masked != y.masked:
        return -1 if x.masked < y.masked else 1
    if x.family != y.family:
        return -1 if x.family < y.family else 1
    if x.masked and x.length != y.length:
        return -1 if x.length > y.length else 1
    if x.mask.high != y.mask.high or x.mask.low != y.mask.low:
        return -1 if less(x.mask, y.mask) else 1
    if x.first.high != y.first.high or x.first.low != y.first.low:
        return -1 if less(x.first, y.first) else 1
    if x.length != y.length:
        return -1 if x.length < y.length else 1
    return -1 if x.entry < y.entry else 1


cdef struct Flat:           # what the sweep writes
    Wide *start
    uint16_t *label
    uint32_t *entry
    uint8_t *bits
    uint32_t n


cdef void _emit(Flat *flat, Wide start, const Net *net) noexcept nogil:
    """A range of a prefix's (NULL: nobody's) starts here.  One that starts where the last does replaces it."""
    if flat.n and flat.start[flat.n - 1].high == start.high and flat.start[flat.n - 1].low == start.low:
        flat.n -= 1
    flat.start[flat.n] = start
    flat.label[flat.n] = net.label if net != NULL else 0
    flat.entry[flat.n] = net.entry if net != NULL else 0
    flat.bits[flat.n] = net.length if net != NULL else 0
    flat.n += 1


cdef void _close(Flat *flat, const Net **stack, int *depth) noexcept nogil:
    """The innermost open prefix ends: what is behind it belongs to the one around it."""
    cdef Wide after = stack[depth[0] - 1].last
    after.low += 1
    if after.low == 0:
        after.high += 1
    depth[0] -= 1
    if after.high == 0 and after.low == 0:
        return              # it was the last address of all
    _emit(flat, after, stack[depth[0] - 1] if depth[0] else NULL)


cdef void _sweep(Flat *flat, const Net *nets, uint32_t n) noexcept nogil:
    """Flattens sorted prefixes of one family; at most 129 are open at once, as equal ones replace each other."""
    cdef const Net *stack[130]
    cdef int depth = 0
    cdef uint32_t i
    cdef Wide zero
    zero.high = zero.low = 0
    _emit(flat, zero, NULL)
    for i in range(n):
        while depth and less(stack[depth - 1].last, nets[i].first):
            _close(flat, stack, &depth)
        if depth and stack[depth - 1].length == nets[i].length:
            depth -= 1      # the same prefix again: the later entry is right
        stack[depth] = nets + i
        depth += 1
        _emit(flat, nets[i].first, nets + i)
    while depth:
        _close(flat, stack, &depth)


cdef int _fill(PrefixTable *t, const Net *nets, uint32_t n, bint is4) except -1:
    """Flattens the prefixes of one family into its arrays."""
    cdef Flat flat
    cdef uint32_t i, k
    cdef uint32_t *index = <uint32_t *>calloc(UPPER + 1, sizeof(uint32_t))
    cdef uint32_t *short_starts = NULL
    flat.n = 0
    flat.start = <Wide *>malloc((2 * n + 2) * sizeof(Wide))
    flat.label = <uint16_t *>malloc((2 * n + 2) * sizeof(uint16_t))
    flat.entry = <uint32_t *>malloc((2 * n + 2) * sizeof(uint32_t))
    flat.bits = <uint8_t *>malloc(2 * n + 2)
    if is4:
        t.index4, t.label4, t.entry4, t.bits4 = index, flat.label, flat.entry, flat.bits
        short_starts = t.start4 = <uint32_t *>malloc((2 * n + 2) * sizeof(uint32_t))
    else:
        t.index6, t.label6, t.entry6, t.bits6, t.start6 = index, flat.label, flat.entry, flat.bits, flat.start
    if not (index and flat.start and flat.label and flat.entry and flat.bits) or (is4 and not short_starts):
        if is4:
            free(flat.start)
        raise MemoryError
    _sweep(&flat, nets, n)
    if is4 and flat.n and flat.start[flat.n - 1].low >> 32:
        flat.n -= 1     # what is behind 255.255.255.255
    k = 0
    for i in range(UPPER + 1):
        while k < flat.n and (flat.start[k].low >> 16 if is4 else flat.start[k].high >> 48) < i:
            k += 1
        index[i] = k
    if is4:
        for i in range(flat.n):
            short_starts[i] = <uint32_t>flat.start[i].low
        t.n4 = flat.n
        free(flat.start)
    else:
        t.n6 = flat.n
    return 0


cdef int _fill_masked(MaskTable *t, const Net *nets, uint32_t n) except -1:
    """Takes over the sorted entries with a mask of one family."""
    cdef uint32_t i, k
    t.entries = <Masked *>calloc(n + 1, sizeof(Masked))
    t.masks = <Mask *>calloc(n + 1, sizeof(Mask))
    if not t.entries or not t.masks:
        raise MemoryError
    for i in range(n):
        if i == 0 or nets[i].mask.high != nets[i - 1].mask.high or nets[i].mask.low != nets[i - 1].mask.low:
            t.masks[t.n].mask = nets[i].mask
            t.masks[t.n].bits = nets[i].length
            t.masks[t.n].first = t.masks[t.n].end = t.masks[t.n - 1].end if t.n else 0
            t.n += 1
        k = t.masks[t.n - 1].end
        if (k > t.masks[t.n - 1].first and t.entries[k - 1].value.high == nets[i].first.high
                and t.entries[k - 1].value.low == nets[i].first.low):
            k -= 1          # the same again: the later entry is right
        t.entries[k].value = nets[i].first
        t.entries[k].label = nets[i].label
        t.entries[k].entry = nets[i].entry
        t.masks[t.n - 1].end = k + 1
        t.begins[nets[i].first.low >> 24 if nets[i].family == 4 else nets[i].first.high >> 56] = 1
    return 0


cdef tuple _masked_kept(const MaskTable *t):
    cdef uint32_t entries = t.masks[t.n - 1].end if t.n else 0
    return (
        t.n,
        entries,
        bytes_of(t.masks, t.n * sizeof(Mask)),
        bytes_of(t.entries, entries * sizeof(Masked)),
        bytes_of(t.begins, sizeof(t.begins)),
    )


cdef int _masked_again(MaskTable *t, tuple kept) except -1:
    n, entries, masks, masked, begins = kept
    t.masks = <Mask *>array_of(masks, n * sizeof(Mask))
    t.entries = <Masked *>array_of(masked, entries * sizeof(Masked))
    for i in range(256):
        t.begins[<int>i] = begins[i]
    t.n = n
    return 0


cdef void _free(PrefixTable *t) noexcept:
    free(t.index4)
    free(t.start4)
    free(t.label4)
    free(t.entry4)
    free(t.bits4)
    free(t.index6)
    free(t.start6)
    free(t.label6)
    free(t.entry6)
    free(t.bits6)
    free(t.masked4.masks)
    free(t.masked4.entries)
    free(t.masked6.masks)
    free(t.masked6.entries)
    memset(t, 0, sizeof(PrefixTable))


cdef class Prefixes:
    """A table of (prefix, label) pairs, "192.0.2.0/24", a lone address, or one with a mask.  Labels are 1 to 65535.

    Where a prefix is listed twice the later entry holds; a prefix holds against a mask that fixes as many bits.  Raises ValueError for the first entry that problem()
    finds fault with.
    """

    def __cinit__(self, entries: Iterable[tuple[str, int]]) -> None:
        cdef uint32_t n4 = 0, plain = 0, masked4 = 0, i = 0
        cdef str text, wrong
        listed = entries if isinstance(entries, list) else list(entries)
        self.size = len(listed)
        cdef Net *nets = <Net *>malloc((self.size + 1) * sizeof(Net))
        if not nets:
            raise MemoryError
        try:
            for text, label in listed:
                if not 0 < label < 65536:
                    raise ValueError(f"{text}: label {label} is not 1 to 65535")
                wrong = parse(text, nets + i)
                if wrong:
                    raise ValueError(f"{text}: {wrong}")
                nets[i].label = label
                nets[i].entry = i
                plain += not nets[i].masked
                n4 += nets[i].family == 4 and not nets[i].masked
                masked4 += nets[i].family == 4 and nets[i].masked
                i += 1
            qsort(nets, i, sizeof(Net), _order)
            _fill(&self.table, nets, n4, True)
            _fill(&self.table, nets + n4, plain - n4, False)
            _fill_masked(&self.table.masked4, nets + plain, masked4)
            _fill_masked(&self.table.masked6, nets + plain + masked4, i - plain - masked4)
        finally:
            free(nets)

    def __dealloc__(self) -> None:
        _free(&self.table)

    def __len__(self) -> int:
        return self.size

    def kept(self):
        """The table as plain values, for again() of the very same build."""
        cdef PrefixTable *t = &self.table
        return (
            self.size,
            t.n4,
            bytes_of(t.index4, (UPPER + 1) * sizeof(uint32_t)),
            bytes_of(t.start4, t.n4 * sizeof(uint32_t)),
            bytes_of(t.label4, t.n4 * sizeof(uint16_t)),
            bytes_of(t.entry4, t.n4 * sizeof(uint32_t)),
            bytes_of(t.bits4, t.n4),
            t.n6,
            bytes_of(t.index6, (UPPER + 1) * sizeof(uint32_t)),
            bytes_of(t.start6, t.n6 * sizeof(Wide)),
            bytes_of(t.label6, t.n6 * sizeof(uint16_t)),
            bytes_of(t.entry6, t.n6 * sizeof(uint32_t)),
            bytes_of(t.bits6, t.n6),
            _masked_kept(&t.masked4),
            _masked_kept(&t.masked6),
        )

    @classmethod
    def again(cls, kept):
        """The table that gave kept().  What it holds is believed.  Raises ValueError, TypeError, MemoryError."""
        cdef Prefixes prefixes = cls([])
        cdef PrefixTable *t = &prefixes.table
        _free(t)
        (
            prefixes.size, t.n4, index4, start4, label4, entry4, bits4, t.n6, index6, start6, label6, entry6, bits6,
            masked4, masked6,
        ) = kept
        t.index4 = <uint32_t *>array_of(index4, (UPPER + 1) * sizeof(uint32_t))
        t.start4 = <uint32_t *>array_of(start4, t.n4 * sizeof(uint32_t))
        t.label4 = <uint16_t *>array_of(label4, t.n4 * sizeof(uint16_t))
        t.entry4 = <uint32_t *>array_of(entry4, t.n4 * sizeof(uint32_t))
        t.bits4 = <uint8_t *>array_of(bits4, t.n4)
        t.index6 = <uint32_t *>array_of(index6, (UPPER + 1) * sizeof(uint32_t))
        t.start6 = <Wide *>array_of(start6, t.n6 * sizeof(Wide))
        t.label6 = <uint16_t *>array_of(label6, t.n6 * sizeof(uint16_t))
        t.entry6 = <uint32_t *>array_of(entry6, t.n6 * sizeof(uint32_t))
        t.bits6 = <uint8_t *>array_of(bits6, t.n6)
        _masked_again(&t.masked4, masked4)
        _masked_again(&t.masked6, masked6)
        return prefixes

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the table holds."""
        return (UPPER + 1) * 8 + self.table.n4 * 11 + self.table.n6 * 23

    def match(self, address: str | bytes) -> Hit | None:
        """What the loop would say of an address (as text, or its 16 bytes).  Raises ValueError where it is none."""
        cdef bytes raw = pack(address) if isinstance(address, str) else address
        cdef uint32_t entry = 0
        cdef uint16_t label
        if len(raw) != 16:
            raise ValueError("an address has 16 bytes here")
        label = prefix_entry(&self.table, raw, &entry)
        return Hit(label, entry) if label else None

    def speed(self, addresses: list[bytes], rounds: int) -> int:
        """Looks all addresses up so many times without the interpreter; how many were found.  For the benchmark."""
        cdef Py_ssize_t i, n = len(addresses), found = 0, times = rounds
        cdef bytes joined = b"".join(addresses)
        cdef const uint8_t *p = joined
        if len(joined) != 16 * n:
            raise ValueError("an address has 16 bytes here")
        with nogil:
            for _ in range(times):
                for i in range(n):
                    found += prefix_match(&self.table, p + 16 * i) != 0
        return found
