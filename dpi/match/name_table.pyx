"""A table of what keys were learnt to be called, in memory that is bounded from the start.

All threads share it: 16 shards, each with a mutex that is held for one lookup.  A
shard is chosen by the server's address alone, so that what one client asked for and what anybody did are looked up
under one lock.  Inside, a set of sixteen entries is chosen by a keyed hash; a new entry takes the place of one that has
expired, else of the oldest in its set.  So memory is fixed, no operation takes longer than another, and nothing is ever
rehashed; the price is that a set may be full before the table is, which with sixteen happens to two entries in a
hundred while the table is filled to three quarters (tests/unit/test_names.py).

A shared key is not hidden, it is told: an entry remembers until when another app's name for the same key
would have been valid, and says `ambiguous` that long, so that the confidence can be lowered.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from dpi.wire.keyed cimport random_key
from dpi.wire.mutex cimport (
    pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
)
from dpi.wire.pages cimport map_pages, unmap_pages


cdef NameTable *names_new(uint32_t capacity) noexcept nogil:
    """A table for this many entries (rounded up to what its shape allows), NULL where there is no memory.

    Memory is touched as it fills: 196 bytes an entry and 16 a peer, in pages as large as the kernel gives.
    """
    cdef NameTable *t = <NameTable *>calloc(1, sizeof(NameTable))
    cdef int i
    cdef uint64_t n
    if t == NULL:
        return NULL
    for i in range(SHARDS):
        pthread_mutex_init(&t.shards[i].mutex, NULL)
    t.sets = 1
    while <uint64_t>t.sets * SHARDS * WAYS < capacity and t.sets < 1 << 20:
        t.sets *= 2
    n = <uint64_t>t.sets * WAYS
    t.tags = <uint32_t *>map_pages(SHARDS * n * sizeof(uint32_t))
    t.entries = <Entry *>map_pages(SHARDS * n * sizeof(Entry))
    t.peer_sets = t.sets * WAYS // PEER_WAYS
    t.peers = <Peer *>map_pages(SHARDS * n * sizeof(Peer))
    t.crowds = <Crowd *>calloc(SHARDS * CROWDS, sizeof(Crowd))
    if t.tags == NULL or t.entries == NULL or t.peers == NULL or t.crowds == NULL:
        names_free(t)
        return NULL
    for i in range(SHARDS):
        t.shards[i].tags = t.tags + i * n
        t.shards[i].entries = t.entries + i * n
        t.shards[i].peers = t.peers + i * n
        t.shards[i].crowds = t.crowds + i * CROWDS
    if not random_key(t.key, sizeof(t.key)):
        names_free(t)
        return NULL
    return t


cdef void names_free(NameTable *t) noexcept nogil:
    cdef int i
    if t == NULL:
        return
    unmap_pages(t.tags, <size_t>t.sets * SHARDS * WAYS * sizeof(uint32_t))
    unmap_pages(t.entries, <size_t>t.sets * SHARDS * WAYS * sizeof(Entry))
    unmap_pages(t.peers, <size_t>t.sets * SHARDS * WAYS * sizeof(Peer))
    free(t.crowds)
    for i in range(SHARDS):
        pthread_mutex_destroy(&t.shards[i].mutex)
    free(t)


cdef uint32_t place_for(const Shard *shard, uint32_t first, int64_t now) noexcept nogil:
    """Where in a set a new entry goes: where nothing is, else what has expired, else the oldest."""
    cdef uint32_t i
    cdef uint32_t place = first
    for i in range(first, first + WAYS):
        if shard.tags[i] == 0:          # one line of memory tells; each entry is another
            return i
    for i in range(first, first + WAYS):
        if shard.entries[i].expires <= now:
            return i
        if shard.entries[i].learnt < shard.entries[place].learnt:
            place = i
    return place


cdef Entry *lookup(NameTable *t, Shard *shard, const Entry *key, bint make, int64_t now) noexcept nogil:
    """The entry of a key; NULL where there is none, or with `make` a free one in which only the key is set."""
    cdef uint64_t h = hash_of(t, key)
    cdef uint32_t tag = <uint32_t>(h >> 32) | 1
    cdef uint32_t first = (<uint32_t>h & (t.sets - 1)) * WAYS
    cdef uint32_t i, place
    cdef Entry *e
    for i in range(first, first + WAYS):
        e = &shard.entries[i]
        if (shard.tags[i] == tag and e.kind == key.kind and e.port == key.port and e.proto == key.proto
                and memcmp(e.server, key.server, 16) == 0 and memcmp(e.client, key.client, 16) == 0):
            return e
    if not make:
        return NULL
    place = place_for(shard, first, now)
    e = &shard.entries[place]
    if e.expires > now:
        shard.evicted += 1
    if shard.tags[place] == 0:
        shard.count += 1
    shard.tags[place] = tag
    key_of(e, <Kind>key.kind, key.client, key.server, key.port, key.proto)
    e.expires = 0
    e.shared = 0
    return e


cdef void put(NameTable *t, Shard *shard, const Entry *key, const char *name, uint16_t n, int64_t life,
              uint16_t label, int64_t now, uint8_t source) noexcept nogil:
    cdef Entry *e = lookup(t, shard, key, True, now)
    cdef bint same = e.label == label and (label != 0 or (e.n == n and memcmp(e.name, name, n) == 0))
    if e.expires > now and not same and e.expires > e.shared:
        e.shared = e.expires
    if e.expires <= now or not same or now + life > e.expires:
        e.expires = now + life
    e.learnt = now
    e.label = label
    e.source = source
    e.n = <uint8_t>n
    memcpy(e.name, name, n)
    e.name[n] = 0
    shard.learnt += 1


cdef bint take(NameTable *t, Shard *shard, const Entry *key, int64_t now, NameHit *out) noexcept nogil:
    cdef const Entry *e = lookup(t, shard, key, False, now)
    if e == NULL or e.expires <= now:
        return False
    memcpy(out.name, e.name, e.n + 1)
    out.n = e.n
    out.label = e.label
    out.source = e.source & ~<uint8_t>CARRIED
    out.carried = e.source & CARRIED
    out.own = e.kind == OWN
    out.ambiguous = e.shared > now
    out.learnt = e.learnt
    return True


cdef uint32_t copy_live(NameTable *t, uint32_t shard_at, uint32_t *at, int64_t now, Entry *to) noexcept nogil:
    """Copies up to CHUNK live entries of a shard from place at[0] on, and moves it on.  Looks at 64 places at most."""
    cdef Shard *shard = &t.shards[shard_at]
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef uint32_t end = at[0] + CHUNK
    if end > t.sets * WAYS:
        end = t.sets * WAYS
    pthread_mutex_lock(&shard.mutex)
    for i in range(at[0], end):
        if shard.tags[i] and shard.entries[i].expires > now:
            to[n] = shard.entries[i]
            n += 1
    pthread_mutex_unlock(&shard.mutex)
    at[0] = end
    return n
