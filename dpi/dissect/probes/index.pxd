"""Which probes are asked about a payload; see index.pyx."""
from libc.stdint cimport uint16_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.probes.sight cimport Probe, Sight
from dpi.wire.packet cimport IP_TCP, IP_UDP


cdef enum:
    TCP = IP_TCP
    UDP = IP_UDP
    BOTH = 0


cdef int at_first(int proto, uint16_t label, Probe probe, bytes first) except -1
cdef int at_ports(int proto, uint16_t label, Probe probe, ports) except -1
cdef int at_any(int proto, uint16_t label, Probe probe) except -1
cdef uint16_t probe(const Sight *s, Found *out, Answer *answer) noexcept nogil
