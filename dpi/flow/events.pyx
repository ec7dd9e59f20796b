"""The ring between a shard's loop and the control plane: one writer, one reader, no lock, never a wait.

An event is a copy of all that it tells (the flow, its names), so that neither side has to ask the other when a
flow may be forgotten.  The writer fills the event in place and publishes it by a release store of `written`;
the reader's acquire load pairs with it, and the other way round for `read`.  A full ring costs the event, which
is counted in `lost`: the loop does not stop for a reader that is slow.
"""

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from dpi.wire.atomic cimport load64, store64


cdef bint ring_init(Ring *r, uint32_t size) noexcept nogil:
    """Room for `size` events, rounded up to a power of two.  False where memory is refused."""
    cdef uint32_t n = 2
    while n < size and n < 1 << 24:
        n *= 2
    r.events = <Event *>calloc(n, sizeof(Event))
    r.mask = n - 1
    r.written = r.read = r.lost = 0
    return r.events != NULL


cdef void ring_free(Ring *r) noexcept nogil:
    free(r.events)
    r.events = NULL


cdef Event *ring_reserve(Ring *r) noexcept nogil:
    """The event to fill before ring_commit(), with whatever it held last; NULL where the ring is full."""
    if r.written - load64(&r.read) > r.mask:
        r.lost += 1
        return NULL
    return &r.events[r.written & r.mask]


cdef void ring_commit(Ring *r) noexcept nogil:
    store64(&r.written, r.written + 1)


cdef void ring_restart(Ring *r) noexcept nogil:
    """Has the next events use the ring's first places again, which are in the cache; for who holds off both sides."""
    if r.read == r.written:
        r.written = r.read = 0


cdef const Event *ring_peek(Ring *r) noexcept nogil:
    """The oldest event, to be read before ring_advance(); NULL where there is none."""
    if load64(&r.written) == r.read:
        return NULL
    return &r.events[r.read & r.mask]


cdef void ring_advance(Ring *r) noexcept nogil:
    store64(&r.read, r.read + 1)
