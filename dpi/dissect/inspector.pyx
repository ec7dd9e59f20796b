"""The memory of a flow while it is looked at: two streams, a handshake of QUIC or DTLS; lent out of a bounded pool."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from dpi.dissect.quic cimport quic_state_free
from dpi.dissect.quic_crypto cimport quic_crypto_free, quic_crypto_new
from dpi.flow.flow cimport NONE, Flow
from dpi.flow.stream cimport STREAM_MAX, pool_init, stream_free, stream_init


cdef bint inspector_init(Inspector *s, uint32_t capacity, size_t budget) noexcept nogil:
    """capacity: flows that may be in work at a time; budget: bytes that their streams may hold together."""
    memset(s, 0, sizeof(Inspector))
    s.capacity = capacity
    s.free = NONE
    pool_init(&s.pool, budget, STREAM_MAX)
    s.crypto = quic_crypto_new()
    s.works = <Work *>calloc(capacity, sizeof(Work))
    return s.works != NULL


cdef void inspector_free(Inspector *s) noexcept nogil:
    """Every flow's work must have been released."""
    if s.crypto != NULL:
        quic_crypto_free(s.crypto)
    free(s.works)
    s.works = NULL


cdef Work *work_of(Inspector *s, Flow *f) noexcept nogil:
    """The flow's work, a new one where it has none; NULL where all are in use."""
    cdef uint32_t i = f.work
    cdef Work *w
    if i != NONE:
        return &s.works[i]
    if s.free != NONE:
        i = s.free
        s.free = s.works[i].next
    elif s.fresh < s.capacity:
        i = s.fresh
        s.fresh += 1
    else:
        s.refused += 1
        return NULL
    w = &s.works[i]
    memset(w, 0, sizeof(Work))
    stream_init(&w.streams[0], &s.pool)
    stream_init(&w.streams[1], &s.pool)
    stream_init(&w.dtls.body, &s.pool)
    f.work = i
    s.used += 1
    return w


cdef void release(Inspector *s, Flow *f) noexcept nogil:
    """Takes back what the flow was lent."""
    cdef Work *w
    if f.work == NONE:
        return
    w = &s.works[f.work]
    stream_free(&w.streams[0])
    stream_free(&w.streams[1])
    stream_free(&w.dtls.body)
    if w.quic_on:
        quic_state_free(&w.quic)
    w.next = s.free
    s.free = f.work
    f.work = NONE
    s.used -= 1
