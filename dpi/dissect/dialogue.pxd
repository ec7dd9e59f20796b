"""Connections in clear that may go over to TLS: see dialogue.pyx."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef uint32_t login_risk(uint16_t protocol, const uint8_t *data, uint32_t n) noexcept nogil
cdef Answer in_clear(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil
cdef void message_ends(Inspector *s, Flow *f, const Packet *p, int side, bint cut, const uint8_t *data,
                       uint32_t n) noexcept nogil

# What was kept of a side is of no use any more.
cdef void clear(Inspector *s, Flow *f, int side) noexcept nogil
