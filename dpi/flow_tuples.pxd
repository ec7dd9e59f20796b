"""Flows and events as tuples; see flow_tuples.pyx."""
from libc.stdint cimport uint8_t

from dpi.flow.events cimport Event


cdef str address(const uint8_t *addr, int version)
cdef tuple flow_tuple(const Event *e)
cdef tuple event_tuple(const Event *e)
