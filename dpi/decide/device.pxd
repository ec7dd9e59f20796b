"""Which device a flow is of: see device.pyx."""

from libc.stdint cimport uint8_t

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef bint device_learn(Shard *shard, Flow *flow, const Packet *packet, int side) noexcept nogil
cdef void device_forget(Shard *shard, Flow *flow) noexcept nogil
cdef bint device_read(const Shard *shard, const Flow *flow, uint8_t *out) noexcept nogil
cdef const uint8_t *device_ipv4(const Shard *shard, const Flow *flow) noexcept nogil
