"""Address → label, by the longest of tens of thousands of IPv4 and IPv6 prefixes.

When the table is built, nested prefixes are flattened into ranges that do not overlap, in order, each with the
label of the longest prefix that covers it (0 where none does).  A lookup is then a binary search; an index by
the upper 16 bits narrows it beforehand to the few ranges that start there.  IPv4 and IPv6 have arrays of their
own: IPv4's are small, and most of what passes is looked up there.

A table of 2^24 first steps would save a few comparisons and cost 32 MB, which the caches of a router do not
have; this costs 10 bytes a range, two 256 kB indices and no more.  Measured by tests/bench/match.py.

Addresses are 16 bytes, IPv4 mapped (::ffff:a.b.c.d), as everywhere behind the decoder.  The table is immutable
once built, so any number of threads may read it.
"""

from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcmp, memset

import socket
from collections.abc import Iterable
from typing import NamedTuple

cdef extern from "arpa/inet.h" nogil:
    int inet_pton(int family, const char *text, void *to)
    int AF_INET
    int AF_INET6

cdef extern from *:
    """
    static const unsigned char dpi_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char dpi_nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    """
    const uint8_t *dpi_mapped
    const uint8_t *dpi_nat64

cdef enum:
    UPPER = 65536


cdef struct Net:
    Wide first              # IPv4 in the lower 32 bits of low
    Wide last
    uint32_t entry
    uint16_t label
    uint8_t length          # of the prefix
    uint8_t family          # 4 or 6


class Hit(NamedTuple):
    """What an entry says of an address."""

    label: int
    entry: int              # its place in the list that the table was built from


cdef inline bint _less(Wide a, Wide b) noexcept nogil:
    return a.high < b.high or (a.high == b.high and a.low < b.low)


cdef inline uint64_t _be64(const uint8_t *p) noexcept nogil:
    cdef uint64_t v = 0
    cdef int i
    for i in range(8):
        v = v << 8 | p[i]
    return v


cdef inline uint32_t _range4(const PrefixTable *t, const uint8_t *p) noexcept nogil:
    """The range that an IPv4 address is in."""
    cdef uint32_t key = <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]
    cdef uint32_t low = t.index4[key >> 16], high = t.index4[(key >> 16) + 1], middle
    while low < high:       # the first range that starts behind the address
        middle = (low + high) >> 1
        if t.start4[middle] <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1


cdef inline uint32_t _range6(const PrefixTable *t, const uint8_t *p) noexcept nogil:
    """The range that an IPv6 address is in."""
    cdef Wide key
    cdef uint32_t low, high, middle
    key.high = _be64(p)
    key.low = _be64(p + 8)
    low = t.index6[key.high >> 48]
    high = t.index6[(key.high >> 48) + 1]
    while low < high:
        middle = (low + high) >> 1
        if _less(key, t.start6[middle]):
            high = middle
        else:
            low = middle + 1
    return low - 1


cdef uint16_t prefix_match(const PrefixTable *t, const uint8_t *addr16) noexcept nogil:
    """The label of the longest prefix that holds an address, 0 for none."""
    cdef uint32_t entry
    return prefix_entry(t, addr16, &entry)


cdef uint16_t prefix_entry(const PrefixTable *t, const uint8_t *addr16, uint32_t *entry) noexcept nogil:
    """As prefix_match(), and which entry says so.  Behind NAT64 the IPv4 address counts (RFC 6052, 2.1)."""
    cdef uint32_t i
    if memcmp(addr16, dpi_mapped, 12) == 0:
        i = _range4(t, addr16 + 12)
        entry[0] = t.entry4[i]
        return t.label4[i]
    i = _range6(t, addr16)
    if t.label6[i] == 0 and memcmp(addr16, dpi_nat64, 12) == 0:
        i = _range4(t, addr16 + 12)
        entry[0] = t.entry4[i]
        return t.label4[i]
    entry[0] = t.entry6[i]
    return t.label6[i]


cdef str _parse(str text, Net *net):
    """Reads "192.0.2.0/24", "2001:db8::/32" or a lone address.  What is wrong with it, or ""."""
    cdef uint8_t raw[16]
    cdef bytes address
    cdef int bits
    cdef Wide behind        # the bits that the prefix leaves free
    behind.high = behind.low = 0
    head, slash, tail = text.partition("/")
    if not head.isascii() or "\0" in head:
        return "not an address or prefix"
    address = head.encode("ascii")
    memset(net, 0, sizeof(Net))
    if inet_pton(AF_INET, address, raw) == 1:
        net.family = 4
        bits = 32
        net.first.low = <uint32_t>raw[0] << 24 | <uint32_t>raw[1] << 16 | <uint32_t>raw[2] << 8 | raw[3]
    elif inet_pton(AF_INET6, address, raw) == 1:
        if memcmp(raw, dpi_mapped, 12) == 0:
            return "an IPv4 address in IPv6 clothes: write it as IPv4"
        net.family = 6
        bits = 128
        net.first.high = _be64(raw)
        net.first.low = _be64(raw + 8)
    else:
        return "not an address or prefix"
    net.length = bits
    if slash:
        if not (tail.isascii() and tail.isdigit() and len(tail) <= 3 and int(tail) <= bits):
            return f"the prefix length is not 0 to {bits}"
        net.length = int(tail)
    net.last = net.first
    if bits == 32:
        behind.low = (<uint64_t>1 << (32 - net.length)) - 1
    elif net.length < 64:
        behind.high = ~<uint64_t>0 >> net.length
        behind.low = ~<uint64_t>0
    elif net.length < 128:
        behind.low = ~<uint64_t>0 >> (net.length - 64)
    if net.first.high & behind.high or net.first.low & behind.low:
        return "bits behind the prefix are set"
    net.last.high |= behind.high
    net.last.low |= behind.low
    return ""


def problem(text: str) -> str:
    """What is wrong with a prefix's spelling; "" where it is right."""
    cdef Net net
    return _parse(text, &net)


def pack(text: str) -> bytes:
    """An address as the 16 bytes that tables use.  Raises ValueError where it is none."""
    try:
        return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)
    except (OSError, UnicodeError):
        pass
    try:
        return socket.inet_pton(socket.AF_INET6, text)
    except (OSError, UnicodeError):
        raise ValueError(f"{text}: not an address") from None


cdef int _order(const void *a, const void *b) noexcept nogil:
    """IPv4 first, by first address, outer before inner, earlier entries before later."""
    cdef const Net *x = <const Net *>a
    cdef const Net *y = <const Net *>b
    if x.family != y.family:
        return -1 if x.family < y.family else 1
    if x.first.high != y.first.high or x.first.low != y.first.low:
        return -1 if _less(x.first, y.first) else 1
    if x.length != y.length:
        return -1 if x.length < y.length else 1
    return -1 if x.entry < y.entry else 1


cdef struct Flat:           # what the sweep writes
    Wide *start
    uint16_t *label
    uint32_t *entry
    uint32_t n


cdef void _emit(Flat *flat, Wide start, uint16_t label, uint32_t entry) noexcept nogil:
    """A range starts here.  One that starts where the last does replaces it."""
    if flat.n and flat.start[flat.n - 1].high == start.high and flat.start[flat.n - 1].low == start.low:
        flat.n -= 1
    flat.start[flat.n] = start
    flat.label[flat.n] = label
    flat.entry[flat.n] = entry
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
    if depth[0]:
        _emit(flat, after, stack[depth[0] - 1].label, stack[depth[0] - 1].entry)
    else:
        _emit(flat, after, 0, 0)


cdef void _sweep(Flat *flat, const Net *nets, uint32_t n) noexcept nogil:
    """Flattens sorted prefixes of one family; at most 129 are open at once, as equal ones replace each other."""
    cdef const Net *stack[130]
    cdef int depth = 0
    cdef uint32_t i
    cdef Wide zero
    zero.high = zero.low = 0
    _emit(flat, zero, 0, 0)
    for i in range(n):
        while depth and _less(stack[depth - 1].last, nets[i].first):
            _close(flat, stack, &depth)
        if depth and stack[depth - 1].length == nets[i].length:
            depth -= 1      # the same prefix again: the later entry is right
        stack[depth] = nets + i
        depth += 1
        _emit(flat, nets[i].first, nets[i].label, nets[i].entry)
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
    if is4:
        t.index4, t.label4, t.entry4 = index, flat.label, flat.entry
        short_starts = t.start4 = <uint32_t *>malloc((2 * n + 2) * sizeof(uint32_t))
    else:
        t.index6, t.label6, t.entry6, t.start6 = index, flat.label, flat.entry, flat.start
    if not index or not flat.start or not flat.label or not flat.entry or (is4 and not short_starts):
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


cdef class Prefixes:
    """A table of (prefix, label) pairs, "192.0.2.0/24" or a lone address.  Labels are 1 to 65535.

    Where a prefix is listed twice the later entry holds.  Raises ValueError for the first entry that problem()
    finds fault with.
    """

    def __cinit__(self, entries: Iterable[tuple[str, int]]) -> None:
        cdef uint32_t n4 = 0, i = 0
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
                wrong = _parse(text, nets + i)
                if wrong:
                    raise ValueError(f"{text}: {wrong}")
                nets[i].label = label
                nets[i].entry = i
                n4 += nets[i].family == 4
                i += 1
            qsort(nets, i, sizeof(Net), _order)
            _fill(&self.table, nets, n4, True)
            _fill(&self.table, nets + n4, i - n4, False)
        finally:
            free(nets)

    def __dealloc__(self) -> None:
        free(self.table.index4)
        free(self.table.start4)
        free(self.table.label4)
        free(self.table.entry4)
        free(self.table.index6)
        free(self.table.start6)
        free(self.table.label6)
        free(self.table.entry6)

    def __len__(self) -> int:
        return self.size

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the table holds."""
        return (UPPER + 1) * 8 + self.table.n4 * 10 + self.table.n6 * 22

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
