"""The loop's face: a shard, and process(), which takes one packet through it; see _fastpath.pyx.

A source holds the shard's lock for a batch and calls process() for each packet in it:

    lock(shard); for packet in batch: process(shard, &packet, &decision); unlock(shard)
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.capture.decision cimport Decision
from dpi.wire.packet cimport Packet


cdef struct Counters:
    uint64_t packets
    uint64_t bytes
    uint64_t inspected      # packets that a dissector looked at
    uint64_t flows
    uint64_t labelled       # flows decided with an app or a protocol
    uint64_t unknown        # flows given up
    uint64_t ended
    uint64_t evicted
    uint64_t idle
    uint64_t refused        # packets for which no flow could be made
    uint64_t workless       # flows that got no state for reassembly: the pool was empty
    uint64_t held
    uint64_t learnt


cdef struct Shard           # _fastpath.pyx owns its inside


cdef void lock(Shard *shard) noexcept nogil
cdef void unlock(Shard *shard) noexcept nogil
cdef void process(Shard *shard, Packet *packet, Decision *decision) noexcept nogil
cdef void tick(Shard *shard, int64_t now) noexcept nogil
cdef void hint(Shard *shard, Packet *packet) noexcept nogil


cdef class Core:
    """One shard and what it looks things up in.  The queue's reader takes `core.shard`."""
    cdef Shard *shard
