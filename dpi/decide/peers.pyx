"""Peers of BitTorrent: what is encrypted from its first byte on is told by what else is known of its ends.

Message Stream Encryption begins with a key and padding that look like noise, as do other protocols, so bytes tell nothing.
What tells more, the surest first (match/peers.pyx keeps it):

* A client has one port for all that it is asked: DHT (BEP 5) and uTP (BEP 29) in clear over UDP, connections over TCP; and
  it tells this port to trackers, to the DHT and to peers.
* A client connects to whom it was told of: by a tracker's answer, the DHT's, or another peer.
* Most of what a host begins with several others begins as this encryption does.

All of it names flows alone that nobody else knows: no app, no name of the address's, no format, no service's port.
"""

from libc.stdint cimport uint16_t, uint32_t

from dpi.decide.labels cimport categorise
from dpi.decide.shard cimport Shard
from dpi.dissect.obfuscated cimport key_sized
from dpi.dissect.peer_lists cimport PeerList, peer_list
from dpi.dissect.protocols cimport P_BITTORRENT
from dpi.flow.evidence cimport (
    BY_BEHAVIOUR, BY_KNOWN_SERVER, BY_NEIGHBOUR, BY_NOTHING, BY_PORT, BY_PREFIX, BY_SIGNATURE, Label, confidence_of,
    improve,
)
from dpi.flow.flow cimport FLOW_SYN_SEEN, NONE, SYSTEM_PORTS, Flow, opener
from dpi.match.peers cimport crowds_find, crowds_learn, peers_find, peers_learn
from dpi.wire.packet cimport IP_TCP, IP_UDP, Packet, is_multicast


cdef enum:
    FOLLOWED = 16           # packets that lists of peers are looked for in, after the flow's name
    FITS = 1                # Flow.odd: it begins as Message Stream Encryption does


cdef inline bint is_bittorrent(const Label *label) noexcept nogil:
    return label.id == P_BITTORRENT and label.method == BY_SIGNATURE


cdef bint unknown(const Flow *f) noexcept nogil:
    """Whether nobody knows what this is, and neither end is a service."""
    return (f.app.id == 0 and f.host == NONE and (f.payloads[0] or f.payloads[1])
            and (f.protocol.method == BY_NOTHING or f.protocol.method == BY_PORT)
            and f.port[0] >= SYSTEM_PORTS and f.port[1] >= SYSTEM_PORTS)


cdef void crowd_learn(Shard *s, Flow *f) noexcept nogil:
    """How an unknown connection has begun, where it was answered and its opener's first words are noise.

    In Message Stream Encryption the opener has sent more before the answer goes on.
    """
    cdef int client = opener(f)
    cdef uint16_t sizes[2]
    cdef bint fits
    cdef int side
    if f.work == NONE or f.proto != IP_TCP or f.payloads[1 - client] == 0:
        return
    sizes[0] = s.inspector.works[f.work].noise[client]
    sizes[1] = s.inspector.works[f.work].noise[1 - client]
    if sizes[0] == 0:
        return
    fits = key_sized(sizes[0]) and key_sized(sizes[1]) and f.payloads[client] > 1
    f.odd = FITS if fits else 0
    for side in range(2):
        crowds_learn(s.names, f.addr[side], f.addr[1 - side], sizes, fits, f.last)


cdef void name_peer(Shard *s, Flow *f) noexcept nogil:
    cdef int side
    for side in range(2):               # of a flow that is joined later, whose port is the peer's is not known
        if peers_find(s.names, NULL, f.addr[side], f.port[side], f.start, f.last):
            improve(&f.protocol, P_BITTORRENT, BY_KNOWN_SERVER, confidence_of(BY_KNOWN_SERVER))
        elif peers_find(s.names, f.addr[1 - side], f.addr[side], f.port[side], f.start, f.last):
            improve(&f.protocol, P_BITTORRENT, BY_KNOWN_SERVER, confidence_of(BY_PREFIX))
        elif f.odd == FITS and f.proto == IP_TCP and crowds_find(s.names, f.addr[side], f.addr[1 - side], f.start, f.last):
            improve(&f.protocol, P_BITTORRENT, BY_BEHAVIOUR, confidence_of(BY_NEIGHBOUR))


cdef void peer_settle(Shard *s, Flow *f) noexcept nogil:
    """Remembers where BitTorrent is spoken, and names what is unknown there."""
    cdef int server = 1 - opener(f)
    cdef bint any_end = f.proto == IP_UDP or not f.flags & (FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1)
    cdef int side
    if s.names == NULL or f.proto != IP_TCP and f.proto != IP_UDP:
        return
    if is_bittorrent(&f.protocol):
        for side in range(2):
            if f.port[side] >= SYSTEM_PORTS and (any_end or side == server):      # of TCP's client it is any
                peers_learn(s.names, NULL, f.addr[side], f.port[side], f.last)
    elif unknown(f):
        crowd_learn(s, f)
        name_peer(s, f)


cdef void peer_again(Shard *s, Flow *f) noexcept nogil:
    """What was learnt since: for its record, since its end has come."""
    if s.names != NULL and (f.proto == IP_TCP or f.proto == IP_UDP) and unknown(f):
        name_peer(s, f)
        categorise(s, f)


cdef bint peers_awaited(const Shard *s, const Flow *f) noexcept nogil:
    """Whether a decided flow may yet tell of peers."""
    return s.names != NULL and (is_bittorrent(&f.protocol) or is_bittorrent(&f.app)) and (
        f.packets[0] + f.packets[1] < f.decided_at + <uint32_t>FOLLOWED)


cdef bint peers_read(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Learns whom a packet of BitTorrent's calls peers; whether more may come.

    Only where the other end had sent something, or the network is told (BEP 14): so a forged address teaches nothing, and a list
    only whoever asked.
    """
    cdef PeerList *list = &s.inspector.peers
    cdef uint32_t i
    if f.packets[1 - side] or is_multicast(f.addr[1 - side]):
        peer_list(p.payload, p.n, f.version == 6, list)
        if list.listens:
            peers_learn(s.names, NULL, f.addr[side], list.listens, p.time)
        for i in range(list.n):
            peers_learn(s.names, f.addr[1 - side], list.addresses[i], list.ports[i], p.time)
    return peers_awaited(s, f)
