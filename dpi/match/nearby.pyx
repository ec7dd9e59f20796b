"""Which app was seen near by, where no name tells it: kinds of entry in the table of names that have an app alone.

* which app called from an end: (client, port, protocol).  A call tries its peers and relays from one socket (ICE,
  RFC 8445, 5.1.1), so one of them that is known names the others.
* what a client found beside an address: (client, network), a /24 or a /64.  Small services keep their servers together.
* what a client found at an address itself: (client, address).  A rented machine has one customer.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memcpy, memset

from dpi.match.name_table cimport (
    CALLER,
    NETWORK,
    PLACE,
    SECOND,
    Entry,
    NameTable,
    Shard,
    key_of,
    lookup,
    put,
    shard_of,
    word,
)
from dpi.wire.mutex cimport pthread_mutex_lock, pthread_mutex_unlock


cdef enum:
    CALLER_TTL = 300        # s: how long an end of a call is known, before and after
    NEIGHBOUR_TTL = 600     # and what a network or an address is to a client


cdef void learn(NameTable *t, const Entry *key, uint16_t label, int64_t seconds, int64_t now) noexcept nogil:
    cdef Shard *shard = shard_of(t, key.server)
    pthread_mutex_lock(&shard.mutex)
    put(t, shard, key, b"", 0, seconds * SECOND, label, now, 0)
    pthread_mutex_unlock(&shard.mutex)


cdef uint16_t recall(NameTable *t, const Entry *key, int64_t before, int64_t now) noexcept nogil:
    """The one app of a key, 0 for none or for several; learnt `before` ns after now at the latest."""
    cdef Shard *shard = shard_of(t, key.server)
    cdef const Entry *e
    cdef uint16_t label = 0
    pthread_mutex_lock(&shard.mutex)
    e = lookup(t, shard, key, False, now)
    if e != NULL and e.expires > now and e.shared <= now and e.learnt <= now + before:
        label = e.label
    pthread_mutex_unlock(&shard.mutex)
    return label


cdef void callers_learn(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, uint16_t label,
                        int64_t now) noexcept nogil:
    """An app's call was seen from this end."""
    cdef Entry key
    key_of(&key, CALLER, NULL, addr, port, proto)
    learn(t, &key, label, CALLER_TTL, now)


cdef uint16_t callers_find(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, int64_t now) noexcept nogil:
    """The app that called from this end at about that time, 0 for none, or for several."""
    cdef Entry key
    key_of(&key, CALLER, NULL, addr, port, proto)
    return recall(t, &key, CALLER_TTL * <int64_t>SECOND - 1, now)


cdef inline void network_of(const uint8_t *addr, uint8_t *out) noexcept nogil:
    """The /24 or /64 that an address is in."""
    cdef int kept = 15 if word(addr) == 0 and addr[10] == 0xFF and addr[11] == 0xFF else 8
    memset(out, 0, 16)
    memcpy(out, addr, kept)


cdef void networks_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                         int64_t now) noexcept nogil:
    """A client found an app (0: none that is known) at an address."""
    cdef Entry key
    cdef uint8_t[16] network
    network_of(server, network)
    key_of(&key, NETWORK, client, network, 0, 0)
    learn(t, &key, label, NEIGHBOUR_TTL, now)


cdef uint16_t networks_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil:
    """The one app that this client found beside an address lately, 0 for none, or for several."""
    cdef Entry key
    cdef uint8_t[16] network
    network_of(server, network)
    key_of(&key, NETWORK, client, network, 0, 0)
    return recall(t, &key, NEIGHBOUR_TTL * <int64_t>SECOND, now)


cdef void places_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                       int64_t now) noexcept nogil:
    """A client found an app at an address that no name told."""
    cdef Entry key
    key_of(&key, PLACE, client, server, 0, 0)
    learn(t, &key, label, NEIGHBOUR_TTL, now)


cdef uint16_t places_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil:
    """The one app that this client found so at an address lately, 0 for none, or for several."""
    cdef Entry key
    key_of(&key, PLACE, client, server, 0, 0)
    return recall(t, &key, NEIGHBOUR_TTL * <int64_t>SECOND, now)
