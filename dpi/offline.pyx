"""From a capture into the engine: what a shard does with the records that the file's reader has.

A few are decoded first and their flows' entries are asked for; only then their packets are processed, so that their
memory is on its way meanwhile, as inline.pyx has it for a queue's batches.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from dpi._fastpath cimport EVENTS_A_PACKET, IDLE_SWEEP, hint, hint_again, process, sweep
from dpi.capture.decision cimport Decision
from dpi.capture.pcapfile cimport at_hand, next_record
from dpi.capture.reader cimport CaptureReader, Record, stock_up
from dpi.decide.shard cimport Shard, lock, unlock
from dpi.match.prefix_table cimport PrefixTable, prefix_match
from dpi.wire.decode cimport decode
from dpi.wire.fragments cimport fragments_add
from dpi.wire.packet cimport FRAGMENT_JOINED, FRAGMENT_NONE, ORIGIN_LAN, ORIGIN_UNKNOWN, ORIGIN_WAN, Packet


cdef enum:
    AHEAD = 32              # packets that are decoded before the first of them is processed
    SWEEP = 4               # flows and slots of the timer wheel that each of them pays for


cdef struct Batch:
    Packet packets[AHEAD]
    bint counted[AHEAD]     # decoded whole: to be processed; of the others only fragments are of use
    int n


cdef inline uint8_t origin_of(const PrefixTable *local, const Packet *p) noexcept nogil:
    if local == NULL:
        return ORIGIN_UNKNOWN
    if prefix_match(local, p.src):
        return ORIGIN_LAN
    return ORIGIN_WAN if prefix_match(local, p.dst) else ORIGIN_UNKNOWN


cdef bint gather(Context *c, CaptureReader *r, int most, Batch *b) noexcept nogil:
    """The next few packets, as many as the reader's buffer holds together; False at the capture's end."""
    cdef Record record
    cdef Packet *p
    b.n = 0
    stock_up(r)
    while b.n < most and (b.n == 0 or at_hand(r)):
        if not next_record(r, &record):
            return False
        p = &b.packets[b.n]
        p.fragment = FRAGMENT_NONE
        b.counted[b.n] = decode(record.data, record.caplen, record.wirelen, record.linktype, p, c.faults)
        p.time = record.time
        if b.counted[b.n]:
            p.origin = origin_of(c.local, p)
            hint(c.shard, p)
        b.n += 1
    return True


cdef bint take_records(Context *c, CaptureReader *r, Py_ssize_t limit, int64_t until) noexcept nogil:
    """Takes up to `limit` records through; False at the capture's end.  Stops soon after one of time `until`.

    Comes back early where the ring of events is filling up.
    """
    cdef Shard *s = c.shard
    cdef Batch batch
    cdef Packet whole
    cdef Decision d
    cdef Py_ssize_t n = 0
    cdef uint64_t most
    cdef int i
    cdef bint more = True
    lock(s)
    while more and n < limit and s.now < until:
        most = (s.ring.mask + 1 - (s.ring.written - s.ring.read)) // (2 * EVENTS_A_PACKET)
        if most == 0 or n and most < AHEAD:
            break
        more = gather(c, r, <int>min(most, <uint64_t>min(AHEAD, limit - n)), &batch)
        n += batch.n
        for i in range(batch.n):
            if batch.counted[i]:
                hint_again(s, &batch.packets[i])
        for i in range(batch.n):
            if batch.counted[i]:
                process(s, &batch.packets[i], &d)
            if batch.packets[i].fragment != FRAGMENT_NONE:
                if fragments_add(c.fragments, &batch.packets[i], &whole, c.faults):
                    whole.origin = origin_of(c.local, &whole)
                    whole.fragment = FRAGMENT_JOINED
                    process(s, &whole, &d)
        if s.merge:
            sweep(s, batch.n * SWEEP)
    sweep(s, IDLE_SWEEP)            # after a long silence few packets would not pay for the wheel's slots
    unlock(s)
    return more
