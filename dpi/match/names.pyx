"""Which name an address has, as DNS answers and other flows have told: what names a flow's first packet.

Four kinds of entry in one table (name_table.pyx):

* what *this* client asked: (client, server).  A flow that follows its own lookup is named by it.
* what anybody asked: (server).  Weaker, because a CDN's address has many names, but it covers clients whose own
  lookup passed before we ran, or elsewhere.
* what a server showed: (server, port, protocol), learnt from SNI, Host and certificates.  It names a connection
  whose ClientHello is encrypted or was not seen.
* which name an alias stands for: (client, alias).  Some resolvers ask again for the end of a chain of aliases alone
  once its addresses have expired; what was asked for at first stays the name.

More have an app and no name: nearby.pyx.

Lifetimes follow the packets' time, not the wall's, so that captures and the live loop behave alike.  Clients keep
an address longer than its TTL allows (connection pools, browsers' own caches), hence the floor of five minutes;
the ceiling of a day bounds what a wrong TTL can do.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

cimport cython

from dpi.match.name_table cimport (
    ALIAS,
    ANYONE,
    CALLER,
    CARRIED,
    CHUNK,
    NAME_MAX,
    NETWORK,
    OWN,
    PLACE,
    SECOND,
    SERVER,
    SHARDS,
    WAYS,
    Entry,
    NameHit,
    NameTable,
    Shard,
    copy_live,
    key_of,
    names_free,
    names_new,
    put,
    shard_of,
    soon,
    take,
)
from dpi.match.nearby cimport (
    callers_find,
    callers_learn,
    networks_find,
    networks_learn,
    places_find,
    places_learn,
)
from dpi.wire.mutex cimport pthread_mutex_lock, pthread_mutex_unlock


cdef enum:
    TTL_FLOOR = 300         # s
    TTL_CEILING = 86400
    SERVER_TTL = 3600       # how long a server is known by what it showed
    ALIAS_TTL = 3600        # and an alias is remembered at least


KINDS = {OWN: "client", ANYONE: "address", SERVER: "server", CALLER: "caller", NETWORK: "network", PLACE: "place"}


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

    Addresses are 16 bytes (wire/packet.pxd), ttl is in seconds, now in ns; source is a Method of flow/evidence.pxd, with
    CARRIED where the name leads to one of a network's that carries others.
    """
    cdef Shard *shard = shard_of(t, server)
    cdef Entry key
    cdef int64_t life = <int64_t>SECOND * (TTL_FLOOR if ttl < TTL_FLOOR else TTL_CEILING if ttl > TTL_CEILING else ttl)
    name = last_labels(name, &n)
    if client != NULL:
        key_of(&key, OWN, client, server, 0, 0)
        soon(t, shard, &key)
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
    put(t, shard, &key, name, n, SERVER_TTL * <int64_t>SECOND, label, now, source)
    pthread_mutex_unlock(&shard.mutex)


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
                        uint16_t n, uint32_t ttl, uint16_t label, int64_t now, uint8_t source) noexcept nogil:
    """A DNS answer told a client that a name leads to an alias, for ttl seconds."""
    cdef int64_t life = <int64_t>SECOND * (ALIAS_TTL if ttl < ALIAS_TTL else TTL_CEILING if ttl > TTL_CEILING else ttl)
    cdef Shard *shard
    cdef Entry key
    cdef uint8_t[16] hashed
    digest(alias, alias_n, hashed)
    shard = shard_of(t, hashed)
    name = last_labels(name, &n)
    key_of(&key, ALIAS, client, hashed, 0, 0)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, &key, name, n, life, label, now, source)
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


cdef void names_soon(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t port,
                     uint8_t proto) noexcept nogil:
    """Has the memory that names_find() and servers_find() will want brought nearer, without a lock."""
    cdef const Shard *shard = shard_of(t, server)
    cdef Entry key
    key_of(&key, OWN, client, server, 0, 0)
    soon(t, shard, &key)
    key_of(&key, ANYONE, NULL, server, 0, 0)
    soon(t, shard, &key)
    key_of(&key, SERVER, NULL, server, port, proto)
    soon(t, shard, &key)


cdef uint64_t[6] PI = [     # its fraction: a key that nobody has chosen
    0x243F6A8885A308D3ULL, 0x13198A2E03707344ULL, 0xA4093822299F31D0ULL,
    0x082EFA98EC4E6C89ULL, 0x452821E638D01377ULL, 0xBE5466CF34E90C6CULL,
]


@cython.final
cdef class Names:
    """A table of names, and its face for the control plane and tests.

    Addresses are 16 bytes, IPv4 mapped into IPv6; times are ns.  repeatable: when room is wanted, the same names give way
    in every run, so that a capture is always named alike; live traffic must not know which will.
    """

    def __cinit__(self, uint32_t capacity=131072, bint repeatable=False):
        cdef int i
        self.table = names_new(capacity)
        if self.table == NULL:
            raise MemoryError
        if repeatable:
            for i in range(6):
                self.table.key[i] = PI[i]

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

    def learn_network(self, client: bytes, server: bytes, label: int, now: int) -> None:
        """A client found an app (0: none that is known) at an address."""
        networks_learn(self.table, address(client), address(server), label, now)

    def find_network(self, client: bytes, server: bytes, now: int) -> int:
        """The one app that this client found beside an address lately, 0 for none, or for several."""
        return networks_find(self.table, address(client), address(server), now)

    def learn_place(self, client: bytes, server: bytes, label: int, now: int) -> None:
        """A client found an app at an address that no name told."""
        places_learn(self.table, address(client), address(server), label, now)

    def find_place(self, client: bytes, server: bytes, now: int) -> int:
        """The one app that this client found so at an address lately, 0 for none, or for several."""
        return places_find(self.table, address(client), address(server), now)

    def entries(self, now: int):
        """Yields every live entry of an address as a dict: kind (client, address, server, caller, network, place), client,
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
                    if some[i].kind not in KINDS:
                        continue
                    chunk.append({
                        "kind": KINDS[some[i].kind],
                        "client": (<char *>some[i].client)[:16] if some[i].kind in (OWN, NETWORK, PLACE) else None,
                        "server": (<char *>some[i].server)[:16],
                        "port": some[i].port,
                        "proto": some[i].proto,
                        "name": some[i].name[:some[i].n].decode("ascii", "replace"),
                        "label": some[i].label,
                        "source": some[i].source & ~<uint8_t>CARRIED,
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
