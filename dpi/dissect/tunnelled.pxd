"""What goes through a proxy's tunnel; see tunnelled.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef void within(const Flow *f, Finding *out) noexcept nogil
cdef Answer find_tunnelled(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                           Finding *out) noexcept nogil
