"""A client's packets that its server may not take: decoys, which show another name than is asked for, or none.

Whose packets those are is not known, so one that bears a sign of a decoy is in doubt, and no more: what it tells counts, and
is open to what follows until the server speaks.  See docs/reference/naming.md.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, YES, Answer
from dpi.dissect.dialogue cimport clear
from dpi.dissect.inspector cimport Finding, Inspector, is_tunnel_of
from dpi.dissect.over_tls cimport in_messages
from dpi.dissect.quic cimport quic_state_free
from dpi.flow.evidence cimport BY_QUIC_SNI
from dpi.flow.flow cimport (
    BASED_DOUBTED, BASED_PLAIN, BASED_URGENT, FLOW_DECIDED, FLOW_NAMED, FLOW_SYN_SEEN, FLOW_TLS, NONE, Flow, opener,
)
from dpi.flow.tcp cimport beyond_its_syn
from dpi.wire.packet cimport IP_TCP, TCP_ACK, TCP_RST, TCP_SYN, Packet
from dpi.wire.signs cimport urgent_of


cdef bint in_doubt(const Flow *f, const Packet *p, int side) noexcept nogil:
    """Whether a client's packet bears a sign of a decoy (wire/signs.pxd) that its connection's SYN does not bear, or is one
    that a server drops (RFC 9293, 3.10.7.4): without ACK, or acknowledging what was never sent.

    What comes with a SYN is taken only where both ends have agreed on it before (RFC 7413).
    """
    if side != opener(f) or f.flags & FLOW_DECIDED:
        return False
    if p.proto == IP_TCP:
        if not f.flags & FLOW_SYN_SEEN << side:
            return False
        if not f.based & BASED_DOUBTED and (is_tunnel_of(f.protocol.id) or in_messages(f.protocol.id)):
            return False                        # its numbers count from where a message began
        if p.tcp_flags & (TCP_SYN | TCP_RST) or not p.tcp_flags & TCP_ACK:
            return True
        if f.flags & FLOW_SYN_SEEN << (1 - side) and <int32_t>(p.ack - f.isn[1 - side] - 1) < 0:
            return True
    return beyond_its_syn(f, p)


cdef void unlearn(Flow *f) noexcept nogil:
    """What it speaks was told by bytes that have changed; its name stays until another one is shown."""
    f.flags &= ~<uint8_t>FLOW_TLS
    memset(&f.protocol, 0, sizeof(f.protocol))


cdef void weigh(Inspector *s, Flow *f, int side, bint doubted) noexcept nogil:
    """Notes what a client's segment is worth.  The first that is no decoy begins the stream anew."""
    if side != opener(f):
        return
    if doubted:
        f.based |= BASED_DOUBTED
    elif not f.based & BASED_PLAIN:
        f.based |= BASED_PLAIN
        if f.based & BASED_DOUBTED:
            clear(s, f, side)
            unlearn(f)


cdef Answer weighed(Flow *f, int side, Answer answer, bint doubted, Finding *out) noexcept nogil:
    """What a client's bytes tell where some of them may be a decoy: nothing for good."""
    if side != opener(f) or not f.based & BASED_DOUBTED:
        return answer
    out.anew = 1
    out.doubted = doubted
    if not doubted:
        return answer
    f.spent &= ~<uint8_t>(1 << side)
    out.complete = out.ends = out.goes_on = out.tunnel = 0
    return YES if answer == YES else MORE


cdef uint32_t before_urgent(Flow *f, const Packet *p, uint32_t n) noexcept nogil:
    """How many of a segment's last n bytes come before its urgent one, where that is the last.

    Programs read it apart from the others (RFC 6093, 3.2), so to them these go on behind it as if it were not there.
    """
    if f.based & BASED_URGENT or p.n != p.payload_len or urgent_of(p) != p.n:
        return n
    f.based |= BASED_URGENT
    f.isn[opener(f)] += 1
    return n - 1


cdef bint unanswered(const Flow *f, const Packet *p, int side) noexcept nogil:
    """Whether a segment follows a SYN that nobody has answered: one that a firewall was to see, amid a connection."""
    return (f.flags & FLOW_SYN_SEEN << side and not f.flags & FLOW_SYN_SEEN << (1 - side)
            and side == opener(f) and not p.tcp_flags & TCP_SYN and not f.flags & FLOW_NAMED)


cdef Answer weighed_quic(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    """What a client's Initial tells, which may be a decoy as well, or follow one."""
    cdef bint doubted = out.method == BY_QUIC_SNI and in_doubt(f, p, side)
    if f.based & BASED_DOUBTED and out.method != BY_QUIC_SNI:
        return MORE
    if doubted:
        f.based |= BASED_DOUBTED
        if f.work != NONE and s.works[f.work].quic_on:
            quic_state_free(&s.works[f.work].quic)
            s.works[f.work].quic_on = 0
    return weighed(f, side, YES, doubted, out)
