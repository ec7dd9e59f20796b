"""What holds an address: the range that it is in, or an entry with a mask.

Ranges do not overlap and lie in order, so a lookup is a binary search; an index by the upper 16 bits narrows it
beforehand to the few ranges that start there.  Entries of one mask lie in order as well; a lookup masks the address once
for each of the few masks and searches among these.  Of all that hold an address the one that fixes the most bits wins.

The table is immutable once built (prefixes.pyx), so any number of threads may read it.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from dpi.match.addresses cimport Wide, be64, dpi_mapped, less


cdef extern from *:
    """
    static const unsigned char dpi_nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    """
    const uint8_t *dpi_nat64


cdef inline uint32_t _range4(const PrefixTable *t, uint32_t key) noexcept nogil:
    """The range that an IPv4 address is in."""
    cdef uint32_t low = t.index4[key >> 16], high = t.index4[(key >> 16) + 1], middle
    while low < high:       # the first range that starts behind the address
        middle = (low + high) >> 1
        if t.start4[middle] <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1


cdef inline uint32_t _range6(const PrefixTable *t, Wide key) noexcept nogil:
    """The range that an IPv6 address is in."""
    cdef uint32_t low = t.index6[key.high >> 48], high = t.index6[(key.high >> 48) + 1], middle
    while low < high:
        middle = (low + high) >> 1
        if less(key, t.start6[middle]):
            high = middle
        else:
            low = middle + 1
    return low - 1


cdef const Masked *_masked(const MaskTable *t, Wide key, uint8_t bits) noexcept nogil:
    """The entry with a mask that holds an address, if it fixes more bits than that; NULL for none."""
    cdef uint32_t i, low, high, middle
    cdef Wide rest
    for i in range(t.n):                    # the mask that fixes the most first
        if t.masks[i].bits <= bits:
            return NULL
        rest.high = key.high & t.masks[i].mask.high
        rest.low = key.low & t.masks[i].mask.low
        low, high = t.masks[i].first, t.masks[i].end
        while low < high:
            middle = (low + high) >> 1
            if less(t.entries[middle].value, rest):
                low = middle + 1
            else:
                high = middle
        if low < t.masks[i].end and t.entries[low].value.high == rest.high and t.entries[low].value.low == rest.low:
            return &t.entries[low]
    return NULL


cdef uint16_t _entry4(const PrefixTable *t, const uint8_t *p, uint32_t *entry, bint *told) noexcept nogil:
    cdef const Masked *masked = NULL
    cdef uint32_t key = <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]
    cdef uint32_t i = _range4(t, key)
    cdef Wide wide
    if t.masked4.begins[p[0]]:
        wide.high, wide.low = 0, key
        masked = _masked(&t.masked4, wide, t.bits4[i])
    told[0] = masked != NULL
    entry[0] = masked.entry if masked != NULL else t.entry4[i]
    return masked.label if masked != NULL else t.label4[i]


cdef uint16_t _entry(const PrefixTable *t, const uint8_t *addr16, uint32_t *entry, bint *told) noexcept nogil:
    """The entry for an address, and whether it has a mask.  Behind NAT64 the IPv4 address counts (RFC 6052, 2.1)."""
    cdef const Masked *masked = NULL
    cdef uint32_t i
    cdef Wide key
    if memcmp(addr16, dpi_mapped, 12) == 0:
        return _entry4(t, addr16 + 12, entry, told)
    key.high = be64(addr16)
    key.low = be64(addr16 + 8)
    i = _range6(t, key)
    if t.masked6.begins[addr16[0]]:
        masked = _masked(&t.masked6, key, t.bits6[i])
    told[0] = masked != NULL
    if masked != NULL:
        entry[0] = masked.entry
        return masked.label
    if t.label6[i] == 0 and memcmp(addr16, dpi_nat64, 12) == 0:
        return _entry4(t, addr16 + 12, entry, told)
    entry[0] = t.entry6[i]
    return t.label6[i]


cdef uint16_t prefix_match(const PrefixTable *t, const uint8_t *addr16) noexcept nogil:
    """The label of the longest prefix that holds an address, 0 for none."""
    cdef uint32_t entry
    cdef bint masked
    return _entry(t, addr16, &entry, &masked)


cdef uint16_t prefix_told(const PrefixTable *t, const uint8_t *addr16, bint *numbered) noexcept nogil:
    """As prefix_match(), and whether an entry with a mask says so."""
    cdef uint32_t entry
    return _entry(t, addr16, &entry, numbered)


cdef uint16_t prefix_entry(const PrefixTable *t, const uint8_t *addr16, uint32_t *entry) noexcept nogil:
    """As prefix_match(), and which entry says so."""
    cdef bint masked
    return _entry(t, addr16, entry, &masked)
