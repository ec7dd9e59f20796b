"""The whole engine but the decoder: packets of a few flows through process(), and the events that come of them.

The input is a sequence of packets, each a head of six bytes and its payload:

    side and flow     bit 0: who sends; bits 1-3: one of eight pairs of ports and transports; bits 4-7: TCP flags
    sequence          signed: how far beside the next number of that side the packet's lies; 0 is in order
    time              how long after the one before, as a power of two of ns
    cut               256ths of the payload that were not captured
    length            of the payload, 2 bytes

One shard serves all inputs, since making one costs more than most of them do.  Each input begins a day after the one
before, and ends with every flow ended and all that flows were lent given back.
"""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcpy, memset

from dpi._fastpath cimport EVENTS_A_PACKET, end, process
from dpi.capture.decision cimport Decision
from dpi.decide.shard cimport WANT_LABELLED, WANT_START, Shard, shard_new
from dpi.dissect.declared cimport Declarations
from dpi.flow.events cimport END_FLUSHED, EVENT_LEARNT, Event, ring_advance, ring_peek
from dpi.match.hosts cimport Hosts
from dpi.match.names cimport names_new
from dpi.wire.cursor cimport Cursor, left, over, slice, u8, u16
from dpi.wire.packet cimport IP_TCP, Packet

from dpi.dissect.declaration import Declaration, Host, Length, Part


cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t size)


cdef int64_t DAY = 86400 * <int64_t>1000000000


cdef enum:
    FLOWS = 4               # fewer than there are pairs: eviction is reached
    EVENTS = 4 * EVENTS_A_PACKET


cdef extern from *:
    """
    static const struct { uint16_t sport, dport; uint8_t proto; } FUZZ_PAIRS[8] = {
        {40000, 443, 6}, {40001, 80, 6}, {40002, 443, 17}, {40003, 53, 17},
        {40004, 12345, 6}, {40005, 3478, 17}, {40006, 25, 6}, {0, 0, 1}};
    static const uint8_t FUZZ_FLAGS[16] = {0x18, 0x10, 0x02, 0x12, 0x11, 0x04, 0x14, 0, 0x19, 0x38, 0x18, 0x18,
                                           0x42, 0x1b, 0xff, 0x29};
    """
    cdef struct Pair:
        uint16_t sport
        uint16_t dport
        uint8_t proto
    Pair PAIRS "FUZZ_PAIRS"[8]
    const uint8_t FLAGS "FUZZ_FLAGS"[16]


cdef Shard *SHARD = shard_new(FLOWS, EVENTS)
cdef Hosts HOSTS = Hosts([("example.org", 600), ("*.video.example", 601), ("=a.example", 602), ("cdn*.example", 603)])


cdef Declarations DECLARED = Declarations([
    Declaration(604, False, (6, 17), (Part(b"GATE", b"\xff" * 4), Part(b"go", b"\xff\xff", 0, 64, b"k=")),
                counted=Length(5, 1, 6), host=Host(0, b"to=", b";")),
    Declaration(605, True, (6, 17), (Part(b"%%", b"\xff\xff"),), both=True, host=Host(2, size=1)),
    Declaration(606, False, (17,), (Part(b"\x01\x02\x03", b"\xff" * 3, 9),), ((12345, 12345),), packets=(2, 3)),
])


cdef void check(bint promise) noexcept nogil:
    if not promise:
        abort()


cdef void drain(Shard *s) noexcept nogil:
    cdef const Event *e
    while True:
        e = ring_peek(&s.ring)
        if e == NULL:
            return
        check(strnlen(e.host, sizeof(e.host)) < sizeof(e.host))
        if e.kind != EVENT_LEARNT:
            check(strnlen(e.agent, sizeof(e.agent)) < sizeof(e.agent))
            check(strnlen(e.alpn, sizeof(e.alpn)) < sizeof(e.alpn))
            check(strnlen(e.content_type, sizeof(e.content_type)) < sizeof(e.content_type))
            check(strnlen(e.ja4, sizeof(e.ja4)) < sizeof(e.ja4))
            check(e.flow.version == 4 or e.flow.version == 6)
        ring_advance(&s.ring)


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
    p.src[15] = <uint8_t>(1 + side)
    p.dst[15] = <uint8_t>(2 - side)
    p.sport = PAIRS[which].dport if side else PAIRS[which].sport
    p.dport = PAIRS[which].sport if side else PAIRS[which].dport
    p.tcp_flags = FLAGS[head >> 4] if p.proto == IP_TCP else 0
    p.icmp_type = <uint8_t>beside
    p.seq = sequence[2 * which + side] + beside
    p.payload_len = n
    p.length = 40 + n
    p.n = n - n * missing // 255
    if beside == 0:
        sequence[2 * which + side] += n + (p.tcp_flags & 3 != 0)
    block[0] = <uint8_t *>malloc(p.n)
    check(block[0] != NULL or p.n == 0)
    if p.n:
        memcpy(block[0], payload.p, p.n)
    p.payload = block[0]
    p.hash = 0


cdef void flows(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Shard *s = SHARD
    cdef uint32_t sequence[16]
    cdef uint8_t *block
    cdef uint32_t i
    cdef Packet p
    cdef Decision d
    check(s != NULL)
    s.hosts = &HOSTS.table
    s.inspector.declared = &DECLARED.table
    if s.names == NULL:
        s.names = names_new(64)
    s.wants = WANT_START | WANT_LABELLED
    s.offload = n & 1
    s.risks = n >> 1 & 1
    memset(&p, 0, sizeof(p))
    memset(sequence, 0xff, sizeof(sequence))    # numbers wrap soon
    p.time = s.now + DAY
    while left(&c) > 6:
        next_packet(&c, &p, sequence, &block)
        process(s, &p, &d)
        free(block)
        check(d.verdict <= 2)
        check(s.table.count <= FLOWS)
        check(s.inspector.used <= s.table.count)
        drain(s)
    for i in range(s.table.fresh):
        if s.table.flows[i].version:
            end(s, i, END_FLUSHED)
            drain(s)
    check(s.table.count == 0)
    check(s.inspector.used == 0)
    check(s.inspector.pool.used == 0)
    check(s.strings.count == 0)
