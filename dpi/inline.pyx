"""From a kernel queue into the engine: what a shard does with each batch that the queue's reader hands over.

The batch is decoded first and its flows' index entries are asked for; only then the packets are processed, so that
their memory is on its way meanwhile.  A packet that cannot be decoded is left alone: it passes, without a mark.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from dpi._fastpath cimport IDLE_SWEEP, hint, hint_again, process, tick
from dpi.capture.decision cimport Decision
from dpi.capture.nfnetlink cimport CHECKSUM_NOT_VERIFIED, QueuedPacket
from dpi.capture.nfqueue cimport PacketHandler
from dpi.capture.queue_loop cimport BATCH
from dpi.core cimport Core
from dpi.decide.shard cimport Shard, lock, unlock
from dpi.match.rule_table cimport RulePrefix, within
from dpi.wire.decode cimport decode_ip
from dpi.wire.packet cimport ORIGIN_LAN, ORIGIN_UNKNOWN, ORIGIN_WAN, Packet, SUM_LEFT, SUM_OPEN
from dpi.wire.view cimport FAULTS, Faults


cdef extern from "<unistd.h>" nogil:
    Py_ssize_t write(int fd, const void *data, size_t n)


cdef enum:
    AHEAD = 32              # packets that are decoded before the first of them is processed
    LASTS = 64              # a power of two: what tells which packet of a flow is the last of so many
    LANS_MAX = 64
    MAC = 6                 # bytes
    PREFIXES_MAX = 64


cdef struct Context:
    Shard *shard
    uint32_t lans[64]       # interface indexes of the LAN side
    uint16_t vlans[64]      # … the VLAN that each is, 0 for none
    uint32_t n_lans
    uint8_t tagged          # one of them is a VLAN's
    int wake                # an eventfd, or -1: written when the control plane is not to wait for its turn
    uint8_t by_address      # LAN and WAN share a device: tell them by address
    RulePrefix local[64]
    uint32_t n_local
    Faults faults
    Packet packets[32]
    uint32_t lasts[64]


cdef bint is_local(const Context *c, const uint8_t *addr) noexcept nogil:
    cdef uint32_t i
    for i in range(c.n_local):
        if within(&c.local[i], addr):
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


cdef void look_behind(Context *c, uint32_t n, bint more) noexcept nogil:
    """Tells each of the first n packets whether others of its flow may come right behind.  more: there are others."""
    cdef uint32_t i
    cdef uint32_t *last
    memset(c.lasts, 0, sizeof(c.lasts))
    for i in range(n, 0, -1):
        last = &c.lasts[c.packets[i - 1].hash & (LASTS - 1)]
        c.packets[i - 1].behind = more or last[0] == c.packets[i - 1].hash
        last[0] = c.packets[i - 1].hash


cdef uint16_t vlan_of(const Context *c, const QueuedPacket *q) noexcept nogil:
    """The VLAN of the LAN's device that a packet came in by or goes out by."""
    cdef uint32_t i
    for i in range(c.n_lans):
        if c.vlans[i] and (c.lans[i] == q.indev or c.lans[i] == q.outdev):
            return c.vlans[i]
    return 0


cdef void decide(void *ctx, const QueuedPacket *packets, Decision *decisions, uint32_t n,
                 int64_t now) noexcept nogil:
    cdef Context *c = <Context *>ctx
    cdef const QueuedPacket *q
    cdef Packet *p
    cdef uint32_t start = 0
    cdef uint32_t i, end
    cdef uint64_t held
    cdef uint64_t one = 1
    cdef bint wanted        # by a packet that is held, or because the ring of events is half full
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
            p.vlan = vlan_of(c, q) if c.tagged else q.vlan
            p.sender = q.sender
            if q.l2_len >= 2 * MAC:
                p.receiver = q.l2
                p.sender = q.l2 + MAC
            p.origin = origin_of(c, q, p)
            p.summed = SUM_OPEN if q.skb_info == CHECKSUM_NOT_VERIFIED else SUM_LEFT
            hint(c.shard, p)
        for i in range(start, end):
            if c.packets[i - start].version:
                hint_again(c.shard, &c.packets[i - start])
        look_behind(c, end - start, end < n or n == BATCH)
        for i in range(start, end):
            if c.packets[i - start].version:
                process(c.shard, &c.packets[i - start], &decisions[i])
        start = end
    held -= c.shard.holds
    wanted = held or 2 * (c.shard.ring.written - c.shard.ring.read) > c.shard.ring.mask
    unlock(c.shard)
    if wanted and c.wake >= 0:
        write(c.wake, &one, sizeof(one))    # a full counter wakes as well


cdef class InlineHandler(PacketHandler):
    """Feeds a queue's packets to a shard.

    lans: interface indexes of the LAN side (bridge ports in bridge mode).  local: prefixes behind the LAN as (16 bytes,
    bits), which decide instead where given.  vlans: {interface index: the VLAN that it is}, of a router.  wake: an eventfd that is written when a packet is held or the events'
    ring is half full.
    """
    cdef Context context
    cdef Core core

    def __init__(self, Core core, lans=(), local=(), vlans=None, int wake=-1):
        cdef int i
        if len(local) > PREFIXES_MAX:
            raise ValueError(f"at most {PREFIXES_MAX} local prefixes")
        memset(&self.context, 0, sizeof(self.context))
        self.context.shard = core.shard
        self.core = core
        self.use_lans(lans, vlans)
        self.context.wake = wake
        for i, (addr, bits) in enumerate(local):
            if len(addr) != 16 or not 0 <= bits <= 128:
                raise ValueError("a prefix is 16 bytes and 0 to 128 bits")
            for j in range(16):
                self.context.local[i].addr[j] = addr[j]
            self.context.local[i].bits = bits
        self.context.n_local = <uint32_t>len(local)
        if vlans:
            core.shard.table.vlans = 0
        self.context.by_address = len(local) > 0
        self.handler.decide = decide
        self.handler.ctx = &self.context

    def use_lans(self, lans, vlans=None):
        """From the next batch on: an interface that comes back has another index."""
        cdef int i
        if len(lans) > LANS_MAX:
            raise ValueError(f"at most {LANS_MAX} LAN interfaces")
        numbers = [(<uint32_t>index, <uint16_t>(vlans or {}).get(index, 0)) for index in lans]
        lock(self.context.shard)
        self.context.tagged = 0
        for i, (index, vlan) in enumerate(numbers):
            self.context.lans[i] = index
            self.context.vlans[i] = vlan
            self.context.tagged |= self.context.vlans[i] != 0
        self.context.n_lans = <uint32_t>len(numbers)
        unlock(self.context.shard)

    def faults(self):
        """Packets that could not be decoded, by wire/view.pxd's Fault."""
        cdef int i
        return [self.context.faults.count[i] for i in range(<int>FAULTS)]
