"""A shard with one of everything; see equipped.pyx."""
from libc.stdint cimport uint8_t

from dpi.decide.shard cimport Shard
from dpi.dissect.declared cimport Declarations


cdef enum Mode:             # bits of the byte that an input of a shard begins with
    MODE_OFFLOAD = 0x01
    MODE_RISKS = 0x02
    MODE_BLIND = 0x0c       # Blind, times 4
    MODE_MERGE = 0x10
    MODE_FIRST = 0x20
    MODE_NO_POLICY = 0x40
    MODE_HINTED = 0x80      # look-ups are prepared as the queue's batches do


cdef Declarations DECLARED

cdef Shard *equipped(uint8_t mode) noexcept nogil
cdef void drain(Shard *s) noexcept nogil
cdef void finish(Shard *s) noexcept nogil
