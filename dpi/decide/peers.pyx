"""Peers of BitTorrent: what is encrypted from its first byte on is told by who speaks there in clear.

Message Stream Encryption begins with a key and padding that look like noise, as do other protocols, so bytes tell nothing.
But a client has one port for all that it is asked: DHT (BEP 5) and uTP (BEP 29) in clear over UDP, connections over TCP.
Where either was seen a moment ago, a connection that nobody knows is its, too.
"""

from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_BITTORRENT
from dpi.flow.evidence cimport BY_KNOWN_SERVER, BY_NOTHING, BY_PORT, BY_SIGNATURE, confidence_of, improve
from dpi.flow.flow cimport Flow, opener
from dpi.match.nearby cimport callers_find, callers_learn
from dpi.wire.packet cimport IP_TCP, IP_UDP


cdef enum:
    ANY_TRANSPORT = 0       # a peer's port is the same of both
    PRIVILEGED = 1024       # below are services of systems (RFC 6335, 6)


cdef void peer_settle(Shard *s, Flow *f) noexcept nogil:
    """Remembers where BitTorrent is spoken, and names what is unknown there."""
    cdef int server = 1 - opener(f)
    cdef int side
    if s.names == NULL or f.proto != IP_TCP and f.proto != IP_UDP:
        return
    if f.protocol.id == P_BITTORRENT and f.protocol.method == BY_SIGNATURE:
        for side in range(2):
            if f.port[side] >= PRIVILEGED and (f.proto == IP_UDP or side == server):     # of TCP's client it is any
                callers_learn(s.names, f.addr[side], f.port[side], ANY_TRANSPORT, P_BITTORRENT, f.last)
    elif (f.proto == IP_TCP and f.app.id == 0 and (f.payloads[0] or f.payloads[1])
            and (f.protocol.method == BY_NOTHING or f.protocol.method == BY_PORT)
            and callers_find(s.names, f.addr[server], f.port[server], ANY_TRANSPORT, f.last) == P_BITTORRENT):
        improve(&f.protocol, P_BITTORRENT, BY_KNOWN_SERVER, confidence_of(BY_KNOWN_SERVER))
