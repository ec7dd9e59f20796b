"""What a shard's dissectors share: the memory that is lent to flows in work, and what was found; see inspector.pyx."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dpi.dissect.answer cimport Found, ServerFound
from dpi.dissect.declared_table cimport DeclaredTable
from dpi.dissect.dns cimport DnsMessage
from dpi.dissect.dtls cimport DtlsHello
from dpi.dissect.peer_lists cimport PeerList
from dpi.dissect.protocols cimport P_HAPROXY, P_HTTPCONNECT, P_HTTPPROXY, P_SOCKS
from dpi.dissect.quic cimport QuicState
from dpi.dissect.quic_crypto cimport QuicCrypto
from dpi.flow.flow cimport NONE, Flow
from dpi.flow.stream cimport Pool, Stream


cdef enum:
    PACKETS_MAX = 64        # of a flow, after which it is settled whatever it still needs
    BYTES_MAX = 96000       # the same where GSO makes one packet of many


cdef enum Need:             # Flow.needs
    NEED_PROTOCOL = 0x01    # what it is
    NEED_NAME = 0x02        # it is TLS or HTTP, and the half that names it was not seen yet
    NEED_MESSAGES = 0x04    # DNS: every message is read, for as long as the flow lives
    NEED_SHAPE = 0x08       # nameless: its bursts are watched for a while
    NEED_ANSWER = 0x10      # decided: what the server answers is looked at for risks
    NEED_QUIET = 0x20       # decided: it leaves the queue at the next pause (decide/quiet.pyx)
    NEED_PEERS = 0x40       # decided: BitTorrent's lists of peers are read for a few packets (decide/peers.pyx)


cdef struct Work:           # what only a flow that is being dissected has
    Stream streams[2]
    uint32_t shown[2]       # how much of each the dissectors have seen
    uint16_t noise[2]       # bytes that each wrote at first, where these are noise; 0: not, or not known
    QuicState quic
    uint8_t quic_on
    DtlsHello dtls
    uint32_t half[2]        # the declared signature that a side showed its half of; see declared_table.pyx
    uint32_t next           # in the list of the free


cdef struct Inspector:      # one a shard
    Work *works             # [capacity], touched as they are first used
    uint32_t capacity
    uint32_t fresh
    uint32_t free
    uint32_t used
    uint64_t refused        # flows that got none
    Pool pool               # what all streams may hold
    const DeclaredTable *declared   # NULL: there are none
    QuicCrypto *crypto      # NULL: no libcrypto, QUIC is recognised and not opened
    QuicState quic          # a first datagram's, before it is known to need a Work
    uint8_t risks           # are looked for: in answers of decided flows, and in requests to their header's end
    const char *asked       # the name that the flow's payload has shown; NULL: none
    Found found
    ServerFound server
    DnsMessage dns
    PeerList peers


cdef enum:
    NOBODY = 2              # neither side
    TUNNELS_MAX = 8         # requests to proxies within a flow: asked again with a login, or one through another


cdef enum ServerSaid:       # what Inspector.server holds
    SAID_NOTHING
    SAID_TLS
    SAID_HTTP


cdef struct Finding:        # what inspect() adds to Inspector.found
    uint16_t protocol       # 0: nothing new
    uint16_t app            # that the payload itself tells; 0: none
    uint8_t method          # of the name in Inspector.found, BY_NOTHING where there is none
    uint8_t complete        # nothing more is wanted
    uint8_t client          # the side that is the client; NOBODY: not told
    uint8_t message         # Inspector.dns holds one
    uint8_t sure            # the app is certain, whatever a name says
    uint8_t replaces        # the protocol takes the place of what was said before
    uint8_t goes_on         # its side's next bytes are a message of its own, to be looked at by themselves
    uint8_t server          # ServerSaid
    uint32_t ends           # of a proxy's header, or a request to one: where what it passes on begins; 0: there is none
    uint8_t tunnel          # a proxy is asked to pass on what comes next, which is looked at unless the name that it is asked for tells
    uint8_t inside          # it was found within that
    uint8_t asks            # its server asks for a password, which the client's next message may show
    uint8_t anew            # it takes the place of what the client has shown before
    uint8_t doubted         # it may be a decoy, so the client's next may take its place
    uint32_t risks          # dissect/risks.pxd: those that the payload itself shows


cdef bint inspector_init(Inspector *s, uint32_t capacity, size_t budget) noexcept nogil
cdef void inspector_free(Inspector *s) noexcept nogil
cdef Work *work_of(Inspector *s, Flow *f) noexcept nogil
cdef void release(Inspector *s, Flow *f) noexcept nogil


cdef inline bint unknown(const Flow *f) noexcept nogil:
    """Whether nothing is known of what a flow carries: a proxy's header says only that something comes behind it."""
    return f.protocol.id == 0 or f.protocol.id == P_HAPROXY


cdef inline bint is_tunnel_of(uint16_t protocol) noexcept nogil:
    """Whether a proxy may have been asked to pass on whatever comes next."""
    return protocol == P_SOCKS or protocol == P_HTTPCONNECT


cdef inline bint to_proxy(uint16_t protocol) noexcept nogil:
    """Whether the server is a proxy, so not whom the names are of that are asked for."""
    return is_tunnel_of(protocol) or protocol == P_HTTPPROXY


cdef inline void opens_tunnel(Flow *f, Finding *out, uint32_t ends) noexcept nogil:
    """What was found is a request for a tunnel, where that ends (0: it opens none): the stream begins there anew."""
    if ends == 0 or f.odd >= TUNNELS_MAX:
        return
    f.odd += 1
    out.ends = ends
    out.tunnel = 1
    out.complete = 0
    out.goes_on = 1


cdef inline bint enough(const Flow *f) noexcept nogil:
    """Whether as much was seen of a flow as is ever looked at."""
    return f.packets[0] + f.packets[1] >= PACKETS_MAX or f.bytes[0] + f.bytes[1] >= BYTES_MAX


cdef inline bint hello_begun(const Inspector *s, const Flow *f) noexcept nogil:
    """Whether a hello of DTLS has begun in a flow, and goes on in its next datagrams."""
    return f.work != NONE and s.works[f.work].dtls.length != 0
