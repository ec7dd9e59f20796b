"""Peers of BitTorrent: see peers.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow


cdef void peer_settle(Shard *shard, Flow *flow) noexcept nogil
