"""Which ends are BitTorrent's, and which hosts connect as it does: two tables beside that of names, as large as it and
as bounded, with its keys and its locks.

They are apart from it since a client of the DHT is told of more peers in a minute than its user looks up names in a
day, and these would push out what DNS taught.  A peer is 16 bytes here: a keyed hash and a time.

* an end that spoke BitTorrent in clear, or says that it is one: known to all for five minutes.
* an end that a client was told of, by a tracker, the DHT or a peer: known of this client's flows alone, since whoever
  answers may lie, for as long as clients keep to such a list: they ask the DHT again after a quarter of an hour.
* a crowd: how a host's connections of which nothing is known begin.  Message Stream Encryption sends a key of 96 bytes and up
  to 512 more, drawn anew each time, either way.  One connection that begins so may be anything.  A host most of whose
  unknown peers, and several at that, begin so, with lengths from all over that range, is hardly anything else: a tunnel has few
  servers, its first answers are of any length, obfs4 pads to 8 KiB, NTCP2 of I2P stays below 288 bytes.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from dpi.match.name_table cimport (
    CROWDS,
    PEER_WAYS,
    SECOND,
    Crowd,
    NameTable,
    Peer,
    Shard,
    shard_of,
    word,
)
from dpi.wire.bits cimport popcount
from dpi.wire.keyed cimport fold
from dpi.wire.mutex cimport pthread_mutex_lock, pthread_mutex_unlock


cdef enum:
    SPOKE_TTL = 300         # s
    TOLD_TTL = 900
    CROWD_TTL = 600         # without such a connection
    CROWD_AGE = 3600        # after which it is counted anew
    SEVERAL = 4             # other hosts
    MOST = 3                # of so many and one that are unknown all but one begin so
    MIDDLE = 352            # bytes: of 96 to 608
    APART = 128             # a quarter of that range: four lengths that are drawn are nearer together once in 20 times


cdef inline uint64_t tag_of(const NameTable *t, const uint8_t *client, const uint8_t *addr, uint16_t port) noexcept nogil:
    """A number for an end, of one client or of all (NULL); keyed, so that nobody can choose those that share one."""
    cdef uint64_t h = fold(word(addr) ^ t.key[4], word(addr + 8) ^ t.key[5])
    if client != NULL:
        h ^= fold(word(client) ^ t.key[2], word(client + 8) ^ t.key[3])
    return fold(h ^ port ^ t.key[0], t.key[1] | 1) | 1


cdef inline Peer *peers_of(const NameTable *t, const Shard *shard, uint64_t tag) noexcept nogil:
    """The places where an end may be."""
    return &shard.peers[(tag >> 32 & (t.peer_sets - 1)) * PEER_WAYS]


cdef void peers_learn(NameTable *t, const uint8_t *client, const uint8_t *addr, uint16_t port,
                      int64_t now) noexcept nogil:
    """An end is a peer: `client` was told so, or (NULL) it showed it itself."""
    cdef Shard *shard = shard_of(t, addr)
    cdef uint64_t tag = tag_of(t, client, addr, port)
    cdef Peer *place = peers_of(t, shard, tag)
    cdef Peer *oldest = place
    cdef uint32_t i
    pthread_mutex_lock(&shard.mutex)
    for i in range(PEER_WAYS):
        if place[i].tag == tag:
            oldest = &place[i]
            break
        if place[i].seen < oldest.seen:
            oldest = &place[i]
    oldest.tag = tag
    oldest.seen = now
    pthread_mutex_unlock(&shard.mutex)


cdef bint peers_find(NameTable *t, const uint8_t *client, const uint8_t *addr, uint16_t port, int64_t start,
                     int64_t last) noexcept nogil:
    """Whether an end was a peer while a flow went on, ns from `start` to `last`, or shortly before or after."""
    cdef Shard *shard = shard_of(t, addr)
    cdef uint64_t tag = tag_of(t, client, addr, port)
    cdef const Peer *place = peers_of(t, shard, tag)
    cdef int64_t about = <int64_t>SECOND * (SPOKE_TTL if client == NULL else TOLD_TTL)
    cdef bint found = False
    cdef uint32_t i
    pthread_mutex_lock(&shard.mutex)
    for i in range(PEER_WAYS):
        if place[i].tag == tag:
            found = start - about < place[i].seen < last + about
            break
    pthread_mutex_unlock(&shard.mutex)
    return found


cdef inline Crowd *crowd_of(const Shard *shard, uint64_t tag) noexcept nogil:
    return &shard.crowds[tag >> 32 & (CROWDS - 1)]


cdef inline uint64_t bit_of(const NameTable *t, const uint8_t *other) noexcept nogil:
    """Of 64 bits one for another host."""
    return <uint64_t>1 << (fold(word(other) ^ t.key[2], word(other + 8) ^ t.key[3]) & 63)


cdef void crowds_learn(NameTable *t, const uint8_t *host, const uint8_t *other, const uint16_t *sizes, bint fits,
                       int64_t now) noexcept nogil:
    """A connection of a host's, with another, that is like noise from its first byte on.

    sizes: bytes of what opened it and of the answer; fits: both are as Message Stream Encryption has them.
    """
    cdef Shard *shard = shard_of(t, host)
    cdef uint64_t tag = tag_of(t, NULL, host, 0)
    cdef Crowd *c = crowd_of(shard, tag)
    cdef int i
    pthread_mutex_lock(&shard.mutex)
    if c.tag != tag or now - c.seen > CROWD_TTL * <int64_t>SECOND or now - c.since > CROWD_AGE * <int64_t>SECOND:
        memset(c, 0, sizeof(Crowd))
        c.tag = tag
        c.since = now
    c.seen = now
    if fits:
        for i in range(2):
            c.least[i] = sizes[i] if c.fit == 0 else min(c.least[i], sizes[i])
            c.most[i] = max(c.most[i], sizes[i])
        c.fit |= bit_of(t, other)
    else:
        c.unfit |= bit_of(t, other)
    pthread_mutex_unlock(&shard.mutex)


cdef bint crowds_find(NameTable *t, const uint8_t *host, const uint8_t *other, int64_t start,
                      int64_t last) noexcept nogil:
    """Whether a host's connections, those with the other too, begin as Message Stream Encryption does, ns from `start` to
    `last` or shortly before or after."""
    cdef Shard *shard = shard_of(t, host)
    cdef uint64_t tag = tag_of(t, NULL, host, 0)
    cdef const Crowd *c = crowd_of(shard, tag)
    cdef int64_t about = CROWD_TTL * <int64_t>SECOND
    cdef bint found = False
    pthread_mutex_lock(&shard.mutex)
    if c.tag == tag and c.seen > start - about and c.since < last + about and not c.unfit & bit_of(t, other):
        found = (popcount(c.fit & ~c.unfit) >= SEVERAL and popcount(c.unfit) * MOST <= popcount(c.fit)
                 and c.most[0] >= MIDDLE and c.most[1] >= MIDDLE
                 and c.most[0] - c.least[0] >= APART and c.most[1] - c.least[1] >= APART)
    pthread_mutex_unlock(&shard.mutex)
    return found
