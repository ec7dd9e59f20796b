"""Who opened a flow whose beginning was not seen, as far as ports tell: captures and the daemon begin amid flows."""
from dpi.flow.flow cimport EPHEMERAL, SYSTEM_PORTS
from dpi.wire.packet cimport IP_TCP, IP_UDP, TCP_SYN, Packet, is_multicast


cdef inline bint from_server(const Packet *p) noexcept nogil:
    """Whether a flow's first packet comes from a service's port, and goes to one that clients are given.

    A SYN needs no guess.  Over UDP whoever has a port of his own may begin (a telephone exchange, a game), so that only
    the lowest tell; and what is sent to a group is no answer.
    """
    if p.proto == IP_TCP and not p.tcp_flags & TCP_SYN:
        if (p.sport < EPHEMERAL) != (p.dport < EPHEMERAL):
            return p.sport < EPHEMERAL
        return p.sport < SYSTEM_PORTS <= p.dport
    return p.proto == IP_UDP and p.sport < SYSTEM_PORTS <= p.dport and not is_multicast(p.dst)
