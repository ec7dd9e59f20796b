"""What first bytes tell of a flow; see first_bytes.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef Answer find_by_first_bytes(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                                uint32_t wire, Finding *out) noexcept nogil


cdef void find_app_beside(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
