"""The flow table: every flow that passes, both directions one entry, in memory that is bounded from the start.

Open addressing over an index of 8 bytes a slot (the hash beside the flow's number, so that a probe which does
not match costs no second cache miss), two slots a flow at the most; removal shifts the run back, so there are
no tombstones and no rebuild.  Flows are 192 bytes, three cache lines, the first of which is all that finding
one needs.  With its share of the index a flow of a full table costs 208 bytes.  Both areas are mapped whole
and touched as they fill: a small run stays small.

The hash is keyed at random, so nobody outside can make runs.  Both directions hash alike because the two
ends are hashed alone and added.

When the table is full the flow that is oldest undecided goes (a flood of new flows eats itself, not the flows
that are known); but only while more than an eighth of the table is undecided, as otherwise one table full of
decided flows would push out every new flow before its second packet.  Else it is the decided flow that is oldest
and was not seen since eviction last passed it by.  Both cost the same whatever the size.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from dpi.flow.flow cimport FLOW_DECIDED, FLOW_TOUCHED, NONE, Flow, opener
from dpi.flow.tcp cimport follow_tcp
from dpi.flow.timers cimport timeout_of, wheel_add, wheel_due, wheel_free, wheel_init, wheel_remove
from dpi.wire.keyed cimport fold, random_key
from dpi.wire.packet cimport Packet
from dpi.wire.pages cimport map_pages, unmap_pages


cdef enum:
    SECOND_CHANCES = 8      # decided flows that one eviction may pass by


cdef Table *table_new(uint32_t capacity) noexcept nogil:
    """An empty table of at most `capacity` flows; NULL where memory or randomness is refused."""
    cdef Table *t
    cdef uint64_t slots = 16
    cdef int i
    if capacity < 1 or capacity > 1 << 28:
        return NULL
    while slots < 2 * <uint64_t>capacity:
        slots *= 2
    t = <Table *>calloc(1, sizeof(Table))
    if t == NULL:
        return NULL
    t.capacity = capacity
    t.mask = <uint32_t>(slots - 1)
    t.flows = <Flow *>map_pages(capacity * sizeof(Flow))
    t.index = <uint64_t *>map_pages(slots * sizeof(uint64_t))
    if (t.flows == NULL or t.index == NULL or not wheel_init(&t.wheel, t.flows)
            or not random_key(t.key, sizeof(t.key))):
        table_free(t)
        return NULL
    t.free = NONE
    t.vlans = 0xFFFF
    for i in range(2):
        t.age[i].first = t.age[i].last = NONE
    return t


cdef void table_free(Table *t) noexcept nogil:
    if t == NULL:
        return
    unmap_pages(t.flows, t.capacity * sizeof(Flow))
    unmap_pages(t.index, (<size_t>t.mask + 1) * sizeof(uint64_t))
    wheel_free(&t.wheel)
    free(t)


# Finding

cdef inline uint64_t hash_side(const Table *t, const uint8_t *addr, uint16_t port) noexcept nogil:
    cdef uint64_t half[2]
    memcpy(half, addr, 16)
    return fold(fold(half[0] ^ t.key[0], half[1] ^ t.key[1]) ^ t.key[2], t.key[3] ^ port)


cdef uint32_t table_hash(const Table *t, const Packet *p) noexcept nogil:
    """The same for both directions of a flow."""
    cdef uint64_t sides = hash_side(t, p.src, p.sport) + hash_side(t, p.dst, p.dport)
    cdef uint64_t h = fold(sides ^ t.key[1], t.key[2] ^ (<uint64_t>(p.vlan & t.vlans) << 8 | p.proto))
    return <uint32_t>(h ^ h >> 32)


cdef inline int side_of(const Table *t, const Flow *f, const Packet *p) noexcept nogil:
    """Which side sent the packet; -1 where it is of another flow."""
    if f.proto != p.proto or (f.vlan ^ p.vlan) & t.vlans:
        return -1
    if (f.port[0] == p.sport and f.port[1] == p.dport
            and memcmp(f.addr[0], p.src, 16) == 0 and memcmp(f.addr[1], p.dst, 16) == 0):
        return 0
    if (f.port[1] == p.sport and f.port[0] == p.dport
            and memcmp(f.addr[1], p.src, 16) == 0 and memcmp(f.addr[0], p.dst, 16) == 0):
        return 1
    return -1


cdef uint32_t table_find(const Table *t, const Packet *p, uint32_t hash, int *side) noexcept nogil:
    """The packet's flow, and which of its sides sent it; NONE where there is none."""
    cdef uint32_t slot = hash & t.mask
    cdef uint64_t entry = t.index[slot]
    cdef uint32_t i
    while entry != 0:
        if <uint32_t>(entry >> 32) == hash:
            i = <uint32_t>entry - 1
            side[0] = side_of(t, &t.flows[i], p)
            if side[0] >= 0:
                return i
        slot = (slot + 1) & t.mask
        entry = t.index[slot]
    return NONE


# Coming and going

cdef uint32_t table_insert(Table *t, const Packet *p, uint32_t hash) noexcept nogil:
    """A new flow of the packet, which must not be in the table; NONE where it is full (see table_victim)."""
    cdef uint32_t i
    cdef uint32_t slot = hash & t.mask
    cdef Flow *f
    if t.free != NONE:
        i = t.free
        t.free = t.flows[i].timer_next
    elif t.fresh < t.capacity:
        i = t.fresh
        t.fresh += 1
    else:
        return NONE
    f = &t.flows[i]
    memset(f, 0, sizeof(Flow))
    memcpy(f.addr[0], p.src, 16)
    memcpy(f.addr[1], p.dst, 16)
    f.port[0] = p.sport
    f.port[1] = p.dport
    f.vlan = p.vlan
    f.proto = p.proto
    f.version = p.version
    f.tunnel = p.tunnel
    f.dscp = p.dscp
    f.local = 2
    f.start = f.last = p.time
    f.work = f.host = f.agent = f.alpn = f.content_type = f.fingerprint = f.mac = f.rule = NONE
    f.hash = hash
    while t.index[slot] != 0:
        slot = (slot + 1) & t.mask
    t.index[slot] = <uint64_t>hash << 32 | (i + 1)
    t.count += 1
    if t.wheel.tick == 0:
        t.wheel.tick = p.time >> 30
    age_append(t, i, 0)
    wheel_add(&t.wheel, i, p.time + timeout_of(&t.wheel, f))
    return i


cdef void table_remove(Table *t, uint32_t i) noexcept nogil:
    """Forgets a flow; whatever it points to was freed by the caller."""
    cdef Flow *f = &t.flows[i]
    cdef uint32_t slot = f.hash & t.mask
    cdef uint32_t hole, home
    cdef uint64_t entry
    while <uint32_t>t.index[slot] != i + 1:
        slot = (slot + 1) & t.mask
    hole = slot
    while True:                 # whatever was pushed past the hole moves back into it
        slot = (slot + 1) & t.mask
        entry = t.index[slot]
        if entry == 0:
            break
        home = <uint32_t>(entry >> 32) & t.mask
        if ((slot - home) & t.mask) >= ((slot - hole) & t.mask):
            t.index[hole] = entry
            hole = slot
    t.index[hole] = 0
    age_remove(t, i)
    wheel_remove(&t.wheel, i)
    f.proto = 0
    f.start = 0
    f.version = 0               # what a walk over all flows knows the free ones by
    f.timer_next = t.free
    t.free = i
    t.count -= 1


# Age: who goes when there is no room

cdef void age_append(Table *t, uint32_t i, int which) noexcept nogil:
    cdef Age *a = &t.age[which]
    cdef Flow *f = &t.flows[i]
    f.age_next = NONE
    f.age_prev = a.last
    if a.last != NONE:
        t.flows[a.last].age_next = i
    else:
        a.first = i
    a.last = i
    a.count += 1


cdef void age_remove(Table *t, uint32_t i) noexcept nogil:
    cdef Flow *f = &t.flows[i]
    cdef Age *a = &t.age[1 if f.flags & FLOW_DECIDED else 0]
    if f.age_prev != NONE:
        t.flows[f.age_prev].age_next = f.age_next
    else:
        a.first = f.age_next
    if f.age_next != NONE:
        t.flows[f.age_next].age_prev = f.age_prev
    else:
        a.last = f.age_prev
    a.count -= 1


cdef void table_decided(Table *t, uint32_t i) noexcept nogil:
    """The flow is decided: it goes over to the list that is evicted last."""
    if t.flows[i].flags & FLOW_DECIDED:
        return
    age_remove(t, i)
    t.flows[i].flags |= FLOW_DECIDED
    age_append(t, i, 1)


cdef uint32_t table_victim(Table *t) noexcept nogil:
    """The flow to give up for a new one (the caller ends it); NONE where the table is empty."""
    cdef int chances = SECOND_CHANCES
    cdef uint32_t i
    if t.age[0].count > t.capacity // 8 or t.age[1].count == 0:
        return t.age[0].first
    i = t.age[1].first
    while t.flows[i].flags & FLOW_TOUCHED and chances > 0:
        t.flows[i].flags &= ~<uint8_t>FLOW_TOUCHED
        age_remove(t, i)
        age_append(t, i, 1)
        i = t.age[1].first
        chances -= 1
    return i


# For Python

cdef int packet_of(Packet *p, key) except -1:
    """An otherwise empty packet of (src, sport, dst, dport, vlan, proto), addresses of 16 bytes.  Raises ValueError."""
    src, sport, dst, dport, vlan, proto = key
    if len(src) != 16 or len(dst) != 16:
        raise ValueError("addresses have 16 bytes")
    memset(p, 0, sizeof(Packet))
    memcpy(p.src, <const uint8_t *>src, 16)
    memcpy(p.dst, <const uint8_t *>dst, 16)
    p.sport, p.dport, p.vlan, p.proto = sport, dport, vlan, proto
    p.version = 4
    return 0


cdef class FlowTable:
    """The table alone, driven by tuples `(src, sport, dst, dport, vlan, proto)` with 16-byte addresses."""
    cdef Table *table

    def __cinit__(self, uint32_t capacity):
        self.table = table_new(capacity)
        if self.table == NULL:
            raise MemoryError("no memory for the flow table")

    def __dealloc__(self):
        table_free(self.table)

    def __len__(self):
        return self.table.count

    def find(self, key):
        """The flow's number and the side that `key` comes from, or None."""
        cdef Packet p
        cdef int side = 0
        cdef uint32_t i
        packet_of(&p, key)
        i = table_find(self.table, &p, table_hash(self.table, &p), &side)
        return None if i == NONE else (i, side)

    def insert(self, key, int64_t now=0):
        """The new flow's number, or None where the table is full."""
        cdef Packet p
        cdef uint32_t i
        packet_of(&p, key)
        p.time = now
        i = table_insert(self.table, &p, table_hash(self.table, &p))
        return None if i == NONE else i

    def touch(self, uint32_t i, int64_t now):
        self.check(i)
        self.table.flows[i].last = now
        self.table.flows[i].flags |= FLOW_TOUCHED

    def decide(self, uint32_t i):
        self.check(i)
        table_decided(self.table, i)

    def remove(self, uint32_t i):
        self.check(i)
        table_remove(self.table, i)

    def victim(self):
        cdef uint32_t i = table_victim(self.table)
        return None if i == NONE else i

    def due(self, int64_t now, int budget=1 << 30):
        """Every flow that is due, still in the table but off the wheel."""
        out = []
        cdef uint32_t i = wheel_due(&self.table.wheel, now, &budget)
        while i != NONE:
            out.append(i)
            i = wheel_due(&self.table.wheel, now, &budget)
        return out

    def tcp(self, uint32_t i, int side, int flags, uint32_t seq=0, int64_t now=0):
        """Follows one segment: (whether it begins another connection, state, opener)."""
        cdef Packet p
        self.check(i)
        memset(&p, 0, sizeof(p))
        p.tcp_flags = <uint8_t>flags
        p.seq = seq
        p.time = now
        again = follow_tcp(&self.table.wheel, &self.table.flows[i], &p, side & 1)
        return bool(again), self.table.flows[i].state, opener(&self.table.flows[i])

    def entry_size(self):
        """Bytes of a flow, with its share of the index in a full table."""
        return sizeof(Flow) + (self.table.mask + 1) * sizeof(uint64_t) / self.table.capacity

    cdef check(self, uint32_t i):
        if i >= self.table.fresh or self.table.flows[i].version == 0:
            raise IndexError(i)
