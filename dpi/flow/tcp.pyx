"""TCP as far as a record needs it: opened, established, closing, closed, and a new connection on the same ports."""

from libc.stdint cimport int32_t, uint8_t

from dpi.flow.flow cimport (
    BASED,
    BASED_SIGNS,
    FLOW_OFFLOADED,
    FLOW_OPENER,
    FLOW_SYN_SEEN,
    RESET_BY,
    STATE_CLOSED,
    STATE_CLOSING,
    STATE_ESTABLISHED,
    STATE_NEW,
    STATE_SYN,
    Flow,
    opener,
)
from dpi.flow.timers cimport Wheel, wheel_rearm
from dpi.wire.packet cimport TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, Packet
from dpi.wire.signs cimport SIGN_HOPS, SIGN_SIGNED, SIGN_SUM, Signs, signs_of


cdef enum:
    SYN_DATA_MAX = 1 << 16  # bytes that a SYN may carry (RFC 7413)


cdef void remember_signs(Flow *f, const Packet *p) noexcept nogil:
    """What the opener's packets are measured by: see wire/signs.pxd."""
    cdef Signs signs = signs_of(p)
    f.based = <uint8_t>(f.based & BASED | signs.signs << BASED_SIGNS)
    f.stamp = signs.stamp


cdef bint beyond_its_syn(const Flow *f, const Packet *p) noexcept nogil:
    """Whether an opener's packet bears a sign that its SYN does not bear, or says an earlier time (RFC 7323, 5.3)."""
    cdef Signs signs = signs_of(p)
    if f.stamp and signs.stamp and <int32_t>(signs.stamp - f.stamp) < 0:
        return True
    return signs.signs & ~(f.based >> BASED_SIGNS & (SIGN_HOPS | SIGN_SUM | SIGN_SIGNED)) != 0


cdef bint follow_tcp(Wheel *w, Flow *f, const Packet *p, int side) noexcept nogil:
    """Follows the connection (RFC 9293, 3.3.2, as seen from between); True where this SYN begins another one.

    Then nothing was changed: the caller ends the flow and makes a new one, or has it go on as the same.  The end of
    an offloaded flow is not seen here, but the kernel would not show us a SYN of a connection that it still has.
    """
    cdef uint8_t before = f.state
    cdef uint8_t seen = <uint8_t>(FLOW_SYN_SEEN << side)
    if p.tcp_flags & TCP_SYN:
        if not p.tcp_flags & TCP_ACK:
            if (f.state >= STATE_CLOSING or f.flags & FLOW_OFFLOADED) and not (f.flags & seen and f.isn[side] == p.seq):
                return True
            f.flags = (f.flags & ~<uint8_t>FLOW_OPENER) | <uint8_t>side
            if f.state <= STATE_SYN:
                remember_signs(f, p)
        elif not f.flags & (FLOW_SYN_SEEN << (1 - side)):
            f.flags = (f.flags & ~<uint8_t>FLOW_OPENER) | <uint8_t>(1 - side)
        if f.state == STATE_NEW:
            f.state = STATE_SYN
        if f.state <= STATE_SYN or not f.based & 1 << side:     # an answer that what the opener sent next overtook
            f.isn[side] = p.seq
            f.flags |= seen
            f.based |= <uint8_t>(1 << side)
        if p.tcp_flags & TCP_ACK and p.ack and p.ack - f.isn[1 - side] - 1 > SYN_DATA_MAX and (
                f.flags & (FLOW_SYN_SEEN << (1 - side)) and f.state == STATE_SYN):
            f.isn[1 - side] = p.ack - 1                         # the SYN that it answers was another one
            f.based &= <uint8_t>BASED
    elif p.tcp_flags & TCP_RST:
        if side != opener(f) or not f.flags & seen or not beyond_its_syn(f, p):
            f.state = STATE_CLOSED
            f.first_fin = <uint8_t>(RESET_BY + side)
    elif p.tcp_flags & TCP_FIN:
        if f.state == STATE_CLOSING and f.first_fin != side + 1:
            f.state = STATE_CLOSED
        elif f.state < STATE_CLOSING:
            f.state = STATE_CLOSING
            f.first_fin = <uint8_t>(side + 1)
    elif f.state == STATE_SYN and side == opener(f) and p.tcp_flags & TCP_ACK:
        f.state = STATE_ESTABLISHED
    elif f.state == STATE_CLOSED and f.first_fin == RESET_BY + side and p.n:
        f.state = STATE_ESTABLISHED         # who sends on has not ended it: that RST was another's, or for a firewall
    if f.state != before and f.state >= STATE_CLOSING:
        wheel_rearm(w, f, p.time)
    return False
