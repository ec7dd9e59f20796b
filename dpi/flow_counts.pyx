"""Counts over all flows that a shard knows, taken while packets go on: the lock is given up every so many flows."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from dpi.decide.shard cimport Shard, lock, unlock
from dpi.flow.flow cimport CARRYING, Flow, one_way
from dpi.flow_tuples cimport address
from dpi.wire.packet cimport IP_TCP


cdef enum:
    AT_ONCE = 8192          # flows looked at while packets wait


cdef inline void let_packets_by(Shard *s, uint32_t i) noexcept nogil:
    if i % AT_ONCE == 0:
        unlock(s)
        lock(s)


cdef list decided_by_rule(Shard *s, int rules):
    """How many of the flows carry a mark, by rule: `rules` numbers, then those of no rule."""
    cdef uint32_t i
    cdef const Flow *f
    cdef uint32_t *counts = <uint32_t *>calloc(rules + 1, sizeof(uint32_t))
    if counts == NULL:
        raise MemoryError
    lock(s)
    for i in range(s.table.fresh):
        let_packets_by(s, i)
        f = &s.table.flows[i]
        if f.version and f.mark:
            counts[f.rule if f.rule < <uint32_t>rules else rules] += 1
    unlock(s)
    out = [counts[i] for i in range(rules + 1)]
    free(counts)
    return out


cdef tuple one_way_flows(Shard *s, uint32_t examples):
    """Of TCP: (connections that carry something, of these seen from the LAN alone, seen towards it alone, and the
    first of both: (1 towards the LAN, the address behind it, the other))."""
    cdef uint32_t i
    cdef uint32_t carrying = 0
    cdef uint32_t[2] counts
    cdef const Flow *f
    cdef int side
    counts[0] = counts[1] = 0
    found = []
    lock(s)
    try:
        for i in range(s.table.fresh):
            let_packets_by(s, i)
            f = &s.table.flows[i]
            if not f.version or f.proto != IP_TCP or f.packets[0] + f.packets[1] < CARRYING:
                continue
            carrying += 1
            side = one_way(f)
            if side < 0 or f.local > 1:
                continue
            counts[side != f.local] += 1
            if counts[side != f.local] <= examples:
                found.append((
                    int(side != f.local), address(f.addr[f.local], f.version), address(f.addr[1 - f.local], f.version),
                ))
    finally:
        unlock(s)
    return carrying, counts[0], counts[1], found
