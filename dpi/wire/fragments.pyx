"""IP fragments put together again: IPv4 (RFC 791, 3.2) and IPv6 (RFC 8200, 4.5).

How the loop uses it:

    if decode(…, &packet, …):           a whole packet, or a first fragment: its ports are known, it is counted
        process(&packet)
    if packet.fragment and fragments_add(table, &packet, &whole, …):
        process(&whole)                 the same datagram, complete: to be looked at, not to be counted

On a router a queue sees whole datagrams, as conntrack puts them together before it; so this is for captures, for
bridges, and for what arrives in fragments inside of a tunnel.

Everything is bounded.  A datagram has a buffer that grows to what its fragments need, a map with a bit for every 8
bytes (offsets come in units of 8), and room in front for the header.  Where datagrams or bytes run out, the oldest
datagram is given up, as is one that is older than the timeout.

Where fragments overlap, the bytes that came first stay, as in flow/stream.pyx: what a dissector was shown never
changes.  A fragment that contradicts what is known (beyond the datagram's end, another end) is not taken.
"""
from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memset

from dpi.wire.block cimport block_of
from dpi.wire.decode cimport as_tuple, decode_ip
from dpi.wire.ip cimport IpHeader, copy_addresses, ip
from dpi.wire.keyed cimport fold, random_key
from dpi.wire.packet cimport FRAGMENT_NONE, TUNNEL_NONE, Packet
from dpi.wire.view cimport FINE, LOST_FRAGMENT, Faults, View, note, view_of


cdef enum:
    HEADER_MAX = 320        # IPv4: 60 at most; IPv6 with more than that in front of the fragment header is given up
    DATA_MAX = 65535
    WORDS = 128             # of 64 units of 8 bytes: 64 KiB
    BUCKETS = 1024
    NOBODY = 0xffff
    NESTED_MAX = 4          # fragments inside of a datagram that came in fragments


cdef struct Key:
    uint8_t src[16]
    uint8_t dst[16]
    uint32_t id
    uint16_t vlan
    uint8_t version
    uint8_t proto           # IPv4; IPv6 leaves it out (RFC 8200, 4.5)


cdef struct Datagram:
    Key key
    uint16_t bucket
    uint16_t next           # in its bucket
    uint16_t older          # by time of the first fragment that came
    uint16_t newer
    int64_t since
    uint8_t *buffer         # HEADER_MAX and then size bytes of data
    uint32_t size
    uint32_t furthest       # byte that is known
    uint32_t total          # bytes of data; UINT32_MAX until the last fragment came
    uint32_t have           # units of 8 that are there
    uint32_t header         # bytes; 0 until the first fragment came
    uint16_t next_at
    uint8_t next_proto      # what follows the header, IPv6
    uint64_t there[WORDS]


cdef struct FragmentTable:
    uint32_t capacity
    uint64_t bytes_max
    uint64_t bytes
    int64_t timeout
    uint16_t oldest
    uint16_t newest
    uint16_t unused         # a list by .next
    uint16_t handed_out     # the datagram that the caller was given, to be freed at the next call
    uint16_t buckets[BUCKETS]
    Datagram *datagrams
    uint64_t secret[4]


cdef uint16_t bucket_of(const FragmentTable *t, const Key *key) noexcept nogil:
    """Keyed, so that nobody can choose addresses and numbers that fall into one."""
    cdef uint64_t[5] words
    cdef uint64_t h
    memcpy(words, key, sizeof(Key))
    h = fold(words[0] ^ t.secret[0], words[1] ^ t.secret[1])
    h = fold(h ^ words[2] ^ t.secret[2], words[3] ^ t.secret[3])
    return <uint16_t>fold(h ^ words[4], t.secret[0] | 1) & (BUCKETS - 1)


cdef FragmentTable *fragments_new(uint32_t datagrams, uint64_t bytes, int64_t timeout) noexcept nogil:
    cdef FragmentTable *t = <FragmentTable *>calloc(1, sizeof(FragmentTable))
    cdef uint32_t i
    if t == NULL:
        return NULL
    t.capacity = min(max(datagrams, <uint32_t>1), <uint32_t>NOBODY)
    t.bytes_max = bytes
    t.timeout = timeout
    t.oldest = t.newest = t.handed_out = NOBODY
    memset(t.buckets, 0xff, sizeof(t.buckets))      # NOBODY
    t.datagrams = <Datagram *>calloc(t.capacity, sizeof(Datagram))
    if t.datagrams == NULL or not random_key(t.secret, sizeof(t.secret)):
        fragments_free(t)
        return NULL
    for i in range(t.capacity):
        t.datagrams[i].next = <uint16_t>(i + 1 if i + 1 < t.capacity else NOBODY)
    return t


cdef void fragments_free(FragmentTable *t) noexcept nogil:
    cdef uint32_t i
    if t == NULL:
        return
    if t.datagrams != NULL:
        for i in range(t.capacity):
            free(t.datagrams[i].buffer)
    free(t.datagrams)
    free(t)


cdef void unlink(FragmentTable *t, uint16_t i) noexcept nogil:
    """Nobody finds it any more, and it is not given up for others."""
    cdef Datagram *d = &t.datagrams[i]
    cdef uint16_t *link = &t.buckets[d.bucket]
    while link[0] != i:
        link = &t.datagrams[link[0]].next
    link[0] = d.next
    if d.older == NOBODY:
        t.oldest = d.newer
    else:
        t.datagrams[d.older].newer = d.newer
    if d.newer == NOBODY:
        t.newest = d.older
    else:
        t.datagrams[d.newer].older = d.older


cdef void release(FragmentTable *t, uint16_t i) noexcept nogil:
    """Frees one that is unlinked."""
    cdef Datagram *d = &t.datagrams[i]
    if d.buffer != NULL:
        t.bytes -= HEADER_MAX + d.size
        free(d.buffer)
        d.buffer = NULL
    d.next = t.unused
    t.unused = i


cdef void give_up(FragmentTable *t, uint16_t i, Faults *faults) noexcept nogil:
    note(faults, LOST_FRAGMENT)
    unlink(t, i)
    release(t, i)


cdef uint16_t find(FragmentTable *t, const Key *key) noexcept nogil:
    cdef uint16_t i = t.buckets[bucket_of(t, key)]
    while i != NOBODY and memcmp(&t.datagrams[i].key, key, sizeof(Key)) != 0:
        i = t.datagrams[i].next
    return i


cdef uint16_t begin(FragmentTable *t, const Key *key, int64_t now, Faults *faults) noexcept nogil:
    cdef uint16_t i
    cdef Datagram *d
    if t.unused == NOBODY and t.oldest != NOBODY:
        give_up(t, t.oldest, faults)
    i = t.unused
    if i == NOBODY:         # the only one there is was handed out
        return NOBODY
    d = &t.datagrams[i]
    t.unused = d.next
    memset(d, 0, sizeof(Datagram))
    d.key = key[0]
    d.since = now
    d.total = UINT32_MAX
    d.bucket = bucket_of(t, key)
    d.next = t.buckets[d.bucket]
    t.buckets[d.bucket] = i
    d.older = t.newest
    d.newer = NOBODY
    if t.newest == NOBODY:
        t.oldest = i
    else:
        t.datagrams[t.newest].newer = i
    t.newest = i
    return i


cdef bint grow(FragmentTable *t, uint16_t i, uint32_t needed, Faults *faults) noexcept nogil:
    """Room for `needed` bytes of data, at the expense of the oldest others."""
    cdef Datagram *d = &t.datagrams[i]
    cdef uint32_t size = d.size if d.size else 2048
    cdef uint64_t added
    cdef uint16_t victim
    cdef uint8_t *buffer
    if d.buffer != NULL and needed <= d.size:
        return True
    while size < needed:
        size *= 2
    added = size - d.size + (HEADER_MAX if d.buffer == NULL else 0)
    while t.bytes + added > t.bytes_max:
        victim = t.oldest if t.oldest != i else d.newer
        if victim == NOBODY:
            return False
        give_up(t, victim, faults)
    buffer = <uint8_t *>realloc(d.buffer, HEADER_MAX + size)
    if buffer == NULL:
        return False
    t.bytes += added
    d.buffer = buffer
    d.size = size
    return True


cdef void put(Datagram *d, const uint8_t *data, uint32_t offset, uint32_t n) noexcept nogil:
    """Copies what is not there yet, in units of 8 bytes."""
    cdef uint32_t at, unit
    cdef uint64_t bit
    for at in range(0, n, 8):
        unit = (offset + at) >> 3
        bit = <uint64_t>1 << (unit & 63)
        if not d.there[unit >> 6] & bit:
            d.there[unit >> 6] |= bit
            d.have += 1
            memcpy(d.buffer + HEADER_MAX + offset + at, data + at, min(n - at, <uint32_t>8))
    d.furthest = max(d.furthest, offset + n)


cdef uint16_t insert(FragmentTable *t, const Packet *piece, Faults *faults) noexcept nogil:
    """Takes the fragment; the datagram's index where that completed it, else NOBODY."""
    cdef View v = view_of(piece.ip, piece.ip_n, 0)
    cdef IpHeader h
    cdef Key key
    cdef Datagram *d
    cdef const uint8_t *data
    cdef uint32_t start, n, end
    cdef uint16_t i
    if ip(&v, &h) != FINE or h.claimed > piece.ip_n or h.unfragmented > HEADER_MAX:   # … or not captured whole
        note(faults, LOST_FRAGMENT)
        return NOBODY
    start = h.unfragmented + (8 if h.version == 6 else 0)
    data = piece.ip + start
    n = <uint32_t>(v.c.end - data)
    end = h.offset + n
    if n == 0 or (h.more and n & 7) or h.unfragmented + end > DATA_MAX:
        note(faults, LOST_FRAGMENT)
        return NOBODY
    memset(&key, 0, sizeof(key))
    copy_addresses(&h, key.src, key.dst)
    key.id = h.id
    key.vlan = piece.vlan
    key.version = h.version
    key.proto = h.proto if h.version == 4 else 0
    i = find(t, &key)
    if i == NOBODY:
        i = begin(t, &key, piece.time, faults)
    if i == NOBODY or not grow(t, i, end, faults):
        note(faults, LOST_FRAGMENT)
        return NOBODY
    d = &t.datagrams[i]
    if end > d.total or (not h.more and (d.furthest > end or d.total not in (UINT32_MAX, end))):
        note(faults, LOST_FRAGMENT)
        return NOBODY
    if not h.more:
        d.total = end
    if h.offset == 0 and d.header == 0:
        d.header = h.unfragmented
        d.next_at = h.next_at
        d.next_proto = piece.ip[h.unfragmented] if h.version == 6 else h.proto
        memcpy(d.buffer + HEADER_MAX - d.header, piece.ip, d.header)
    put(d, data, h.offset, n)
    return i if d.header and d.total != UINT32_MAX and d.have == (d.total + 7) >> 3 else <uint16_t>NOBODY


cdef uint8_t *whole_header(Datagram *d) noexcept nogil:
    """Makes the first fragment's header the datagram's: its length, and nothing about fragments."""
    cdef uint8_t *h = d.buffer + HEADER_MAX - d.header
    cdef uint32_t length = d.header + d.total - (40 if d.key.version == 6 else 0)
    cdef uint32_t at = 4 if d.key.version == 6 else 2
    h[at] = <uint8_t>(length >> 8)
    h[at + 1] = <uint8_t>length
    h[d.next_at] = d.next_proto
    if d.key.version == 4:
        h[6] = h[7] = 0
    return h


cdef void take_back(FragmentTable *t) noexcept nogil:
    if t.handed_out != NOBODY:
        release(t, t.handed_out)
        t.handed_out = NOBODY


cdef inline int64_t age(const FragmentTable *t, int64_t now) noexcept nogil:
    """Of the oldest.  A capture's times may be anything, so the difference is let wrap."""
    return <int64_t>(<uint64_t>now - <uint64_t>t.datagrams[t.oldest].since)


cdef bint fragments_add(FragmentTable *t, const Packet *piece, Packet *whole, Faults *faults) noexcept nogil:
    cdef Packet outer = piece[0]
    cdef Datagram *d
    cdef uint16_t i
    cdef bint found
    take_back(t)
    while t.oldest != NOBODY and age(t, outer.time) > t.timeout:
        give_up(t, t.oldest, faults)
    for _i in range(NESTED_MAX):
        i = insert(t, &outer, faults)
        take_back(t)        # not before: a nested fragment is in there
        if i == NOBODY:
            return False
        unlink(t, i)
        t.handed_out = i
        d = &t.datagrams[i]
        whole.time = outer.time
        whole.origin = outer.origin
        found = decode_ip(whole_header(d), d.header + d.total, 0, whole, faults)
        if outer.vlan:
            whole.vlan = outer.vlan
        if whole.tunnel == TUNNEL_NONE:
            whole.tunnel = outer.tunnel
        if whole.fragment == FRAGMENT_NONE:
            return found
        outer = whole[0]
    return False


cdef class Fragments:
    """The table for tests and fuzzers: IP packets in, the datagrams that they complete out."""

    cdef FragmentTable *table
    cdef Faults faults

    def __cinit__(self, datagrams: int = 64, size: int = 1 << 20, timeout: int = 30_000_000_000):
        memset(&self.faults, 0, sizeof(Faults))
        self.table = fragments_new(datagrams, size, timeout)
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        fragments_free(self.table)

    def add(self, packet: bytes, time: int = 0):
        """The datagram that the IP packet completed, as a Decoded, or None.  time: ns."""
        cdef Packet piece, whole
        cdef uint8_t *block = block_of(packet)
        memset(&piece, 0, sizeof(piece))
        piece.time = time
        try:
            decode_ip(block, len(packet), 0, &piece, NULL)
            if piece.fragment != FRAGMENT_NONE and fragments_add(self.table, &piece, &whole, &self.faults):
                return as_tuple(&whole, &self.faults)
            return None
        finally:
            free(block)

    @property
    def held(self):
        """(datagrams in progress, bytes that they and the one that was handed out hold)."""
        cdef int n = 0
        cdef uint16_t i = self.table.oldest
        while i != NOBODY:
            n += 1
            i = self.table.datagrams[i].newer
        return n, self.table.bytes

    @property
    def lost(self):
        """Fragments refused and datagrams given up."""
        return self.faults.count[<int>LOST_FRAGMENT]
