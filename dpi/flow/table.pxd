"""The flow table's face for the loop; table.pyx says how it works and why."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from dpi.flow.flow cimport Flow
from dpi.flow.timers cimport Wheel
from dpi.wire.packet cimport Packet
from dpi.wire.prefetch cimport prefetch


cdef struct Age:            # a list of flows, the oldest first
    uint32_t first
    uint32_t last
    uint32_t count


cdef struct Table:
    Flow *flows             # [capacity], touched as they are first used
    uint64_t *index         # hash << 32 | flow + 1; 0 is empty
    uint32_t mask           # of index
    uint16_t vlans          # the bits of a VLAN that tell flows apart: all, or none where only one side's packets have one
    uint32_t capacity
    uint32_t count
    uint32_t fresh          # flows[fresh:] were never used
    uint32_t free           # list through timer_next
    uint64_t key[4]         # of the hash
    Wheel wheel
    Age age[2]              # undecided, decided


cdef Table *table_new(uint32_t capacity) noexcept nogil
cdef void table_free(Table *t) noexcept nogil
cdef uint32_t table_hash(const Table *t, const Packet *p) noexcept nogil
cdef uint32_t table_find(const Table *t, const Packet *p, uint32_t hash, int *side) noexcept nogil
cdef uint32_t table_insert(Table *t, const Packet *p, uint32_t hash) noexcept nogil
cdef void table_remove(Table *t, uint32_t i) noexcept nogil
cdef uint32_t table_victim(Table *t) noexcept nogil
cdef void table_decided(Table *t, uint32_t i) noexcept nogil
cdef int packet_of(Packet *p, key) except -1


cdef inline void table_prefetch(const Table *t, uint32_t hash) noexcept nogil:
    prefetch(&t.index[hash & t.mask])


cdef inline bint table_prefetch_flow(const Table *t, uint32_t hash) noexcept nogil:
    """Some packets later: the flow that the index has there, which is the right one most of the time.  False: none."""
    cdef uint32_t i = <uint32_t>t.index[hash & t.mask]
    if i == 0:
        return False
    prefetch(&t.flows[i - 1])
    prefetch(<const char *>&t.flows[i - 1] + 64)
    return True
