"""The memory behind names.pyx, nearby.pyx and peers.pyx: what an entry is, and how one is found, put and taken; see name_table.pyx.

Who calls lookup(), put() or take() holds the lock of the shard.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from dpi.wire.keyed cimport fold
from dpi.wire.mutex cimport pthread_mutex_t
from dpi.wire.prefetch cimport prefetch


cdef enum:
    SHARDS = 16
    WAYS = 16               # entries in a set: their tags fill a cache line
    CHUNK = 64              # entries copied under a lock by a dump
    NAME_MAX = 127          # of a longer name the last labels are kept
    SECOND = 1000000000
    PEER_WAYS = 4           # peers in a set: a cache line
    CROWDS = 256            # hosts in a shard; another one takes the place of whoever has it
    CARRIED = 0x80          # of an entry's source: the name leads to one of a network's that carries others


cdef enum Kind:
    OWN = 1
    ANYONE
    SERVER
    CALLER
    ALIAS
    NETWORK
    PLACE


cdef struct Entry:          # three cache lines, the key and the times in the first
    uint8_t client[16]      # zero for ANYONE, SERVER and CALLER
    uint8_t server[16]      # ALIAS: a hash of the name; NETWORK: the rest is zero
    int64_t learnt
    int64_t expires         # 0: free
    int64_t shared          # another name for the key is valid until then
    uint16_t port
    uint16_t label
    uint8_t proto
    uint8_t kind
    uint8_t source          # flow/evidence.pxd, and CARRIED
    uint8_t n
    char name[128]          # NAME_MAX and a NUL


cdef struct Peer:           # of BitTorrent (peers.pyx)
    uint64_t tag            # 0: free
    int64_t seen            # ns: when last


cdef struct Crowd:          # how a host's unknown connections begin (peers.pyx)
    uint64_t tag            # 0: free
    int64_t since           # ns: the first
    int64_t seen            # ns: the last
    uint64_t fit            # a bit for each of the other hosts with which one began as it should …
    uint64_t unfit          # … and otherwise
    uint16_t least[2]       # bytes of what opened those that fit, and of the answer
    uint16_t most[2]


cdef struct Shard:
    pthread_mutex_t mutex
    uint32_t *tags          # [sets * WAYS] of the table's: hashes, 0 where the entry is free
    Entry *entries          # [sets * WAYS]
    Peer *peers             # [peer_sets * PEER_WAYS]
    Crowd *crowds           # [CROWDS]
    uint32_t count
    uint64_t evicted
    uint64_t learnt
    uint64_t found
    uint64_t missed
    uint8_t pad[64]         # two shards never share a cache line


cdef struct NameTable:
    Shard shards[SHARDS]
    uint32_t sets           # in each shard, a power of two
    uint32_t *tags          # [SHARDS * sets * WAYS]
    Entry *entries          # as many
    uint32_t peer_sets      # in each shard, a power of two
    Peer *peers             # [SHARDS * peer_sets * PEER_WAYS]: as many as names
    Crowd *crowds           # [SHARDS * CROWDS]
    uint64_t key[6]


cdef struct NameHit:
    char name[128]          # NUL-terminated
    uint16_t n
    uint16_t label          # of the app, 0 for none
    uint8_t source          # flow/evidence.pxd: how it was learnt
    uint8_t own             # this client's own lookup, rather than another's
    uint8_t carried         # the name leads to one of a network's that carries others
    uint8_t ambiguous       # another app, or an unknown name, had the address at the same time
    int64_t learnt          # ns: when last


cdef NameTable *names_new(uint32_t capacity) noexcept nogil
cdef void names_free(NameTable *t) noexcept nogil
cdef Entry *lookup(NameTable *t, Shard *shard, const Entry *key, bint make, int64_t now) noexcept nogil
cdef void put(NameTable *t, Shard *shard, const Entry *key, const char *name, uint16_t n, int64_t life,
              uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint take(NameTable *t, Shard *shard, const Entry *key, int64_t now, NameHit *out) noexcept nogil
cdef uint32_t copy_live(NameTable *t, uint32_t shard_at, uint32_t *at, int64_t now, Entry *to) noexcept nogil


cdef inline uint64_t word(const uint8_t *p) noexcept nogil:
    cdef uint64_t w
    memcpy(&w, p, 8)
    return w


cdef inline Shard *shard_of(NameTable *t, const uint8_t *server) noexcept nogil:
    """Folded twice: of neighbouring IPv4 addresses, whose first halves are alike, one multiplication by some keys makes
    a run of numbers whose low bits are alike, and that fills few of the shards."""
    cdef uint64_t h = fold(word(server) ^ t.key[0], word(server + 8) ^ t.key[1])
    return &t.shards[fold(h ^ t.key[2], t.key[3] | 1) % SHARDS]


cdef inline void key_of(Entry *e, Kind kind, const uint8_t *client, const uint8_t *server, uint16_t port,
                        uint8_t proto) noexcept nogil:
    """The key in an entry that is otherwise not filled."""
    if client != NULL:
        memcpy(e.client, client, 16)
    else:
        memset(e.client, 0, 16)
    memcpy(e.server, server, 16)
    e.port = port
    e.proto = proto
    e.kind = kind


cdef inline uint64_t hash_of(const NameTable *t, const Entry *e) noexcept nogil:
    """Keyed, so that nobody can choose addresses that fall into one set."""
    cdef uint64_t h = fold(word(e.client) ^ t.key[2], word(e.client + 8) ^ t.key[3])
    h = fold(h ^ word(e.server) ^ t.key[4], word(e.server + 8) ^ t.key[5])
    return fold(h ^ (<uint64_t>e.port << 16 | <uint64_t>e.proto << 8 | e.kind), t.key[2] | 1)


cdef inline void soon(NameTable *t, const Shard *shard, const Entry *key) noexcept nogil:
    """Has the memory brought nearer that lookup() of this key will want; needs no lock."""
    prefetch(&shard.tags[(<uint32_t>hash_of(t, key) & (t.sets - 1)) * WAYS])
