"""Whom BitTorrent's messages call a peer, and where their senders say that they are one themselves.

Peers are told of by trackers (BEP 3, 7, 15 and 23), by the DHT (BEP 5, 32) and by other peers (BEP 11); a client tells its
own port to all of these, to peers (BEP 10) and to its network (BEP 14).  A peer is 4 or 16 bytes of address and a port.

Of a list that goes on in the next packet the first part is taken.  The messages are known to be BitTorrent's: this only
looks for the few keys that count, wherever they stand, so it neither needs nor checks the bencoding around them.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset, strlen

from dpi.flow.flow cimport SYSTEM_PORTS
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, be16, left, over, skip, take, u8, u32
from dpi.wire.memmem cimport memmem


cdef enum:
    V4 = 6                  # bytes of a peer
    V6 = 18
    ANNOUNCE = 1            # BEP 15: the action
    ANNOUNCE_SIZE = 98      # bytes of a request
    ANSWER_HEAD = 20        # of its answer, before the peers


cdef Cursor behind(const uint8_t *data, uint32_t n, const char *key) noexcept nogil:
    """What follows the first `key`; dead where there is none."""
    cdef const uint8_t *at = <const uint8_t *>memmem(data, n, key, strlen(key))
    if at == NULL:
        return over(NULL, 0)
    at += strlen(key)
    return over(at, data + n - at)


cdef uint32_t number(Cursor *c) noexcept nogil:
    """Up to five digits and whatever ends them, of which the caller knows that it is there; 0 for none, or for more."""
    cdef uint32_t value = 0
    cdef uint32_t digit
    cdef int _
    for _ in range(6):
        digit = <uint32_t>u8(c) - c'0'
        if digit > 9:
            return value
        value = value * 10 + digit
    return 0


cdef uint16_t port_behind(const uint8_t *data, uint32_t n, const char *key) noexcept nogil:
    """The number that follows a key, where it may be a peer's port; 0 otherwise."""
    cdef Cursor c = behind(data, n, key)
    cdef uint32_t value = number(&c)
    return <uint16_t>value if alive(&c) and SYSTEM_PORTS <= value <= 65535 else 0


cdef void add(const uint8_t *peer, uint32_t size, PeerList *out) noexcept nogil:
    cdef uint16_t port = be16(peer + size - 2)
    if out.n == LIST_MAX or port < SYSTEM_PORTS:
        return
    if size == V4:
        memset(out.addresses[out.n], 0, 10)
        memset(&out.addresses[out.n][10], 0xFF, 2)
        memcpy(&out.addresses[out.n][12], peer, 4)
    else:
        memcpy(out.addresses[out.n], peer, 16)
    out.ports[out.n] = port
    out.n += 1


cdef void run(Cursor *c, uint32_t size, uint32_t octets, PeerList *out) noexcept nogil:
    """Peers one behind the other in so many bytes, as far as these are here."""
    while octets >= size and left(c) >= size and out.n < LIST_MAX:
        add(take(c, size), size, out)
        octets -= size


cdef void compact(const uint8_t *data, uint32_t n, const char *key, uint32_t size, PeerList *out) noexcept nogil:
    """BEP 23, 7, 11: a key whose value is one string of peers."""
    cdef Cursor c = behind(data, n, key)
    cdef uint32_t octets = number(&c)
    if octets % size == 0:
        run(&c, size, octets, out)


cdef void values(const uint8_t *data, uint32_t n, PeerList *out) noexcept nogil:
    """BEP 5: a list of strings, each of them a peer."""
    cdef Cursor c = behind(data, n, b"6:valuesl")
    cdef uint32_t size = number(&c)
    while (size == V4 or size == V6) and left(&c) >= size and out.n < LIST_MAX:
        add(take(&c, size), size, out)
        size = number(&c)


cdef void peer_list(const uint8_t *data, uint32_t n, bint v6, PeerList *out) noexcept nogil:
    """Of a packet's payload; v6: it came over IPv6, as do then the peers of a tracker over UDP."""
    cdef Cursor c = over(data, n)
    cdef uint32_t first = u32(&c)
    out.n = out.listens = 0
    if not alive(&c):
        return
    if first == ANNOUNCE and n >= ANSWER_HEAD:
        skip(&c, ANSWER_HEAD - 4)
        run(&c, V6 if v6 else V4, n - ANSWER_HEAD, out)
    elif n >= ANNOUNCE_SIZE and data[8] == 0 and data[9] == 0 and data[10] == 0 and data[11] == ANNOUNCE:
        out.listens = be16(data + ANNOUNCE_SIZE - 2)
        if out.listens < SYSTEM_PORTS:
            out.listens = 0
    elif data[0] == c'G':
        out.listens = port_behind(data, n, b"&port=")
    elif data[0] == c'B':
        out.listens = port_behind(data, n, b"\nPort: ")
    else:
        if memmem(data, n, b"13:announce_peer", 16) != NULL:
            out.listens = port_behind(data, n, b"4:porti")
        elif data[0] != c'd':               # not the DHT's: a peer's
            out.listens = port_behind(data, n, b"1:pi")
        compact(data, n, b"5:peers", V4, out)
        compact(data, n, b"6:peers6", V6, out)
        compact(data, n, b"5:added", V4, out)
        compact(data, n, b"6:added6", V6, out)
        values(data, n, out)


def peers_in(bytes data, v6=False):
    """(the port that the sender listens at or 0, [(address of 16 bytes, port)]) that a message tells of."""
    cdef PeerList found
    cdef uint8_t *block = block_of(data)
    peer_list(block, <uint32_t>len(data), v6, &found)
    free(block)
    return found.listens, [((<char *>found.addresses[i])[:16], found.ports[i]) for i in range(found.n)]
