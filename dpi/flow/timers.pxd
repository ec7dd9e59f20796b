"""Flows that are silent for too long; see timers.pyx."""
from libc.stdint cimport int64_t, uint32_t

from dpi.flow.table cimport Flow, Table


cdef bint timers_new(Table *t) noexcept nogil
cdef int64_t timeout_of(const Table *t, const Flow *f) noexcept nogil
cdef void wheel_add(Table *t, uint32_t i, int64_t deadline) noexcept nogil
cdef void wheel_remove(Table *t, uint32_t i) noexcept nogil
cdef void wheel_rearm(Table *t, Flow *f, int64_t now) noexcept nogil
cdef uint32_t table_due(Table *t, int64_t now, int *budget) noexcept nogil
