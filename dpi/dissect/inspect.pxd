"""Shows a flow's payload to the dissectors, in the order that their answers call for; see inspect.pyx."""

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef Answer inspect(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil
cdef bint inspect_next(Inspector *s, Flow *f, const Packet *p, int side, Finding *out, Answer *answer) noexcept nogil
cdef bint rest_matters(const Inspector *s, const Flow *f) noexcept nogil
cdef void inspect_end(Inspector *s, Flow *f, Finding *out) noexcept nogil
