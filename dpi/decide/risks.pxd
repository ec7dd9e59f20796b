"""A flow's risks: see risks.pyx."""

from libc.stdint cimport int64_t, uint16_t, uint32_t

from dpi.decide.shard cimport Shard
from dpi.dissect.answer cimport Certificate
from dpi.dissect.inspector cimport Finding
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef void add_risks(Shard *shard, Flow *flow, const Finding *finding, int64_t time) noexcept nogil
cdef bint is_name(const char *host) noexcept nogil
cdef const char *asked_of(const Shard *shard, const Flow *flow) noexcept nogil
cdef bint belongs(const Certificate *certificate, const char *host) noexcept nogil
cdef uint32_t lookup_risks(Shard *shard, const Flow *flow, uint16_t label) noexcept nogil
cdef void port_risks(Shard *shard, Flow *flow) noexcept nogil
cdef bint answer_awaited(Shard *shard, Flow *flow) noexcept nogil
cdef void await_login(Shard *shard, Flow *flow, const Packet *packet) noexcept nogil
