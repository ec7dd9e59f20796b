"""The least that naming flows is compared with: parse each packet, find its flow, count.

Ethernet with VLAN tags, IPv4 and IPv6, TCP and UDP; a flow is a 5-tuple in either direction.  It is written to be fast,
not to be a straw man: one hash table with open addressing whose entry is one cache line, found by one multiplication,
grown by doubling.  Either one packet after another, as such loops are written, or with the look ahead that the engine has
(replay.pyx): a batch is parsed and its slots are asked for before the first of them is counted.  What it leaves out is what
a router needs beside that: no tunnels, fragments or other link types, no ends of flows, no bound on memory, no defence
against chosen collisions, no payload.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from dpi.bench.clock cimport cpu_ns
from dpi.bench.replay cimport AHEAD, Held, Replay, look_ahead
from dpi.wire.prefetch cimport prefetch


cdef enum:
    SLOTS = 1 << 16         # to begin with
    LINK_ETHERNET = 1


cdef struct Key:            # the end that is smaller comes first
    uint64_t low[2]
    uint64_t high[2]
    uint32_t ports
    uint32_t proto          # plus 1: 0 is a free slot


cdef struct Entry:          # a cache line
    Key key
    uint32_t packets
    uint32_t unused
    uint64_t bytes


cdef struct Counts:
    Entry *entries
    uint64_t mask
    uint64_t flows
    uint64_t packets


cdef inline uint16_t two(const uint8_t *p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])


cdef inline uint64_t hash_of(const Key *k) noexcept nogil:
    cdef uint64_t h = (k.low[0] ^ k.high[1]) * <uint64_t>0x9E3779B97F4A7C15ULL ^ (k.low[1] ^ k.high[0])
    h = (h ^ <uint64_t>k.ports << 8 ^ k.proto) * <uint64_t>0xD6E8FEB86659FD93ULL
    return h ^ h >> 32


cdef bint parse(const uint8_t *p, uint32_t n, Key *k, uint32_t *length) noexcept nogil:
    """False where it is not TCP or UDP over IP, or cut short before its ports."""
    cdef uint16_t ether, sport, dport
    cdef uint32_t at = 14
    cdef uint64_t src[2]
    cdef uint64_t dst[2]
    cdef uint8_t proto
    if n < 34:
        return False
    ether = two(p + 12)
    while ether == 0x8100 or ether == 0x88a8:
        if n < at + 24:
            return False
        ether = two(p + at + 2)
        at += 4
    src[0] = dst[0] = src[1] = dst[1] = 0
    if ether == 0x0800:
        proto = p[at + 9]
        memcpy(src, p + at + 12, 4)
        memcpy(dst, p + at + 16, 4)
        length[0] = two(p + at + 2)
        if two(p + at + 6) & 0x1fff:
            return False
        at += (p[at] & 15) * 4
    elif ether == 0x86dd and n >= at + 40:
        proto = p[at + 6]
        memcpy(src, p + at + 8, 16)
        memcpy(dst, p + at + 24, 16)
        length[0] = 40 + two(p + at + 4)
        at += 40
    else:
        return False
    if proto != 6 and proto != 17 or n < at + 4:
        return False
    sport, dport = two(p + at), two(p + at + 2)
    k.proto = <uint32_t>proto + 1
    if src[0] < dst[0] or src[0] == dst[0] and (src[1] < dst[1] or src[1] == dst[1] and sport <= dport):
        k.low[0], k.low[1], k.high[0], k.high[1] = src[0], src[1], dst[0], dst[1]
        k.ports = <uint32_t>sport << 16 | dport
    else:
        k.low[0], k.low[1], k.high[0], k.high[1] = dst[0], dst[1], src[0], src[1]
        k.ports = <uint32_t>dport << 16 | sport
    return True


cdef inline bint same(const Key *a, const Key *b) noexcept nogil:
    return (a.low[0] == b.low[0] and a.high[0] == b.high[0] and a.low[1] == b.low[1] and a.high[1] == b.high[1]
            and a.ports == b.ports and a.proto == b.proto)


cdef bint grow(Counts *c) noexcept nogil:
    """Twice the slots, or the first ones."""
    cdef uint64_t slots = 2 * (c.mask + 1) if c.entries != NULL else <uint64_t>SLOTS
    cdef Entry *entries = <Entry *>calloc(slots, sizeof(Entry))
    cdef uint64_t i, slot
    if entries == NULL:
        return False
    if c.entries != NULL:
        for i in range(c.mask + 1):
            if c.entries[i].key.proto:
                slot = hash_of(&c.entries[i].key) & (slots - 1)
                while entries[slot].key.proto:
                    slot = (slot + 1) & (slots - 1)
                entries[slot] = c.entries[i]
        free(c.entries)
    c.entries = entries
    c.mask = slots - 1
    return True


cdef inline bint count(Counts *c, const Key *k, uint64_t hash, uint32_t length) noexcept nogil:
    cdef uint64_t slot = hash & c.mask
    cdef Entry *e = &c.entries[slot]
    while e.key.proto and not same(&e.key, k):
        slot = (slot + 1) & c.mask
        e = &c.entries[slot]
    if not e.key.proto:
        e.key = k[0]
        c.flows += 1
    e.packets += 1
    e.bytes += length
    c.packets += 1
    return 2 * c.flows <= c.mask or grow(c)


cdef bint run(Replay replay, Counts *c) noexcept nogil:
    """One packet after another."""
    cdef Key key
    cdef uint32_t length
    cdef const Held *h
    cdef uint64_t i
    for i in range(replay.n):
        h = &replay.held[i]
        if h.linktype == LINK_ETHERNET and parse(replay.bytes + h.at, h.caplen, &key, &length):
            if not count(c, &key, hash_of(&key), length):
                return False
    return True


cdef bint run_ahead(Replay replay, Counts *c) noexcept nogil:
    cdef Key keys[AHEAD]
    cdef uint64_t hashes[AHEAD]
    cdef uint32_t lengths[AHEAD]
    cdef const Held *h
    cdef uint64_t i = 0
    cdef uint64_t j
    cdef int n, k
    while i < replay.n:
        n = 0
        for j in range(i, min(i + AHEAD, replay.n)):
            look_ahead(replay, j)
            h = &replay.held[j]
            if h.linktype == LINK_ETHERNET and parse(replay.bytes + h.at, h.caplen, &keys[n], &lengths[n]):
                hashes[n] = hash_of(&keys[n])
                prefetch(&c.entries[hashes[n] & c.mask])
                n += 1
        for k in range(n):
            if not count(c, &keys[k], hashes[k], lengths[k]):
                return False
        i += AHEAD
    return True


def bare(Replay replay not None, bint ahead=False):
    """(CPU seconds, packets counted, flows).  Raises MemoryError."""
    cdef Counts c
    cdef int64_t start
    cdef bint good
    c.entries = NULL
    c.mask = c.flows = c.packets = 0
    with nogil:
        start = cpu_ns()
        good = grow(&c) and (run_ahead(replay, &c) if ahead else run(replay, &c))
        start = cpu_ns() - start
    free(c.entries)
    if not good:
        raise MemoryError
    return start / 1e9, c.packets, c.flows
