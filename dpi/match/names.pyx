"""Which name an address has, as DNS answers and other flows have told: what names a flow's first packet.

Six kinds of entry share a table:

* what *this* client asked: (client, server).  A flow that follows its own lookup is named by it.
* what anybody asked: (server).  Weaker, because a CDN's address has many names, but it covers clients whose own
  lookup passed before we ran, or elsewhere.
* what a server showed: (server, port, protocol), learnt from SNI, Host and certificates.  It names a connection
  whose ClientHello is encrypted or was not seen.
* which app called from an end: (client, port, protocol).  A call tries its peers and relays from one socket (ICE,
  RFC 8445, 5.1.1), so one of them that is known names the others.
* which name an alias stands for: (client, alias).  Some resolvers ask again for the end of a chain of aliases alone
  once its addresses have expired; what was asked for at first stays the name.
* what a client found beside an address: (client, network), a /24 or a /64.  Small services keep their servers together.

A shared address is not hidden, it is told: an entry remembers until when another app's name for the same key
would have been valid, and says `ambiguous` that long, so that the confidence can be lowered.

Lifetimes follow the packets' time, not the wall's, so that captures and the live loop behave alike.  Clients keep
an address longer than its TTL allows (connection pools, browsers' own caches), hence the floor of five minutes;
the ceiling of a day bounds what a wrong TTL can do.

All threads share the table: 16 shards, each with a mutex that is held for one lookup.  A
shard is chosen by the server's address alone, so that the first two kinds are looked up under one lock.  Inside,
a set of sixteen entries is chosen by a keyed hash; a new entry takes the place of one that has expired, else of the
oldest in its set.  So memory is fixed, no operation takes longer than another, and nothing is ever rehashed; the
price is that a set may be full before the table is, which with sixteen happens to two entries in a hundred while
the table is filled to three quarters (tests/unit/test_names.py).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy, memset

cimport cython

from dpi.wire.pages cimport map_pages, unmap_pages


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)


cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void *to, size_t n, unsigned int flags)


cdef extern from *:
    """
    #include <stdint.h>
    static inline uint64_t dpi_fold(uint64_t a, uint64_t b) {
        unsigned __int128 r = (unsigned __int128)a * b;
        return (uint64_t)r ^ (uint64_t)(r >> 64);
    }
    """
    uint64_t fold "dpi_fold"(uint64_t a, uint64_t b) noexcept nogil


cdef enum:
    SHARDS = 16
    WAYS = 16               # entries in a set: their tags fill a cache line
    TTL_FLOOR = 300         # s
    TTL_CEILING = 86400
    SERVER_TTL = 3600       # how long a server is known by what it showed
    CALLER_TTL = 300        # and an end of a call, before and after
    ALIAS_TTL = 3600        # how long an alias is remembered
    NEIGHBOUR_TTL = 600     # and what a network is to a client
    CHUNK = 64              # entries copied under a lock by a dump


cdef enum Kind:
    OWN = 1
    ANYONE
    SERVER
    CALLER
    ALIAS
    NETWORK

KINDS = {OWN: "client", ANYONE: "address", SERVER: "server", CALLER: "caller", NETWORK: "network"}

cdef int64_t SECOND = 1_000_000_000


cdef struct Entry:          # three cache lines, the key and the times in the first
    uint8_t client[16]      # zero but for OWN, ALIAS and NETWORK
    uint8_t server[16]      # ALIAS: a hash of the name; NETWORK: the rest is zero
    int64_t learnt
    int64_t expires         # 0: free
    int64_t shared          # another name for the key is valid until then
    uint16_t port
    uint16_t label
    uint8_t proto
    uint8_t kind
    uint8_t source
    uint8_t n
    char name[128]          # NAME_MAX and a NUL


cdef struct Shard:
    pthread_mutex_t mutex
    uint32_t *tags          # [sets * WAYS] of the table's: hashes, 0 where the entry is free
    Entry *entries          # [sets * WAYS]
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
    uint64_t key[6]


cdef NameTable *names_new(uint32_t capacity) noexcept nogil:
    """A table for this many entries (rounded up to what its shape allows), NULL where there is no memory.

    Memory is touched as it fills: 196 bytes an entry, in pages as large as the kernel gives.
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
    if t.tags == NULL or t.entries == NULL:
        names_free(t)
        return NULL
    for i in range(SHARDS):
        t.shards[i].tags = t.tags + i * n
        t.shards[i].entries = t.entries + i * n
    if getrandom(t.key, sizeof(t.key), 0) != sizeof(t.key):
        names_free(t)
        return NULL
    return t


cdef void names_free(NameTable *t) noexcept nogil:
    cdef int i
    if t == NULL:
        return
    unmap_pages(t.tags, <size_t>t.sets * SHARDS * WAYS * sizeof(uint32_t))
    unmap_pages(t.entries, <size_t>t.sets * SHARDS * WAYS * sizeof(Entry))
    for i in range(SHARDS):
        pthread_mutex_destroy(&t.shards[i].mutex)
    free(t)


cdef inline uint64_t word(const uint8_t *p) noexcept nogil:
    cdef uint64_t w
    memcpy(&w, p, 8)
    return w


cdef inline Shard *shard_of(NameTable *t, const uint8_t *server) noexcept nogil:
    return &t.shards[fold(word(server) ^ t.key[0], word(server + 8) ^ t.key[1]) % SHARDS]


cdef inline uint64_t hash_of(const NameTable *t, const Entry *e) noexcept nogil:
    """Keyed, so that nobody can choose addresses that fall into one set."""
    cdef uint64_t h = fold(word(e.client) ^ t.key[2], word(e.client + 8) ^ t.key[3])
    h = fold(h ^ word(e.server) ^ t.key[4], word(e.server + 8) ^ t.key[5])
    return fold(h ^ (<uint64_t>e.port << 16 | <uint64_t>e.proto << 8 | e.kind), t.key[2] | 1)


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


cdef inline const char *last_labels(const char *name, uint16_t *n) noexcept nogil:
    """What of a name is kept: all of it, or the last labels that fit."""
    cdef const char *cut = name
    cdef const char *end = name + n[0]
    while end - cut > NAME_MAX:
        cut = <const char *>memchr(cut, b".", end - cut)
        if cut == NULL or end - cut == 1:
            cut = end - NAME_MAX
            break
        cut += 1
    n[0] = <uint16_t>(end - cut)
    return cut


cdef void names_learn(NameTable *t, const uint8_t *client, const uint8_t *server, const char *name, uint16_t n,
                      uint32_t ttl, uint16_t label, int64_t now, uint8_t source) noexcept nogil:
    """A DNS answer: `client` (NULL: not known) was told that `name` is at `server`.

    Addresses are 16 bytes (wire/packet.pxd), ttl is in seconds, now in ns; source is a Method of match/evidence.pxd.
    """
    cdef Shard *shard = shard_of(t, server)
    cdef Entry key
    cdef int64_t life = SECOND * (TTL_FLOOR if ttl < TTL_FLOOR else TTL_CEILING if ttl > TTL_CEILING else ttl)
    name = last_labels(name, &n)
    pthread_mutex_lock(&shard.mutex)
    key_of(&key, ANYONE, NULL, server, 0, 0)
    put(t, shard, &key, name, n, life, label, now, source)
    if client != NULL:
        key_of(&key, OWN, client, server, 0, 0)
        put(t, shard, &key, name, n, life, label, now, source)
    pthread_mutex_unlock(&shard.mutex)


cdef void servers_learn(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, const char *name,
                        uint16_t n, uint16_t label, int64_t now, uint8_t source) noexcept nogil:
    """A server showed a name: in SNI, a Host header, a certificate."""
    cdef Shard *shard = shard_of(t, server)
    cdef Entry key
    name = last_labels(name, &n)
    key_of(&key, SERVER, NULL, server, port, proto)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, &key, name, n, SERVER_TTL * SECOND, label, now, source)
    pthread_mutex_unlock(&shard.mutex)


cdef void callers_learn(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, uint16_t label,
                        int64_t now) noexcept nogil:
    """An app's call was seen from this end."""
    cdef Shard *shard = shard_of(t, addr)
    cdef Entry key
    key_of(&key, CALLER, NULL, addr, port, proto)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, &key, b"", 0, CALLER_TTL * SECOND, label, now, 0)
    pthread_mutex_unlock(&shard.mutex)


cdef uint16_t callers_find(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, int64_t now) noexcept nogil:
    """The app that called from this end at about that time, 0 for none, or for several."""
    cdef Shard *shard = shard_of(t, addr)
    cdef const Entry *e
    cdef Entry key
    cdef uint16_t label = 0
    key_of(&key, CALLER, NULL, addr, port, proto)
    pthread_mutex_lock(&shard.mutex)
    e = lookup(t, shard, &key, False, now)
    if e != NULL and e.expires > now and e.shared <= now and e.learnt < now + CALLER_TTL * SECOND:
        label = e.label
    pthread_mutex_unlock(&shard.mutex)
    return label


cdef inline void digest(const char *name, uint16_t n, uint8_t *out) noexcept nogil:
    """A name as 16 bytes: FNV-1a from two starts."""
    cdef uint64_t[2] h
    cdef uint16_t i
    h[0], h[1] = 0xCBF29CE484222325ULL, 0x84222325CBF29CE4ULL
    for i in range(n):
        h[0] = (h[0] ^ <uint8_t>name[i]) * <uint64_t>0x100000001B3ULL
        h[1] = (h[1] ^ <uint8_t>name[i]) * <uint64_t>0x100000001B3ULL ^ h[1] >> 29
    memcpy(out, h, 16)


cdef void aliases_learn(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, const char *name,
                        uint16_t n, uint16_t label, int64_t now, uint8_t source) noexcept nogil:
    """A DNS answer told a client that a name leads to an alias."""
    cdef Shard *shard
    cdef Entry key
    cdef uint8_t[16] hashed
    digest(alias, alias_n, hashed)
    shard = shard_of(t, hashed)
    name = last_labels(name, &n)
    key_of(&key, ALIAS, client, hashed, 0, 0)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, &key, name, n, ALIAS_TTL * SECOND, label, now, source)
    pthread_mutex_unlock(&shard.mutex)


cdef bint aliases_find(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, int64_t now,
                       NameHit *out) noexcept nogil:
    """The name by which this client came to an alias; not where names of several apps lead to it."""
    cdef Shard *shard
    cdef Entry key
    cdef uint8_t[16] hashed
    cdef bint found
    digest(alias, alias_n, hashed)
    shard = shard_of(t, hashed)
    key_of(&key, ALIAS, client, hashed, 0, 0)
    pthread_mutex_lock(&shard.mutex)
    found = take(t, shard, &key, now, out)
    pthread_mutex_unlock(&shard.mutex)
    return found and not out.ambiguous


cdef inline void network_of(const uint8_t *addr, uint8_t *out) noexcept nogil:
    """The /24 or /64 that an address is in."""
    cdef int kept = 15 if word(addr) == 0 and addr[10] == 0xFF and addr[11] == 0xFF else 8
    memset(out, 0, 16)
    memcpy(out, addr, kept)


cdef void networks_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                         int64_t now) noexcept nogil:
    """A client found an app (0: none that is known) at an address."""
    cdef Shard *shard
    cdef Entry key
    cdef uint8_t[16] network
    network_of(server, network)
    shard = shard_of(t, network)
    key_of(&key, NETWORK, client, network, 0, 0)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, &key, b"", 0, NEIGHBOUR_TTL * SECOND, label, now, 0)
    pthread_mutex_unlock(&shard.mutex)


cdef uint16_t networks_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil:
    """The one app that this client found beside an address lately, 0 for none, or for several."""
    cdef Shard *shard
    cdef const Entry *e
    cdef Entry key
    cdef uint8_t[16] network
    cdef uint16_t label = 0
    network_of(server, network)
    shard = shard_of(t, network)
    key_of(&key, NETWORK, client, network, 0, 0)
    pthread_mutex_lock(&shard.mutex)
    e = lookup(t, shard, &key, False, now)
    if e != NULL and e.expires > now and e.shared <= now:
        label = e.label
    pthread_mutex_unlock(&shard.mutex)
    return label


cdef bint take(NameTable *t, Shard *shard, const Entry *key, int64_t now, NameHit *out) noexcept nogil:
    cdef const Entry *e = lookup(t, shard, key, False, now)
    if e == NULL or e.expires <= now:
        return False
    memcpy(out.name, e.name, e.n + 1)
    out.n = e.n
    out.label = e.label
    out.source = e.source
    out.own = e.kind == OWN
    out.ambiguous = e.shared > now
    out.learnt = e.learnt
    return True


cdef bint names_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now,
                     NameHit *out) noexcept nogil:
    """The name by which this client (NULL: nobody) knows a server, else by which anybody does."""
    cdef Shard *shard = shard_of(t, server)
    cdef Entry key
    cdef bint found = False
    pthread_mutex_lock(&shard.mutex)
    if client != NULL:
        key_of(&key, OWN, client, server, 0, 0)
        found = take(t, shard, &key, now, out)
    if not found:
        key_of(&key, ANYONE, NULL, server, 0, 0)
        found = take(t, shard, &key, now, out)
    shard.found += found
    shard.missed += not found
    pthread_mutex_unlock(&shard.mutex)
    return found


cdef bint servers_find(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, int64_t now,
                       NameHit *out) noexcept nogil:
    """The name that a server showed last at this port of this protocol (IP protocol number)."""
    cdef Shard *shard = shard_of(t, server)
    cdef Entry key
    cdef bint found
    key_of(&key, SERVER, NULL, server, port, proto)
    pthread_mutex_lock(&shard.mutex)
    found = take(t, shard, &key, now, out)
    shard.found += found
    shard.missed += not found
    pthread_mutex_unlock(&shard.mutex)
    return found


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


@cython.final
cdef class Names:
    """A table of names, and its face for the control plane and tests.

    Addresses are 16 bytes, IPv4 mapped into IPv6; times are ns.
    """

    def __cinit__(self, uint32_t capacity=131072):
        self.table = names_new(capacity)
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        names_free(self.table)

    def learn(self, client: bytes | None, server: bytes, name: str, ttl: int, label: int, now: int,
              source: int) -> None:
        """A DNS answer told `client` that `name` is at `server`."""
        cdef bytes text = name.encode()
        cdef const uint8_t *who = address(client) if client is not None else NULL
        cdef const uint8_t *whom = address(server)
        cdef const char *data = text
        cdef uint16_t n = len(text)
        cdef uint32_t seconds = ttl
        cdef uint16_t app = label
        cdef int64_t time = now
        cdef uint8_t method = source
        with nogil:
            names_learn(self.table, who, whom, data, n, seconds, app, time, method)

    def find(self, client: bytes | None, server: bytes, now: int) -> dict | None:
        """What names_find() finds: {name, label, source, own, ambiguous, learnt}."""
        cdef NameHit hit
        cdef const uint8_t *who = address(client) if client is not None else NULL
        cdef const uint8_t *whom = address(server)
        cdef int64_t time = now
        cdef bint found
        with nogil:
            found = names_find(self.table, who, whom, time, &hit)
        return as_dict(&hit) if found else None

    def learn_server(self, server: bytes, port: int, proto: int, name: str, label: int, now: int,
                     source: int) -> None:
        """A server showed a name."""
        cdef bytes text = name.encode()
        servers_learn(self.table, address(server), port, proto, text, len(text), label, now, source)

    def find_server(self, server: bytes, port: int, proto: int, now: int) -> dict | None:
        """What servers_find() finds, like find()."""
        cdef NameHit hit
        return as_dict(&hit) if servers_find(self.table, address(server), port, proto, now, &hit) else None

    def learn_caller(self, address_: bytes, port: int, proto: int, label: int, now: int) -> None:
        """An app's call was seen from this end."""
        callers_learn(self.table, address(address_), port, proto, label, now)

    def find_caller(self, address_: bytes, port: int, proto: int, now: int) -> int:
        """The app that called from this end at about that time, 0 for none."""
        return callers_find(self.table, address(address_), port, proto, now)

    def learn_alias(self, client: bytes, alias: str, name: str, label: int, now: int, source: int) -> None:
        """A DNS answer told a client that a name leads to an alias."""
        cdef bytes end = alias.encode(), text = name.encode()
        aliases_learn(self.table, address(client), end, len(end), text, len(text), label, now, source)

    def find_alias(self, client: bytes, alias: str, now: int) -> dict | None:
        """What aliases_find() finds, like find()."""
        cdef bytes end = alias.encode()
        cdef NameHit hit
        return as_dict(&hit) if aliases_find(self.table, address(client), end, len(end), now, &hit) else None

    def learn_network(self, client: bytes, server: bytes, label: int, now: int) -> None:
        """A client found an app (0: none that is known) at an address."""
        networks_learn(self.table, address(client), address(server), label, now)

    def find_network(self, client: bytes, server: bytes, now: int) -> int:
        """The one app that this client found beside an address lately, 0 for none, or for several."""
        return networks_find(self.table, address(client), address(server), now)

    def entries(self, now: int):
        """Yields every live entry of an address as a dict: kind (client, address, server, caller, network), client,
        server, port, proto, name, label, source, learnt, expires, ambiguous.  No lock is held for more than 64 entries, nor between them."""
        cdef Entry[CHUNK] some
        cdef uint32_t shard, at, n, i
        cdef int64_t time = now
        for shard in range(SHARDS):
            at = 0
            while at < self.table.sets * WAYS:
                with nogil:
                    n = copy_live(self.table, shard, &at, time, some)
                chunk = []
                for i in range(n):
                    if some[i].kind == ALIAS:
                        continue
                    chunk.append({
                        "kind": KINDS[some[i].kind],
                        "client": (<char *>some[i].client)[:16] if some[i].kind in (OWN, NETWORK) else None,
                        "server": (<char *>some[i].server)[:16],
                        "port": some[i].port,
                        "proto": some[i].proto,
                        "name": some[i].name[:some[i].n].decode("ascii", "replace"),
                        "label": some[i].label,
                        "source": some[i].source,
                        "learnt": some[i].learnt,
                        "expires": some[i].expires,
                        "ambiguous": some[i].shared > time,
                    })
                yield from chunk

    @property
    def capacity(self) -> int:
        return self.table.sets * WAYS * SHARDS

    def counters(self) -> dict[str, int]:
        """entries (live or not), learnt, found, missed, evicted: since the start, of all shards."""
        total = dict.fromkeys(("entries", "learnt", "found", "missed", "evicted"), 0)
        cdef Shard *s
        for i in range(SHARDS):
            s = &self.table.shards[i]
            pthread_mutex_lock(&s.mutex)
            counts = (s.count, s.learnt, s.found, s.missed, s.evicted)
            pthread_mutex_unlock(&s.mutex)
            for name, count in zip(total, counts, strict=True):
                total[name] += count
        return total


cdef const uint8_t *address(data) except NULL:
    if len(data) != 16:
        raise ValueError("an address has 16 bytes")
    return <const uint8_t *><bytes>data


cdef dict as_dict(const NameHit *hit):
    return {
        "name": hit.name[:hit.n].decode("ascii", "replace"),
        "label": hit.label,
        "source": hit.source,
        "own": bool(hit.own),
        "ambiguous": bool(hit.ambiguous),
        "learnt": hit.learnt,
    }
