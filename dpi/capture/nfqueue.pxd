"""What decides about queued packets: the face that the engine shows to the queue reader; see nfqueue.pyx.

The reader hands over a batch in the order in which the packets came, and a Decision for each that says ACCEPT
without a mark until the handler changes it.  A packet whose message was damaged has payload NULL and n 0, and is
best left so.  With n 0 nothing came for a while: the moment for timers.  Times are ns since 1970.
"""
from libc.stdint cimport int64_t, uint32_t

from dpi.capture.decision cimport Decision
from dpi.capture.nfnetlink cimport QueuedPacket


ctypedef void (*decide_fn)(void *ctx, const QueuedPacket *packets, Decision *decisions, uint32_t n,
                           int64_t now) noexcept nogil


cdef struct Handler:
    decide_fn decide
    void *ctx


cdef class PacketHandler:
    """Base of what a QueueReader takes: a subclass sets `handler` and owns what its ctx points to."""
    cdef Handler handler
