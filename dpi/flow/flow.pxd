"""What a flow is: an entry of the flow table (table.pyx)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.flow.evidence cimport Label
from dpi.wire.packet cimport IP_TCP


cdef enum:
    NONE = 0xFFFFFFFF       # no flow, no string, no work


cdef enum:
    CARRYING = 4            # packets of a TCP connection from which on it carries something
    BARE = 100              # bytes: more than a packet without data has
    ONE_WAY_TIME = 1000000000   # ns after which the other side would have been seen
    SYSTEM_PORTS = 1024     # ports below are those of systems' services (RFC 6335, 6)
    RESET_BY = 3
    EPHEMERAL = 32768       # where Linux begins to choose ports for clients; others begin later


cdef enum State:
    STATE_NEW               # UDP, ICMP and others: one direction seen.  TCP: no SYN seen
    STATE_TWO_WAY           # the same, both directions seen
    STATE_SYN               # TCP: a SYN, or a SYN and its answer
    STATE_ESTABLISHED
    STATE_CLOSING           # one side has sent its FIN
    STATE_CLOSED            # both have, or either sent a RST
    STATES


cdef enum FlowFlag:
    FLOW_OPENER = 0x01      # the number of the side that opened: 0 or 1
    FLOW_DECIDED = 0x02     # nothing more is looked for
    FLOW_OFFLOADED = 0x04   # the final mark was given: the kernel has it, its end will be reported
    FLOW_TOUCHED = 0x08     # seen since eviction last looked
    FLOW_NAMED = 0x10       # its payload shows the name that it has
    FLOW_SYN_SEEN = 0x20    # isn[] of side 0 is known;  0x40: of side 1
    FLOW_TLS = 0x80         # what it carries is TLS, or has gone over to it


cdef enum Asked:            # what else is known of a flow's host
    HOST_IN_HELLO = 1       # it is what the client asked for in TLS
    HOST_LOOKED_UP = 2      # this client looked it up, and nothing else that the server's address has
    HOST_ANSWERED = 3       # of DNS: the question was answered


cdef enum Basis:            # Flow.based: where its streams begin, and what its client's packets are worth
    BASED = 0x03            # a bit for each side: its TCP payload starts at isn[side] + 1
    BASED_SIGNS = 2         # shift: wire/signs.pxd's that the opener's SYN bears
    BASED_DOUBTED = 0x20    # what the client has sent up to now may be a decoy
    BASED_PLAIN = 0x40      # some of it is none
    BASED_URGENT = 0x80     # an urgent byte was left out of it


# Three cache lines.  Side 0 is who sent the first packet seen; who opened is FLOW_OPENER.  For isn[] only TCP has a use:
# of UDP probes keep a word there for each side (dissect/probes/sight.pxd), of DNS it has the open questions
# (decide/answers.pyx), and of a flow that is settled what was seen of its shape (decide/shape.pyx).
cdef struct Flow:
    uint8_t addr[2][16]
    uint16_t port[2]
    uint16_t vlan
    uint8_t proto
    uint8_t version
    uint8_t state           # State
    uint8_t flags           # FlowFlag
    uint16_t needs          # dissect/inspector.pxd: what is still looked for; 0: no more work
    uint8_t asked           # Asked
    uint8_t odd             # DNS: how much its questions look like data (dissect/dns_names.pxd); unknown: decide/peers.pyx; proxies: tunnels
    uint16_t decided_at     # packets seen when it was decided
    int64_t last            # ns: newest packet
    uint32_t work           # index of the state of its dissection, or NONE
    uint32_t mark           # the mark that its packets get

    uint64_t bytes[2]       # of IP packets, by the side that sent them
    uint32_t packets[2]
    int64_t start           # ns: first packet
    uint32_t isn[2]         # TCP: initial sequence numbers, later where the message before ended; else as is said above
    uint32_t timer_next
    uint32_t timer_prev
    uint32_t age_next
    uint32_t age_prev

    Label app
    Label protocol
    uint32_t host           # flow/strings.pxd, as are the next four
    uint32_t agent
    uint32_t alpn
    uint32_t content_type   # HTTP's; of SSH, which has none, the server's fingerprint (decide/fingerprint.pxd)
    uint32_t fingerprint    # of the client's program: JA4, of SSH HASSH
    uint32_t stamp          # QUIC: its version; TCP: the time that the opener's SYN says (RFC 7323)
    uint32_t rule           # index in the rule table, or NONE
    uint32_t risks          # dissect/risks.pxd
    uint16_t disposition    # 0: rules were not asked yet
    uint16_t tls_version
    uint8_t category
    uint8_t route
    uint8_t ech
    uint8_t tunnel
    uint8_t dscp            # of the first packet
    uint8_t payloads[2]     # packets with payload looked at, by side
    uint8_t based           # Basis
    uint8_t spent           # bit per side: nothing more is to be had from what it sends
    uint8_t local           # the side behind our LAN; 2 where that is not known
    uint8_t timer           # 1 while the flow is on the wheel
    uint8_t first_fin       # the side that sent the first FIN, plus 1; the RST, plus RESET_BY
    uint32_t mac            # of the side behind our LAN: flow/strings.pxd
    uint32_t hash           # of the 5-tuple and the VLAN
    uint32_t seen[2]        # TCP: where what each side has sent ends; while something is needed


cdef inline int opener(const Flow *f) noexcept nogil:
    return f.flags & FLOW_OPENER


cdef inline uint32_t quic_version(const Flow *f) noexcept nogil:
    return f.stamp if f.proto != IP_TCP else 0


cdef inline int one_way(const Flow *f) noexcept nogil:
    """The side whose packets alone come by here, of a TCP connection that goes on; -1 where it is not so.

    The proof is what only those send who have an answer: a client that acknowledges (RFC 9293, 3.4), or data.  So a
    scan, SYNs to a dead host and what their answers scatter are none; nor are packets that come in one burst.
    """
    cdef int side = 0 if f.packets[1] == 0 else 1
    if f.packets[1 - side] or f.packets[side] < CARRYING or f.last - f.start < ONE_WAY_TIME:
        return -1
    if f.state == STATE_ESTABLISHED or f.bytes[side] > <uint64_t>f.packets[side] * BARE:
        return side
    return -1
