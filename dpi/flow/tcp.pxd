"""What a TCP segment does to its flow; see tcp.pyx."""
from dpi.flow.flow cimport Flow
from dpi.flow.timers cimport Wheel
from dpi.wire.packet cimport Packet


cdef void remember_signs(Flow *f, const Packet *p) noexcept nogil
cdef bint beyond_its_syn(const Flow *f, const Packet *p) noexcept nogil
cdef bint follow_tcp(Wheel *w, Flow *f, const Packet *p, int side) noexcept nogil
