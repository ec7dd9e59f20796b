"""The table of prefixes that the loop asks; see prefix_table.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.match.addresses cimport Wide


cdef struct Masked:         # an address of which not only the first bits count
    Wide value
    uint32_t entry
    uint16_t label


cdef struct Mask:
    Wide mask
    uint32_t first          # of its entries, in order
    uint32_t end
    uint8_t bits            # that it sets


cdef struct MaskTable:      # of IPv4 or of IPv6
    Mask *masks             # those that set the most bits first
    Masked *entries
    uint32_t n              # masks
    uint8_t begins[256]     # whether any entry has this as its first byte


cdef struct PrefixTable:
    uint32_t *index4        # [65537]: the first range that starts at or behind these upper 16 bits
    uint32_t *start4        # ranges in order, the first starts at 0, each ends where the next starts
    uint16_t *label4
    uint32_t *entry4
    uint8_t *bits4          # how long the prefix is
    uint32_t n4
    uint32_t *index6
    Wide *start6
    uint16_t *label6
    uint32_t *entry6
    uint8_t *bits6
    uint32_t n6
    MaskTable masked4
    MaskTable masked6


cdef uint16_t prefix_match(const PrefixTable *t, const uint8_t *addr16) noexcept nogil
cdef uint16_t prefix_told(const PrefixTable *t, const uint8_t *addr16, bint *numbered) noexcept nogil
cdef uint16_t prefix_entry(const PrefixTable *t, const uint8_t *addr16, uint32_t *entry) noexcept nogil
