"""A capture in memory, run through a shard as often as one likes: what the engine costs without a disk or a kernel.

A queue's packets have just been copied and are in the cache; here their headers are asked for one batch ahead
instead.  The packets are decoded a few ahead of where they are processed, as the queue's reader does, so that the flow
table's memory is on its way.  Times are the thread's CPU time.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from dpi._fastpath cimport hint
from dpi.bench.batch cimport through
from dpi.bench.clock cimport cpu_ns
from dpi.capture.pcapfile cimport Capture, next_record
from dpi.capture.reader cimport Record
from dpi.core cimport Core
from dpi.decide.shard cimport Shard, lock, unlock
from dpi.flow.flow cimport NONE
from dpi.flow.table cimport (
    Table,
    table_find,
    table_free,
    table_hash,
    table_insert,
    table_new,
    table_prefetch,
    table_prefetch_flow,
)
from dpi.wire.decode cimport decode
from dpi.wire.packet cimport ORIGIN_UNKNOWN, Packet


cdef class Replay:
    """All records of a capture.  Raises CaptureError, MemoryError."""

    def __cinit__(self, Capture capture):
        cdef Record record
        while next_record(&capture.reader, &record):
            self.keep(&record)

    def __dealloc__(self):
        free(self.bytes)
        free(self.held)

    def __len__(self):
        return self.n

    cdef int keep(self, const Record *r) except -1:
        cdef void *grown
        if self.n == self.room_held:
            grown = realloc(self.held, (2 * self.room_held + 1024) * sizeof(Held))
            if grown == NULL:
                raise MemoryError
            self.held = <Held *>grown
            self.room_held = 2 * self.room_held + 1024
        if self.size + r.caplen > self.room:
            grown = realloc(self.bytes, 2 * self.room + r.caplen + (1 << 20))
            if grown == NULL:
                raise MemoryError
            self.bytes = <uint8_t *>grown
            self.room = 2 * self.room + r.caplen + (1 << 20)
        memcpy(self.bytes + self.size, r.data, r.caplen)
        self.held[self.n].at = self.size
        self.held[self.n].time = r.time
        self.held[self.n].caplen = r.caplen
        self.held[self.n].wirelen = r.wirelen
        self.held[self.n].linktype = r.linktype
        self.size += r.caplen
        self.n += 1
        return 0

    def track(self, uint32_t max_flows):
        """CPU seconds for decoding every packet and finding its flow in a table, and nothing else."""
        cdef Packet packets[AHEAD]
        cdef Table *t = table_new(max_flows)
        cdef Held *h
        cdef uint64_t i = 0
        cdef uint64_t j
        cdef uint32_t flow
        cdef int n, k
        cdef int side = 0
        cdef int64_t start
        if t == NULL:
            raise MemoryError
        with nogil:
            start = cpu_ns()
            while i < self.n:
                n = 0
                for j in range(i, min(i + AHEAD, self.n)):
                    look_ahead(self, j)
                    h = &self.held[j]
                    if decode(self.bytes + h.at, h.caplen, h.wirelen, h.linktype, &packets[n], NULL):
                        packets[n].time = h.time
                        packets[n].hash = table_hash(t, &packets[n])
                        table_prefetch(t, packets[n].hash)
                        n += 1
                for k in range(n):
                    table_prefetch_flow(t, packets[k].hash)
                for k in range(n):
                    flow = table_find(t, &packets[k], packets[k].hash, &side)
                    if flow == NONE:
                        flow = table_insert(t, &packets[k], packets[k].hash)
                        side = 0
                    if flow != NONE:
                        t.flows[flow].last = packets[k].time
                        t.flows[flow].packets[side] += 1
                        t.flows[flow].bytes[side] += packets[k].length
                i += AHEAD
            start = cpu_ns() - start
        table_free(t)
        return start / 1e9

    def run(self, Core core):
        """CPU seconds for taking every packet through a shard; its events are thrown away."""
        cdef Packet packets[AHEAD]
        cdef Shard *s = core.shard
        cdef Held *h
        cdef uint64_t i = 0
        cdef uint64_t j, n
        cdef int64_t start
        with nogil:
            lock(s)
            start = cpu_ns()
            while i < self.n:
                n = min(self.n - i, <uint64_t>AHEAD)
                for j in range(n):
                    look_ahead(self, i + j)
                    h = &self.held[i + j]
                    if decode(self.bytes + h.at, h.caplen, h.wirelen, h.linktype, &packets[j], NULL):
                        packets[j].time = h.time
                        packets[j].origin = ORIGIN_UNKNOWN
                        hint(s, &packets[j])
                    else:
                        packets[j].version = 0
                through(s, packets, <int>n)
                i += n
            start = cpu_ns() - start
            unlock(s)
        return start / 1e9
