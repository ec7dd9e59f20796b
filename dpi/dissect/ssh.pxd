"""SSH's offers, of a flow; see ssh.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef Answer find_offer(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                       Finding *out) noexcept nogil
cdef bint offer_awaited(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n) noexcept nogil
cdef bint past_its_offer(const Inspector *s, const Flow *f, const Packet *p, int side) noexcept nogil
