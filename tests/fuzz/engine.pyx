"""The whole engine: frames as a wire or a queue has them, decoded, put together where they are fragments, processed.

The input is a byte of Mode (equipped.pxd) and a sequence of frames, each behind a head of four bytes:

    time and link     bits 0-5: how long after the one before, as a power of two of ns; bits 6-7: the link type
    origin and wire   bits 0-1: the interface that it came in by; bits 2-7: KiB that the frame was longer on the wire
    length            of the frame, 2 bytes
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from dpi._fastpath cimport hint, hint_again, process
from dpi.capture.decision cimport HOLD, Decision
from dpi.decide.shard cimport Shard
from dpi.fuzz.equipped cimport MODE_HINTED, drain, equipped, finish
from dpi.fuzz.promise cimport check
from dpi.wire.cursor cimport Cursor, left, over, slice, u8, u16
from dpi.wire.decode cimport decode, decode_ip
from dpi.wire.fragments cimport FragmentTable, fragments_add, fragments_new
from dpi.wire.packet cimport FRAGMENT_JOINED, FRAGMENT_NONE, Packet


cdef enum:
    POISON = 0xA5           # what a packet is filled with, so that what the decoder leaves out shows


cdef extern from *:
    """
    /* Ethernet, raw IP, cooked, QUEUED. */
    static const uint32_t FUZZ_ENGINE_LINKS[4] = {1, 101, 113, 0};
    """
    const uint32_t LINKS "FUZZ_ENGINE_LINKS"[4]


cdef FragmentTable *FRAGMENTS = fragments_new(4, 1 << 17, <int64_t>30 * 1000000000)


cdef void through(Shard *s, Packet *p, bint hinted) noexcept nogil:
    cdef Decision d
    if hinted:
        hint(s, p)
        hint_again(s, p)
    process(s, p, &d)
    check(d.verdict <= HOLD)
    drain(s)


cdef void frame(Shard *s, const uint8_t *data, uint32_t n, uint32_t wire, uint32_t link, int64_t time, uint8_t origin,
                bint hinted) noexcept nogil:
    """One frame, from a block of exactly its size."""
    cdef uint8_t *block = <uint8_t *>malloc(n)
    cdef Packet p, whole
    cdef bint is_packet
    check(FRAGMENTS != NULL and (block != NULL or n == 0))
    if n:
        memcpy(block, data, n)
    memset(&p, POISON, sizeof(p))
    p.fragment = FRAGMENT_NONE
    is_packet = decode_ip(block, n, wire, &p, NULL) if link == QUEUED else decode(block, n, wire, link, &p, NULL)
    p.time = time
    p.origin = origin
    if is_packet:
        through(s, &p, hinted)
    if p.fragment != FRAGMENT_NONE:
        memset(&whole, POISON, sizeof(whole))
        if fragments_add(FRAGMENTS, &p, &whole, NULL):
            whole.time = time
            whole.origin = origin
            whole.fragment = FRAGMENT_JOINED
            through(s, &whole, False)
    free(block)


cdef void engine(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef uint8_t mode = u8(&c)
    cdef Shard *s = equipped(mode)
    cdef int64_t time = s.now
    cdef uint8_t when, how
    cdef uint32_t length
    while left(&c) > 4:
        when = u8(&c)
        how = u8(&c)
        length = u16(&c)
        if length > left(&c):
            length = <uint32_t>left(&c)
        time += <int64_t>1 << (when & 37)
        frame(s, slice(&c, length).p, length, length + (<uint32_t>(how >> 2) << 10), LINKS[when >> 6], time,
              how & 3 if how & 3 < 3 else 0, mode & MODE_HINTED != 0)
    finish(s)
