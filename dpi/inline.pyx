"""From a kernel queue into the engine: what a shard does with each batch that the queue's reader hands over.

The batch is decoded first and its flows' index entries are asked for; only then the packets are processed, so that
their memory is on its way meanwhile.  A packet that cannot be decoded is left alone: it passes, without a mark.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from dpi._fastpath cimport IDLE_SWEEP, hint, hint_again, process, tick
from dpi.capture.decision cimport Decision
from dpi.capture.nfnetlink cimport QueuedPacket
from dpi.capture.nfqueue cimport PacketHandler
from dpi.core cimport Core
from dpi.decide.shard cimport Shard, lock, unlock
from dpi.match.rules cimport RulePrefix
from dpi.wire.decode cimport decode_ip
from dpi.wire.packet cimport ORIGIN_LAN, ORIGIN_UNKNOWN, ORIGIN_WAN, Packet
from dpi.wire.view cimport FAULTS, Faults


cdef extern from "<unistd.h>" nogil:
    Py_ssize_t write(int fd, const void *data, size_t n)


cdef enum:
    AHEAD = 32              # packets that are decoded before the first of them is processed
    LANS_MAX = 64
    PREFIXES_MAX = 64


cdef struct Context:
    Shard *shard
    uint32_t lans[64]       # interface indexes of the LAN side
    uint32_t n_lans
    int wake                # an eventfd, or -1: written when a packet is held for the control plane
    uint8_t by_address      # LAN and WAN share a device: tell them by address
    RulePrefix local[64]
    uint32_t n_local
    Faults faults
    Packet packets[32]


cdef bint is_local(const Context *c, const uint8_t *addr) noexcept nogil:
    cdef uint32_t i
    cdef int whole, j
    cdef int rest
    cdef const RulePrefix *p
    cdef bint same
    for i in range(c.n_local):
        p = &c.local[i]
        whole = p.bits >> 3
        rest = p.bits & 7
        same = True
        for j in range(whole):
            same &= p.addr[j] == addr[j]
        if same and (rest == 0 or (p.addr[whole] ^ addr[whole]) >> (8 - rest) == 0):
            return True
    return False


cdef uint8_t origin_of(const Context *c, const QueuedPacket *q, const Packet *p) noexcept nogil:
    """Which side a packet came in from."""
    cdef uint32_t device = q.physindev if q.physindev else q.indev
    cdef uint32_t i
    if c.by_address:
        return ORIGIN_LAN if is_local(c, p.src) else ORIGIN_WAN
    if c.n_lans == 0:
        return ORIGIN_UNKNOWN
    for i in range(c.n_lans):
        if c.lans[i] == device:
            return ORIGIN_LAN
    return ORIGIN_WAN


cdef void decide(void *ctx, const QueuedPacket *packets, Decision *decisions, uint32_t n,
                 int64_t now) noexcept nogil:
    cdef Context *c = <Context *>ctx
    cdef const QueuedPacket *q
    cdef Packet *p
    cdef uint32_t start = 0
    cdef uint32_t i, end
    cdef uint64_t held
    cdef uint64_t one = 1
    lock(c.shard)
    held = c.shard.holds
    if n == 0:
        tick(c.shard, now, IDLE_SWEEP)
    while start < n:
        end = min(start + AHEAD, n)
        for i in range(start, end):
            q = &packets[i]
            p = &c.packets[i - start]
            if q.payload == NULL or not decode_ip(q.payload, q.n, q.length, p, &c.faults):
                p.version = 0
                continue
            p.time = q.time
            p.vlan = q.vlan
            p.origin = origin_of(c, q, p)
            hint(c.shard, p)
        for i in range(start, end):
            if c.packets[i - start].version:
                hint_again(c.shard, &c.packets[i - start])
        for i in range(start, end):
            if c.packets[i - start].version:
                process(c.shard, &c.packets[i - start], &decisions[i])
        start = end
    held -= c.shard.holds
    unlock(c.shard)
    if held and c.wake >= 0:
        write(c.wake, &one, sizeof(one))    # a full counter wakes as well


cdef class InlineHandler(PacketHandler):
    """Feeds a queue's packets to a shard.

    lans: interface indexes of the LAN side (bridge ports in bridge mode).  local: prefixes behind the LAN as (16 bytes,
    bits), which decide instead where given.  wake: an eventfd that is written when a packet is held.
    """
    cdef Context context
    cdef Core core

    def __init__(self, Core core, lans=(), local=(), int wake=-1):
        cdef int i
        if len(lans) > LANS_MAX or len(local) > PREFIXES_MAX:
            raise ValueError(f"at most {LANS_MAX} LAN interfaces and {PREFIXES_MAX} local prefixes")
        memset(&self.context, 0, sizeof(self.context))
        for i, index in enumerate(lans):
            self.context.lans[i] = index
        self.context.n_lans = <uint32_t>len(lans)
        self.context.wake = wake
        for i, (addr, bits) in enumerate(local):
            if len(addr) != 16 or not 0 <= bits <= 128:
                raise ValueError("a prefix is 16 bytes and 0 to 128 bits")
            for j in range(16):
                self.context.local[i].addr[j] = addr[j]
            self.context.local[i].bits = bits
        self.context.n_local = <uint32_t>len(local)
        self.context.by_address = len(local) > 0
        self.context.shard = core.shard
        self.core = core
        self.handler.decide = decide
        self.handler.ctx = &self.context

    def faults(self):
        """Packets that could not be decoded, by wire/view.pxd's Fault."""
        cdef int i
        return [self.context.faults.count[i] for i in range(<int>FAULTS)]
