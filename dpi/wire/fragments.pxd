"""Datagrams out of fragments.  See fragments.pyx."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from dpi.wire.packet cimport Packet
from dpi.wire.view cimport Faults


cdef struct FragmentTable


# A table of at most `datagrams` in progress (1 … 65,535) that hold at most `bytes` together and are each given up
# `timeout` ns after their first fragment, by packets' time.  NULL where there is no memory.
cdef FragmentTable *fragments_new(uint32_t datagrams, uint64_t bytes, int64_t timeout) noexcept nogil

cdef void fragments_free(FragmentTable *table) noexcept nogil

# Adds a packet whose .fragment is not FRAGMENT_NONE.  True where it was the one that was missing: then *whole is the
# datagram, decoded, its tunnels opened, valid until the next call.  Its first fragment was counted when it came, so
# *whole is to be looked at, but not to be counted.
cdef bint fragments_add(FragmentTable *table, const Packet *piece, Packet *whole, Faults *faults) noexcept nogil
