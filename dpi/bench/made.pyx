"""Flows that are made up while they run, as many at a time as one likes: no capture, and no memory but the engine's.

Every second flow is a TCP connection whose client sends a ClientHello, the others are datagrams.  What they send is given:
flow 2 n and 2 n + 1 send hello and datagram n, round and round.  Times are CPU seconds without those for making packets,
which are measured in the same way with nothing behind.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from dpi._fastpath cimport hint
from dpi.bench.batch cimport through
from dpi.bench.clock cimport cpu_ns
from dpi.core cimport Core
from dpi.decide.shard cimport Shard, lock, unlock
from dpi.wire.decode cimport decode
from dpi.wire.packet cimport IP_TCP, IP_UDP, TCP_ACK, TCP_SYN, Packet


cdef enum:
    AHEAD = 32
    FRAME = 2048            # bytes of the largest
    PAYLOAD_MAX = 1500
    LINK_ETHERNET = 1
    OPENING = 3             # packets that begin a flow: SYN, its answer, the hello; or three datagrams
    SPACING = 1000          # ns between packets: no flow is silent for long


cdef struct Payload:
    const uint8_t *at
    uint32_t n


cdef inline void put16(uint8_t *p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 8)
    p[1] = <uint8_t>v


cdef inline void put32(uint8_t *p, uint32_t v) noexcept nogil:
    put16(p, v >> 16)
    put16(p + 2, v)


cdef uint32_t make(uint8_t *frame, uint64_t flow, uint32_t server, bint down, uint32_t step, const Payload *sent) noexcept nogil:
    """A frame of the flow, its length; step: 0 SYN, 1 its answer, 2 and more: with payload."""
    cdef bint tcp = flow & 1 == 0
    cdef uint8_t *ip = frame + 14
    cdef uint8_t *transport = ip + 20
    cdef uint32_t header = 20 if tcp else 8
    cdef uint32_t n = 0 if tcp and step < 2 else sent.n
    cdef uint32_t client = <uint32_t>(10 << 24 | (flow & 0xffffff))
    cdef uint16_t own = <uint16_t>(40000 + (flow >> 24))
    cdef uint16_t other = 443 if tcp else 20000
    memset(frame, 0, 14 + 20 + header)
    put16(frame + 12, 0x0800)
    ip[0] = 0x45
    put16(ip + 2, 20 + header + n)
    ip[8] = 64
    ip[9] = IP_TCP if tcp else IP_UDP
    put32(ip + 12, server if down else client)
    put32(ip + 16, client if down else server)
    put16(transport, other if down else own)
    put16(transport + 2, own if down else other)
    if tcp:
        put32(transport + 4, (5000 if down else 1000) + (step > 0 and not down or step > 1))
        transport[12] = 0x50
        transport[13] = TCP_SYN if step == 0 else TCP_SYN | TCP_ACK if step == 1 else TCP_ACK
    else:
        put16(transport + 4, 8 + n)
    if n:
        memcpy(transport + header, sent.at, n)
    return 14 + 20 + header + n


cdef class Flows:
    """hellos, datagrams: as many of both; data: what all flows send once they are open."""
    cdef list kept
    cdef Payload payloads[2][65536]
    cdef Payload data
    cdef uint64_t kinds
    cdef uint8_t frames[AHEAD][FRAME]
    cdef int64_t now

    def __cinit__(self, hellos, datagrams, bytes data):
        cdef bytes each
        cdef int i, j
        self.kept = [list(hellos), list(datagrams), data]
        self.kinds = len(self.kept[0])
        if not 0 < self.kinds <= 65536 or len(self.kept[1]) != self.kinds:
            raise ValueError("there are 1 to 65536 hellos and as many datagrams")
        if max(map(len, [*self.kept[0], *self.kept[1], data])) > PAYLOAD_MAX:
            raise ValueError(f"a payload has at most {PAYLOAD_MAX} bytes")
        for i in range(2):
            for j, each in enumerate(self.kept[i]):
                self.payloads[i][j].at = each
                self.payloads[i][j].n = len(each)
        self.data.at, self.data.n = data, len(data)
        self.now = <int64_t>1700000000 * 1000000000

    def open(self, Core core, uint64_t flows):
        """Begins so many flows, three packets each, some at a time: seconds."""
        cdef uint64_t packets = (flows + AHEAD - 1) // AHEAD * AHEAD * OPENING
        return self.timed(core, flows, packets, True) - self.timed(None, flows, packets, True)

    def send(self, Core core, uint64_t flows, uint64_t packets):
        """So many packets more, each of another flow of them, in no order that memory could foresee: seconds."""
        return self.timed(core, flows, packets, False) - self.timed(None, flows, packets, False)

    cdef double timed(self, Core core, uint64_t flows, uint64_t packets, bint opening) except? -1:
        cdef Shard *s = core.shard if core is not None else NULL
        cdef Packet batch[AHEAD]
        cdef uint64_t i = 0
        cdef uint64_t group, flow, kind
        cdef uint32_t size, step
        cdef int j, n
        cdef int64_t start
        cdef bint down
        cdef const Payload *sent
        with nogil:
            if s != NULL:
                lock(s)
            start = cpu_ns()
            while i < packets:
                n = <int>min(packets - i, <uint64_t>AHEAD)
                for j in range(n):
                    if opening:     # AHEAD flows take turns
                        group = (i + j) // (AHEAD * OPENING)
                        step = <uint32_t>((i + j) // AHEAD % OPENING)
                        flow = group * AHEAD + (i + j) % AHEAD
                        down = step == 1
                    else:
                        flow = (i + j) * <uint64_t>0x9E3779B1 % flows
                        step = 3
                        down = (i + j) & 1
                    if flow >= flows:           # of the last who take turns
                        batch[j].version = 0
                        continue
                    kind = (flow >> 1) % self.kinds
                    sent = &self.data
                    if opening:
                        sent = &self.payloads[flow & 1][kind]
                    size = make(self.frames[j], flow, (<uint32_t>198 << 24 | 18 << 16) + <uint32_t>kind, down, step, sent)
                    if s == NULL:
                        continue
                    if decode(self.frames[j], size, size, LINK_ETHERNET, &batch[j], NULL):
                        batch[j].time = self.now
                        batch[j].origin = 0
                        hint(s, &batch[j])
                    else:
                        batch[j].version = 0
                    self.now += SPACING
                if s != NULL:
                    through(s, batch, n)
                i += n
            start = cpu_ns() - start
            if s != NULL:
                unlock(s)
        return start / 1e9
