"""What TLS, HTTP, DNS and QUIC tell of a flow; see find.pyx."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport EPHEMERAL, FLOW_SYN_SEEN, SYSTEM_PORTS, Flow, opener
from dpi.wire.packet cimport IP_TCP, Packet


cdef inline uint16_t server_port(const Flow *f) noexcept nogil:
    return f.port[1 - opener(f)]


cdef inline bint opened(const Flow *f, const Packet *p, int side) noexcept nogil:
    """Whether a side opened: of a connection joined later, the one whose port alone is of those that clients are given."""
    if f.proto == IP_TCP and not f.flags & (FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1):
        if (p.sport < EPHEMERAL) != (p.dport < EPHEMERAL):
            return p.sport >= EPHEMERAL
        if (p.sport < SYSTEM_PORTS) != (p.dport < SYSTEM_PORTS):
            return p.sport >= SYSTEM_PORTS
    return side == opener(f)


cdef Answer find_tls(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef Answer find_http(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef bint find_unfinished(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef void find_question(Inspector *s, Flow *f, int side, uint16_t label, Finding *out) noexcept nogil
cdef Answer find_quic(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil
