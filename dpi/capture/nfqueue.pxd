"""What decides about queued packets: the face that the engine shows to the queue reader; see queue_loop.pxd."""

from dpi.capture.queue_loop cimport Handler


cdef class PacketHandler:
    """Base of what a QueueReader takes: a subclass sets `handler` and owns what its ctx points to."""
    cdef Handler handler
