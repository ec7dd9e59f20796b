"""Names that payloads show which do not tell an app; see shown.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Found


cdef void shown_name(uint16_t label, const uint8_t *p, uint32_t n, Found *out) noexcept nogil
