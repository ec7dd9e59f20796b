"""Peers of BitTorrent: see peers.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef void peer_settle(Shard *shard, Flow *flow) noexcept nogil
cdef void peer_again(Shard *shard, Flow *flow) noexcept nogil
cdef bint peers_awaited(const Shard *shard, const Flow *flow) noexcept nogil
cdef bint peers_read(Shard *shard, Flow *flow, const Packet *packet, int side) noexcept nogil
