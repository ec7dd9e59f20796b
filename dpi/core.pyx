"""A shard's Python face: what the engine sets it up with, drains from it and asks it.

All that is done to a shard from here is done under its lock, in chunks that are short beside a batch of packets,
so that the loop never waits long.  Labels, categories and methods are numbers here; decider.py knows their names.
"""

from libc.errno cimport EINTR
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dpi._fastpath cimport EVENTS_A_PACKET, IDLE_SWEEP, conclude, end, process, tick
from dpi.capture.decision cimport Decision
from dpi.capture.pcapfile cimport Capture
from dpi.conntrack_reports cimport reported_counters, reported_end
from dpi.decide.disposition cimport ask
from dpi.decide.labels cimport categorise
from dpi.decide.shard cimport (
    LABELS,
    LEARNT,
    TRAIT_CALL,
    TRAIT_MIXED,
    TRAIT_SHARED,
    WANT_FIRST,
    WANT_LABELLED,
    WANT_START,
    Learnt,
    Shard,
    lock,
    shard_free,
    shard_new,
    unlock,
)
from dpi.decide.tell cimport write_event
from dpi.dissect.declared cimport Declarations
from dpi.dissect.inspector cimport Work
from dpi.flow.events cimport END_FLUSHED, Event, ring_advance, ring_peek, ring_restart
from dpi.flow.flow cimport NONE, Flow
from dpi.flow.strings cimport String
from dpi.flow.table cimport packet_of, table_find, table_hash
from dpi.flow.timers cimport TIMEOUTS
from dpi.flow_counts cimport decided_by_rule, one_way_flows
from dpi.flow_tuples cimport event_tuple, flow_tuple
from dpi.match.hosts cimport Hosts
from dpi.match.names cimport Names
from dpi.match.ports cimport Ports
from dpi.match.prefixes cimport Prefixes
from dpi.match.rules cimport Rules
from dpi.offline cimport Context, take_records
from dpi.wire.block cimport block_of
from dpi.wire.fragments cimport fragments_free, fragments_new
from dpi.wire.packet cimport Packet


cdef enum:
    FRAGMENTED = 256        # datagrams in fragments at a time
    FRAGMENT_BYTES = 4 << 20
    MALLOC_OVERHEAD = 16


# By Fault in wire/view.pxd.
FAULT_NAMES = ("decoded", "unknown_link", "not_ip", "truncated", "bad_header", "later_fragment", "too_deep",
               "lost_fragment")


cdef class Core:
    """One shard.

    max_flows: flows at a time.  events: room in the ring.  merge: a 5-tuple is one flow for as long as the source
    lasts.  offload: a decided flow's mark is final.  risks: the server's answer is looked at for them.
    hearsay: DNS answers whose client is not seen teach, too, which whoever forges one would like.
    starts, labels, firsts: write these events too, not only ends.  blind: 1 leaves out all names that payloads show
    but DNS', 2 these too.  Raises MemoryError.
    """

    def __cinit__(self, uint32_t max_flows, *, uint32_t events=4096, bint merge=False, bint offload=False,
                  bint risks=False, bint hearsay=False, bint starts=False, bint labels=False, bint firsts=False, uint8_t blind=0):
        if max_flows < 1 or max_flows > 1 << 28:
            raise ValueError("max_flows is 1 to 268435456")
        self.shard = shard_new(max_flows, max(events, 4 * EVENTS_A_PACKET))
        self.fragments = fragments_new(FRAGMENTED, FRAGMENT_BYTES, <int64_t>30 * 1000000000)
        if self.shard == NULL or self.fragments == NULL:
            raise MemoryError(f"no memory for {max_flows} flows")
        self.shard.merge = merge
        self.shard.offload = offload
        self.shard.inspector.risks = risks
        self.shard.hearsay = hearsay
        self.shard.wants = (WANT_START if starts else 0) | (WANT_LABELLED if labels else 0) | (
            WANT_FIRST if firsts else 0)
        self.shard.blind = blind

    def __dealloc__(self):
        shard_free(self.shard)
        fragments_free(self.fragments)

    # Set-up

    def use(self, Hosts hosts, Prefixes prefixes, Ports ports, Names names, bytes category,
            video=None, calls=None, shared=(), push=None, Declarations declared=None,
            Rules rules=None, mixed=()):
        """Label from these tables.

        category: a byte for each label number.  video: {label: what it is when it has the shape of video};
        calls: {label: what its calls are}.  shared: labels whose hosts and addresses carry others' apps.
        push: {label: what its push service is}.  declared: signatures of bytes; what a side has shown of others so far
        is forgotten.  rules: whose disposition is an app's label.  mixed: labels whose owner has others at its addresses.
        """
        if len(category) > LABELS:
            raise ValueError(f"there are at most {LABELS} labels")
        videos = [(<uint16_t>owner, <uint16_t>app) for owner, app in (video or {}).items()]
        talks = [(<uint16_t>owner, <uint16_t>app) for owner, app in (calls or {}).items()]
        pushes = [(<uint16_t>owner, <uint16_t>app) for owner, app in (push or {}).items()]
        carriers = [<uint16_t>label for label in shared]
        owners = [<uint16_t>label for label in mixed]
        kept = (hosts, prefixes, ports, declared, rules)
        lock(self.shard)
        self.shard.hosts = &hosts.table
        self.shard.prefixes = &prefixes.table
        self.shard.ports = &ports.table
        self.shard.inspector.declared = &declared.table if declared is not None else NULL
        self.shard.app_rules = &rules.table if rules is not None else NULL
        self.shard.names = names.table
        memset(self.shard.category, 0, LABELS)
        memcpy(self.shard.category, <const uint8_t *>category, len(category))
        memset(self.shard.video, 0, LABELS * sizeof(uint16_t))
        memset(self.shard.calls, 0, LABELS * sizeof(uint16_t))
        for owner, app in videos:
            self.shard.video[<uint16_t>owner] = app
        for owner, app in talks:
            self.shard.calls[<uint16_t>owner] = app
        memset(self.shard.push, 0, LABELS * sizeof(uint16_t))
        for owner, app in pushes:
            self.shard.push[<uint16_t>owner] = app
        memset(self.shard.traits, 0, LABELS)
        for label in carriers:
            self.shard.traits[<uint16_t>label] |= TRAIT_SHARED
        for label in owners:
            self.shard.traits[<uint16_t>label] |= TRAIT_MIXED
        for _, app in talks:
            self.shard.traits[<uint16_t>app] |= TRAIT_CALL
        unlock(self.shard)
        self.signatures = kept
        self.names = names

    def set_rules(self, Rules rules, Rules routes, int mark_shift, uint32_t mark_final):
        """Decide by these rules from the next batch on.  Flows known keep their mark until reevaluate()."""
        lock(self.shard)
        self.shard.rules = &rules.table
        self.shard.routes = &routes.table
        self.shard.mark_shift = mark_shift
        self.shard.mark_final = mark_final
        memset(self.shard.learnt, 0, LEARNT * sizeof(Learnt))      # routes may be others now: tell them anew
        unlock(self.shard)
        self.rules, self.routes = rules, routes     # what was there before goes only now, when nothing reads it

    def override(self, uint8_t named, uint8_t answering):
        """Which routes' servers are found by DNS, and which of these somebody answers queries for now; a bit each."""
        lock(self.shard)
        self.shard.overrides = named
        self.shard.answers = answering
        unlock(self.shard)

    def set_timeout(self, int which, double seconds):
        """which: index in flow.timers.TIMEOUT_NAMES; 0 seconds stands for ever."""
        if not 0 <= which < TIMEOUTS or seconds < 0:
            raise ValueError("no such timeout")
        lock(self.shard)
        self.shard.table.wheel.timeout[which] = <int64_t>(seconds * 1e9)
        unlock(self.shard)

    def set_local(self, Prefixes local):
        """The addresses behind the LAN, for captures; None: whoever opens a flow is local."""
        self.local = local

    # Packets

    def feed(self, *, bytes src, int sport, bytes dst, int dport, int proto, bytes payload=b"", int64_t time=0,
             int vlan=0, int version=4, int flags=0, uint32_t seq=0, uint32_t ack=0, int origin=0, int length=0,
             int captured=-1, bint behind=False, int tunnel=0, int icmp_type=0, bytes sender=b"", bytes receiver=b""):
        """One packet, field by field, through process(): (verdict, mark or None, hold).  For tests."""
        cdef Packet p
        cdef Decision d
        cdef Py_ssize_t n = len(payload) if captured < 0 else min(captured, len(payload))
        cdef uint8_t *block
        packet_of(&p, (src, sport, dst, dport, vlan, proto))
        block = block_of(payload[:n])
        p.version = version
        p.tcp_flags, p.seq, p.ack, p.origin, p.time, p.behind = flags, seq, ack, origin, time, behind
        p.tunnel, p.icmp_type = <uint8_t>tunnel, <uint8_t>icmp_type
        p.payload_len, p.n, p.payload = <uint32_t>len(payload), <uint32_t>n, block
        p.length = length if length else 40 + p.payload_len
        if len(sender) == 6:
            p.sender = sender
        if len(receiver) == 6:
            p.receiver = receiver
        lock(self.shard)
        process(self.shard, &p, &d)
        unlock(self.shard)
        free(block)
        return d.verdict, d.mark if d.has_mark else None, d.hold

    def run(self, Capture capture, Py_ssize_t limit=1 << 16, int64_t until=INT64_MAX):
        """Takes up to `limit` records of a capture through; False at its end.  Stops soon after one of time `until`.

        Comes back early where the ring of events is filling up: drain it and go on; and where a pipe has nothing for a
        fifth of a second or a signal came.  A damaged capture just ends; next(capture) then raises what is to be said
        of it.  Flows that are silent for too long end here also in a shard that merges.
        """
        cdef Context context
        cdef bint more
        context.shard, context.fragments, context.faults = self.shard, self.fragments, &self.faults
        context.local = &self.local.table if self.local is not None else NULL
        capture.reader.turns = True
        self.records -= capture.reader.records
        with nogil:
            more = take_records(&context, &capture.reader, limit, until)
        self.records += capture.reader.records
        return more or capture.reader.error == EINTR

    def now(self):
        """The newest packet's time."""
        return self.shard.now

    def tick(self, int64_t now):
        """Lets time pass where no packets come."""
        lock(self.shard)
        tick(self.shard, now, IDLE_SWEEP)
        unlock(self.shard)

    # Events and flows

    def drain(self, Py_ssize_t limit=1024):
        """The oldest events, by flow_tuples.event_tuple()."""
        cdef const Event *e
        out = []
        while len(out) < limit:
            e = ring_peek(&self.shard.ring)
            if e == NULL:
                break
            out.append(event_tuple(e))
            ring_advance(&self.shard.ring)
        return out

    def room(self):
        """Events that the ring still takes."""
        return self.shard.ring.mask + 1 - (self.shard.ring.written - self.shard.ring.read)

    def flush(self, uint32_t start, uint32_t limit=512, bint for_good=False):
        """Ends flows from number `start` on, as many as the ring takes: the number to go on with, 0 when done.

        for_good: nothing but this is done with the shard any more, so that they need not be taken out of its tables.
        """
        cdef uint32_t i = start
        cdef uint32_t ended = 0
        lock(self.shard)
        ring_restart(&self.shard.ring)
        while i < self.shard.table.fresh and ended < limit:
            if self.shard.ring.written - self.shard.ring.read + 2 > self.shard.ring.mask:
                break
            if self.shard.table.flows[i].version:
                if for_good:
                    conclude(self.shard, i, END_FLUSHED)
                else:
                    end(self.shard, i, END_FLUSHED)
                ended += 1
            i += 1
        done = i >= self.shard.table.fresh
        unlock(self.shard)
        return 0 if done else i

    def flows(self, uint32_t start, uint32_t limit=256):
        """A chunk of the flows now known, and the number to go on with, 0 when done."""
        cdef Event e
        cdef uint32_t i = start
        out = []
        lock(self.shard)
        try:
            while i < self.shard.table.fresh and i - start < limit:
                if self.shard.table.flows[i].version:
                    write_event(self.shard, &self.shard.table.flows[i], 0, 0, &e)
                    out.append(flow_tuple(&e))
                i += 1
            done = i >= self.shard.table.fresh
        finally:
            unlock(self.shard)
        return out, 0 if done else i

    def decided_by_rule(self, int rules):
        """How many of the flows now known carry a mark, by rule: `rules` numbers, then those of no rule."""
        return decided_by_rule(self.shard, rules)

    def one_way(self, uint32_t examples):
        """Of TCP: (connections that carry something, of these seen from the LAN alone, seen towards it alone, and the
        first of both: (1 towards the LAN, the address behind it, the other))."""
        return one_way_flows(self.shard, examples)

    def find(self, key):
        """The flow of (src, sport, dst, dport, vlan, proto), addresses of 16 bytes, from either side; or None."""
        cdef Event e
        cdef int side = 0
        cdef uint32_t i
        lock(self.shard)
        try:
            i = self.number_of(key, &side)
            if i == NONE:
                return None
            write_event(self.shard, &self.shard.table.flows[i], 0, 0, &e)
            return flow_tuple(&e)
        finally:
            unlock(self.shard)

    def close(self, key, packets_src=None, bytes_src=None, packets_dst=None, bytes_dst=None):
        """The kernel reports the end of a flow, with its counters where it keeps any.  False: not known here."""
        cdef int side = 0
        cdef uint32_t i
        lock(self.shard)
        try:
            i = self.number_of(key, &side)
            return i != NONE and reported_end(self.shard, i, side, packets_src, bytes_src, packets_dst, bytes_dst)
        finally:
            unlock(self.shard)

    def update(self, key, packets_src, bytes_src, packets_dst, bytes_dst, int64_t now):
        """Counters of a flow that the kernel has, and a sign that it lives.  False: not known here."""
        cdef int side = 0
        cdef uint32_t i
        lock(self.shard)
        try:
            i = self.number_of(key, &side)
            if i == NONE:
                return False
            reported_counters(self.shard, i, side, packets_src, bytes_src, packets_dst, bytes_dst, now)
            return True
        finally:
            unlock(self.shard)

    def reevaluate(self, uint32_t start, uint32_t limit=1024):
        """Asks the rules again for a chunk of flows: those for which the answer changed, and where to go on (0: done)."""
        cdef Event e
        cdef uint32_t i = start
        cdef uint32_t mark
        cdef Flow *f
        out = []
        lock(self.shard)
        try:
            while i < self.shard.table.fresh and i - start < limit:
                f = &self.shard.table.flows[i]
                if f.version:
                    mark = f.mark
                    categorise(self.shard, f)
                    f.rule, f.disposition, f.route, f.mark = NONE, 0, 0, 0
                    ask(self.shard, f)
                    if f.mark != mark:
                        write_event(self.shard, f, 0, 0, &e)
                        out.append(flow_tuple(&e))
                i += 1
            done = i >= self.shard.table.fresh
        finally:
            unlock(self.shard)
        return out, 0 if done else i

    cdef uint32_t number_of(self, key, int *side) except? 0xFFFFFFFE:
        cdef Packet p
        packet_of(&p, key)
        return table_find(self.shard.table, &p, table_hash(self.shard.table, &p), side)

    def counters(self):
        """Totals since the start, and what is in use now."""
        cdef Shard *s = self.shard
        cdef int i
        lock(s)
        out = dict(s.counters)
        out["active"] = s.table.count
        out["undecided"] = s.table.age[0].count
        out["capacity"] = s.table.capacity
        out["strings"] = s.strings.count
        out["flow_bytes"] = s.table.count * (sizeof(Flow) + (s.table.mask + 1) * sizeof(uint64_t) // s.table.capacity)
        out["string_bytes"] = s.strings.bytes + s.strings.count * (sizeof(String) + sizeof(uint32_t) + MALLOC_OVERHEAD)
        out["strings_refused"] = s.strings.refused
        out["works"] = s.inspector.used
        out["work_bytes"] = s.inspector.used * sizeof(Work) + s.inspector.pool.used
        out["works_refused"] = s.inspector.refused
        out["stream_bytes"] = s.inspector.pool.used
        out["streams_refused"] = s.inspector.pool.refused
        out["events_lost"] = s.ring.lost
        out["records"] = self.records
        for i in range(len(FAULT_NAMES)):
            out[FAULT_NAMES[i]] = self.faults.count[i]
        unlock(s)
        return out
