"""The loop: flow → dissect → match → decide, for one packet at a time, without the GIL or a Python object.

process() is the same for the queue, for a capture and for the fuzzer; it does no I/O and keeps nothing of the
packet.  What a flow still needs is a value in it: when it is empty, a packet costs a look-up and two counters.

How a flow gets its labels is in decide/labels.pyx, what becomes of it in decide/disposition.pyx.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from dpi.capture.decision cimport ACCEPT, Decision
from dpi.decide.answers cimport answer_learn
from dpi.decide.by_rule cimport by_rule, withdraw_rule
from dpi.decide.calls cimport call_again, call_learn, call_settle
from dpi.decide.closed cimport closed_before, closed_learn
from dpi.decide.device cimport device_forget, device_learn
from dpi.decide.disposition cimport ask, host_ruled
from dpi.decide.first cimport first_tell
from dpi.decide.labels cimport (
    answered, categorise, forget, header_label, may_lie, name_at_end, name_by_address, name_late, take_answer, take_over,
)
from dpi.decide.near cimport near_learn
from dpi.decide.peers cimport peer_again, peer_settle, peers_awaited, peers_read
from dpi.decide.quiet cimport quiet, waits
from dpi.decide.risks cimport add_risks, answer_awaited, asked_of, await_login, port_risks
from dpi.decide.shape cimport shape_begin, shape_end, shape_watch
from dpi.decide.shard cimport WANT_FIRST, WANT_LABELLED, WANT_START, Shard
from dpi.decide.tell cimport emit
from dpi.dissect.answer cimport NO, YES, Answer
from dpi.dissect.find cimport begun, find_cut_answer
from dpi.dissect.inspect cimport inspect, inspect_end, inspect_next, rest_matters
from dpi.dissect.inspector cimport (
    NEED_ANSWER, NEED_MESSAGES, NEED_NAME, NEED_PEERS, NEED_PROTOCOL, NEED_QUIET, NEED_SHAPE, Finding, enough, release,
)
from dpi.dissect.protocols cimport P_DNS
from dpi.dissect.risks cimport RISK_DECOY
from dpi.flow.events cimport END_CLOSED, END_EVICTED, END_IDLE, END_REUSED, EVENT_END, EVENT_LABELLED, EVENT_START
from dpi.flow.evidence cimport BY_SIGNATURE, BY_SNI, confidence_of, improve
from dpi.flow.flow cimport (
    BASED_DOUBTED,
    FLOW_DECIDED,
    FLOW_NAMED,
    FLOW_OFFLOADED,
    FLOW_OPENER,
    FLOW_SYN_SEEN,
    FLOW_TLS,
    FLOW_TOUCHED,
    NONE,
    STATE_CLOSING,
    STATE_NEW,
    STATE_SYN,
    STATE_TWO_WAY,
    Flow,
    opener,
)
from dpi.flow.late cimport from_server
from dpi.flow.table cimport (
    table_decided,
    table_find,
    table_hash,
    table_insert,
    table_prefetch,
    table_prefetch_flow,
    table_remove,
    table_victim,
)
from dpi.flow.tcp cimport follow_tcp, remember_signs
from dpi.flow.timers cimport wheel_due
from dpi.match.names cimport names_soon
from dpi.wire.packet cimport (
    FRAGMENT_JOINED,
    IP_ICMP,
    IP_ICMPV6,
    IP_SCTP,
    IP_TCP,
    IP_UDP,
    ORIGIN_LAN,
    ORIGIN_WAN,
    Packet,
)


cdef enum:
    SWEEP = 4               # slots and flows of the timer wheel that a packet pays for


cdef void hint(Shard *s, Packet *p) noexcept nogil:
    """Has the memory that process() will want for this packet brought nearer, some packets ahead."""
    p.hash = table_hash(s.table, p)
    table_prefetch(s.table, p.hash)


cdef void hint_again(Shard *s, const Packet *p) noexcept nogil:
    """The second half of that, some packets later: of a flow that is known its entry, of a new one its names."""
    if not table_prefetch_flow(s.table, p.hash) and s.names != NULL:
        names_soon(s.names, p.src, p.dst, p.dport, p.proto)


cdef inline bint is_icmp_error(const Packet *p) noexcept nogil:
    """RFC 1122, 3.2.2 and RFC 4443, 2.1: a message about another packet."""
    if p.proto == IP_ICMPV6:
        return p.icmp_type < 128
    return p.proto == IP_ICMP and (3 <= p.icmp_type <= 5 or 11 <= p.icmp_type <= 12)


cdef void process(Shard *s, Packet *p, Decision *d) noexcept nogil:
    """Takes one packet through.  The shard's lock is held; the packet's payload is not kept."""
    cdef int side = 0
    cdef uint32_t hash = p.hash if p.hash else table_hash(s.table, p)
    cdef uint32_t i
    cdef Flow *f
    cdef bint new = False
    d.verdict = ACCEPT
    d.has_mark = d.mark = d.hold = 0
    if p.fragment != FRAGMENT_JOINED:
        s.counters.packets += 1
        s.counters.bytes += p.length
    tick(s, p.time, SWEEP)
    i = table_find(s.table, p, hash, &side)
    if i != NONE and p.proto == IP_TCP and follow_tcp(&s.table.wheel, &s.table.flows[i], p, side):
        if s.merge:
            begin_again(s, &s.table.flows[i], p, side)
        else:
            end(s, i, END_REUSED)
            i = NONE
    if i == NONE:
        i = begin(s, p, hash)
        if i == NONE:
            s.counters.refused += 1
            return
        side = 0
        new = True
    f = &s.table.flows[i]
    if f.mac == NONE and device_learn(s, f, p, side):
        ask(s, f)
    if f.needs and s.offload:
        s.quiet = quiet(f, p, side)
    if f.needs & NEED_SHAPE:
        watch(s, f, p, side)
    if p.time > f.last:
        f.last = p.time
    if side == 1 and f.state == STATE_NEW and p.proto != IP_TCP:
        f.state = STATE_TWO_WAY
        answered(s, f, side)
    if p.fragment != FRAGMENT_JOINED:
        f.packets[side] += 1
        f.bytes[side] += p.length
    f.flags |= FLOW_TOUCHED
    if f.needs & NEED_QUIET:
        if not waits(s, f):
            leave(s, f)
    elif f.needs & ~<uint16_t>NEED_SHAPE:
        if p.n:
            study(s, i, f, p, side, d)
        elif enough(f):
            if not f.flags & FLOW_DECIDED:
                settle(s, i, f)
            elif f.needs & (NEED_ANSWER | NEED_PEERS):
                leave(s, f)
    if new and s.wants & WANT_FIRST:
        first_tell(s, f)
    if p.tunnel and s.rules != NULL:    # of many flows in one connection of the kernel's each packet says what it is
        d.has_mark = 1
        d.mark = <uint32_t>max(f.disposition, 1) << s.mark_shift
    elif is_icmp_error(p):              # to the kernel it is of the connection that it is about, whose mark is its own
        f.flags &= ~<uint8_t>FLOW_OFFLOADED
        f.mark &= ~s.mark_final
    elif f.mark:
        d.has_mark = 1
        d.mark = f.mark


cdef void tick(Shard *s, int64_t now, int budget) noexcept nogil:
    """Lets time pass.  A shard that merges sweeps only where a capture is read."""
    if now > s.now:
        s.now = now
    if not s.merge:
        sweep(s, budget)


cdef void sweep(Shard *s, int budget) noexcept nogil:
    """Ends flows that were silent for too long, looking at `budget` slots and flows; waits while the ring is full."""
    cdef uint32_t i
    while s.ring.written - s.ring.read + EVENTS_A_PACKET <= s.ring.mask:
        i = wheel_due(&s.table.wheel, s.now, &budget)
        if i == NONE:
            return
        s.counters.idle += 1
        end(s, i, END_CLOSED if s.table.flows[i].state >= STATE_CLOSING else END_IDLE)


# A flow's life

cdef uint32_t begin(Shard *s, const Packet *p, uint32_t hash) noexcept nogil:
    """A new flow; where the table is full, another goes for it."""
    cdef uint32_t i = table_insert(s.table, p, hash)
    cdef Flow *f
    cdef uint16_t label
    if i == NONE:
        i = table_victim(s.table)
        if i == NONE:
            return NONE
        s.counters.evicted += 1
        end(s, i, END_EVICTED)
        i = table_insert(s.table, p, hash)
        if i == NONE:
            return NONE
    f = &s.table.flows[i]
    s.counters.flows += 1
    if p.origin == ORIGIN_LAN:
        f.local = 0
    elif p.origin == ORIGIN_WAN:
        f.local = 1
    if p.proto == IP_TCP:
        follow_tcp(&s.table.wheel, f, p, 0)
    if from_server(p):
        f.flags |= FLOW_OPENER
    device_learn(s, f, p, 0)
    if p.proto == IP_TCP or p.proto == IP_UDP or p.proto == IP_SCTP:
        f.needs = NEED_PROTOCOL
        name_by_address(s, f)
        by_rule(s, f)
        ask(s, f)
    else:
        label = header_label(p)
        if label:
            improve(&f.protocol, label, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
        f.packets[0] = 1            # it is decided at this packet, which process() counts afterwards
        settle(s, i, f)
        f.packets[0] = 0
    if s.wants & WANT_START:
        emit(s, f, EVENT_START, 0)
    return i


cdef void begin_again(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Another connection on the same 5-tuple, of a source that wants them as one flow."""
    f.state = STATE_SYN
    device_forget(s, f)
    f.flags = (f.flags & ~<uint8_t>(FLOW_OPENER | FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1 | FLOW_TLS)) | <uint8_t>side
    f.flags |= <uint8_t>(FLOW_SYN_SEEN << side)
    f.isn[side] = p.seq
    f.based = <uint8_t>(1 << side)
    remember_signs(f, p)
    f.asked = 0
    if f.needs:
        let_go(s, f)
        f.spent = 0


cdef void end(Shard *s, uint32_t i, uint8_t reason) noexcept nogil:
    """The flow's record goes out, the flow goes."""
    conclude(s, i, reason)
    forget(s, &s.table.flows[i])
    table_remove(s.table, i)


cdef void conclude(Shard *s, uint32_t i, uint8_t reason) noexcept nogil:
    """The flow's record goes out, but for what came behind another's."""
    cdef Flow *f = &s.table.flows[i]
    if not f.flags & FLOW_DECIDED:
        settle(s, i, f)
    call_again(s, f)                # another flow of the call may have been named since
    name_late(s, f)
    peer_again(s, f)
    shape_end(s, f)
    let_go(s, f)
    s.counters.ended += 1
    if closed_before(s, f):
        return
    closed_learn(s, f, reason)
    emit(s, f, EVENT_END, reason)


# What is found in it

cdef void study(Shard *s, uint32_t i, Flow *f, const Packet *p, int side, Decision *d) noexcept nogil:
    """Has the payload looked at; of BitTorrent also for peers, beginning with the packet that told what it is."""
    if not f.needs & NEED_PEERS or f.needs & NEED_ANSWER:
        look(s, i, f, p, side, d)
    if f.needs & NEED_PEERS and not peers_read(s, f, p, side):
        f.needs &= ~<uint16_t>NEED_PEERS
        if f.needs == 0:
            leave(s, f)


cdef void look(Shard *s, uint32_t i, Flow *f, const Packet *p, int side, Decision *d) noexcept nogil:
    """Has the payload looked at, and what had come before it was its turn."""
    cdef Finding finding
    cdef Answer answer
    s.counters.inspected += 1
    s.inspector.asked = asked_of(s, f)
    answer = inspect(&s.inspector, f, p, side, &finding)
    learn(s, i, f, p, &finding, answer, d)
    while finding.goes_on and f.needs and inspect_next(&s.inspector, f, p, side, &finding, &answer):
        learn(s, i, f, p, &finding, answer, d)
    if f.based & BASED_DOUBTED and side != opener(f) and f.flags & FLOW_NAMED and not f.flags & FLOW_DECIDED:
        settle(s, i, f)                         # the server has taken what was sent, so all of it had come by here


cdef void learn(Shard *s, uint32_t i, Flow *f, const Packet *p, Finding *finding, Answer answer,
                Decision *d) noexcept nogil:
    """Takes over what was found."""
    cdef bint first = not f.flags & FLOW_DECIDED
    add_risks(s, f, finding, p.time)
    if answer == YES and finding.message and (f.protocol.id == 0 or f.protocol.id == P_DNS):
        answer_learn(s, f, p, d)
    if not first:
        take_answer(s, f, finding)
        if finding.asks:
            await_login(s, f, p)
        if answer == NO or f.spent == 3 or (f.needs & NEED_ANSWER and enough(f)):
            if f.needs & NEED_PEERS:
                f.needs = NEED_PEERS
            else:
                leave(s, f)                     # both messages of a DNS connection, or the server's answer
        return
    if answer == YES:
        withdraw_rule(f)
        if finding.anew:
            take_anew(s, f, finding)
        else:
            take_over(s, f, finding)
        by_rule(s, f)
        if finding.tunnel and host_ruled(s, f):
            finding.complete = 1
        if finding.complete and not (finding.method == BY_SNI and may_lie(f)):
            settle(s, i, f)
            if f.protocol.id == P_DNS:
                f.needs = NEED_MESSAGES             # its answers shall come by here: the mark is not final
                f.flags &= ~<uint8_t>FLOW_OFFLOADED
                ask(s, f)
            return
        f.needs = NEED_NAME
        call_learn(s, f)
        call_again(s, f)
        ask(s, f)
        if s.wants & WANT_LABELLED:
            emit(s, f, EVENT_LABELLED, 0)
    if answer == NO or f.spent == 3 or enough(f):
        settle(s, i, f)


cdef void take_anew(Shard *s, Flow *f, Finding *finding) noexcept nogil:
    """Takes over what a client shows that has shown something before, which may have been a decoy."""
    cdef uint32_t before = f.host if f.flags & FLOW_NAMED else <uint32_t>NONE
    f.flags &= ~<uint8_t>FLOW_NAMED
    f.protocol.confidence = 0
    memset(&f.app, 0, sizeof(f.app))
    take_over(s, f, finding)
    if before != NONE and f.flags & FLOW_NAMED and f.host != before:
        f.risks |= RISK_DECOY
    if not finding.doubted:
        f.based &= ~<uint8_t>BASED_DOUBTED


cdef void settle(Shard *s, uint32_t i, Flow *f) noexcept nogil:
    """Nothing more is looked for: what is still missing comes from the address and the port."""
    cdef Finding finding
    if rest_matters(&s.inspector, f):
        memset(&s.inspector.found, 0, sizeof(s.inspector.found))
        inspect_end(&s.inspector, f, &finding)
        if finding.protocol:
            take_over(s, f, &finding)
    name_at_end(s, f)
    call_settle(s, f)
    peer_settle(s, f)
    near_learn(s, f)
    categorise(s, f)
    by_rule(s, f)
    port_risks(s, f)
    f.decided_at = <uint16_t>min(f.packets[0] + f.packets[1], 65535)
    f.needs = NEED_SHAPE if shape_begin(s, f) else NEED_ANSWER if answer_awaited(s, f) else 0
    f.needs |= NEED_PEERS if peers_awaited(s, f) else 0
    if f.needs == 0:
        f.needs = waits(s, f)
    if not f.needs & NEED_ANSWER or not begun(&s.inspector, f, 0) and not begun(&s.inspector, f, 1):
        let_go(s, f)
    table_decided(s.table, i)
    s.counters.decided += 1
    s.counters.decided_at += f.decided_at
    s.counters.named += f.app.id != 0 or f.protocol.id != 0
    ask(s, f)
    if s.wants & WANT_LABELLED:
        emit(s, f, EVENT_LABELLED, 0)


cdef void leave(Shard *s, Flow *f) noexcept nogil:
    """Nothing is looked for any more in a decided flow: the kernel may have it."""
    let_go(s, f)
    f.needs = waits(s, f)
    ask(s, f)


cdef void let_go(Shard *s, Flow *f) noexcept nogil:
    """Takes back what the flow was lent, after a last look at what it holds of a certificate."""
    cdef Finding finding
    if f.work == NONE:
        return
    s.inspector.asked = asked_of(s, f)
    if find_cut_answer(&s.inspector, f, &finding):
        add_risks(s, f, &finding, f.last)
    release(&s.inspector, f)


cdef void watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Looks at the shape of a settled flow; once there is nothing more to be seen, asks the rules again."""
    if not shape_watch(s, f, p, side):
        return
    f.needs = waits(s, f)
    ask(s, f)
    if s.wants & WANT_LABELLED:
        emit(s, f, EVENT_LABELLED, 0)
