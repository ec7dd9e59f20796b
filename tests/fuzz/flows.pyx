"""The whole engine but the decoder: packets of a few flows through process(), and the events that come of them.

The input is a byte of Mode (equipped.pxd) and a sequence of packets, each a head of six bytes and its payload:

    side and flow     bit 0: who sends; bits 1-3: one of eight pairs of ports and transports; bits 4-7: TCP flags
    sequence          signed: how far beside the next number of that side the packet's lies; 0 is in order
    time              how long after the one before, as a power of two of ns
    cut               256ths of the payload that were not captured; odd: of a packet of 64 KiB, as offloads make them
    length            of the payload, 2 bytes

Without headers to get right, whatever bytes are found to matter are payload; engine.pyx has the headers.
"""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from dpi._fastpath cimport process
from dpi.capture.decision cimport HOLD, Decision
from dpi.decide.shard cimport Shard
from dpi.fuzz.equipped cimport drain, equipped, finish
from dpi.fuzz.promise cimport check
from dpi.wire.cursor cimport Cursor, left, over, slice, u8, u16
from dpi.wire.packet cimport IP_TCP, Packet


cdef enum:
    JUMBO = 65000           # bytes of payload of the longest that the kernel makes


cdef extern from *:
    """
    static const struct { uint16_t sport, dport; uint8_t proto; } FUZZ_PAIRS[8] = {
        {40000, 443, 6}, {40001, 80, 6}, {40002, 443, 17}, {40003, 53, 17},
        {40004, 12345, 6}, {40005, 3478, 17}, {40006, 25, 6}, {0, 0, 1}};
    static const uint8_t FUZZ_FLAGS[16] = {0x18, 0x10, 0x02, 0x12, 0x11, 0x04, 0x14, 0, 0x19, 0x38, 0x18, 0x18,
                                           0x42, 0x1b, 0xff, 0x29};
    static const uint8_t FUZZ_NET[2][16] = {{0,0,0,0,0,0,0,0,0,0,0xff,0xff,192,0,2,0}, {0x20,1,0xd,0xb8}};
    """
    cdef struct Pair:
        uint16_t sport
        uint16_t dport
        uint8_t proto
    Pair PAIRS "FUZZ_PAIRS"[8]
    const uint8_t FLAGS "FUZZ_FLAGS"[16]
    const uint8_t NET "FUZZ_NET"[2][16]


cdef void next_packet(Cursor *c, Packet *p, uint32_t *sequence, uint8_t **block) noexcept nogil:
    """Reads a packet.  Its payload is a block of its own, of exactly what was captured."""
    cdef uint8_t head = u8(c)
    cdef int8_t beside = <int8_t>u8(c)
    cdef int64_t later = <int64_t>1 << (u8(c) & 37)
    cdef uint32_t missing = u8(c)
    cdef uint32_t n = u16(c)
    cdef int side = head & 1
    cdef int which = head >> 1 & 7
    cdef Cursor payload
    if n > left(c):
        n = <uint32_t>left(c)
    payload = slice(c, n)
    p.time += later
    p.version = 6 if which & 1 else 4
    p.proto = PAIRS[which].proto
    memcpy(p.src, NET[which & 1], 16)
    memcpy(p.dst, NET[which & 1], 16)
    p.src[15] = <uint8_t>(2 - side)             # the opener is 2, the server 1
    p.dst[15] = <uint8_t>(1 + side)
    p.sport = PAIRS[which].dport if side else PAIRS[which].sport
    p.dport = PAIRS[which].sport if side else PAIRS[which].dport
    p.tcp_flags = FLAGS[head >> 4] if p.proto == IP_TCP else 0
    p.icmp_type = <uint8_t>beside
    p.seq = sequence[2 * which + side] + beside
    p.payload_len = JUMBO if missing & 1 else n
    p.length = 40 + p.payload_len
    p.n = n - n * missing // 255
    if beside == 0:
        sequence[2 * which + side] += p.payload_len + (p.tcp_flags & 3 != 0)
    block[0] = <uint8_t *>malloc(p.n)
    check(block[0] != NULL or p.n == 0)
    if p.n:
        memcpy(block[0], payload.p, p.n)
    p.payload = block[0]
    p.hash = 0


cdef void flows(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Shard *s = equipped(u8(&c))
    cdef uint32_t sequence[16]
    cdef uint8_t *block
    cdef Packet p
    cdef Decision d
    memset(&p, 0, sizeof(p))
    memset(sequence, 0xff, sizeof(sequence))    # numbers wrap soon
    p.time = s.now
    while left(&c) > 6:
        next_packet(&c, &p, sequence, &block)
        process(s, &p, &d)
        free(block)
        check(d.verdict <= HOLD)
        drain(s)
    finish(s)
