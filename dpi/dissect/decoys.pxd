"""A client's packets that its server may not take; see decoys.pyx."""

from libc.stdint cimport uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef bint in_doubt(const Flow *f, const Packet *p, int side) noexcept nogil
cdef void unlearn(Flow *f) noexcept nogil
cdef void weigh(Inspector *s, Flow *f, int side, bint doubted) noexcept nogil
cdef Answer weighed(Flow *f, int side, Answer answer, bint doubted, Finding *out) noexcept nogil
cdef uint32_t before_urgent(Flow *f, const Packet *p, uint32_t n) noexcept nogil
cdef bint unanswered(const Flow *f, const Packet *p, int side) noexcept nogil
cdef Answer weighed_quic(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil
