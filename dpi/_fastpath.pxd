"""The loop's face: process(), which takes one packet through a shard; see _fastpath.pyx.

A source holds the shard's lock for a batch and calls process() for each packet in it:

    lock(shard); for packet in batch: process(shard, &packet, &decision); unlock(shard)
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from dpi.capture.decision cimport Decision
from dpi.decide.shard cimport Shard
from dpi.wire.packet cimport Packet


cdef enum:
    EVENTS_A_PACKET = 48    # room in the ring that one packet may need at the most
    IDLE_SWEEP = 16384      # budget of tick() and sweep() where there is nothing else to do


cdef void process(Shard *shard, Packet *packet, Decision *decision) noexcept nogil
cdef void tick(Shard *shard, int64_t now, int budget) noexcept nogil
cdef void sweep(Shard *shard, int budget) noexcept nogil
cdef void hint(Shard *shard, Packet *packet) noexcept nogil
cdef void hint_again(Shard *shard, const Packet *packet) noexcept nogil
cdef void end(Shard *shard, uint32_t flow, uint8_t reason) noexcept nogil
cdef void conclude(Shard *shard, uint32_t flow, uint8_t reason) noexcept nogil
