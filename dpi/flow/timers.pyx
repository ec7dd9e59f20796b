"""How long a flow may be silent, and which flows were: a timer wheel whose entries are lazy.

A packet only writes `last`; when a flow's slot comes up it is due, or is put where its deadline is now.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc
from libc.string cimport memset

from dpi.flow.table cimport (
    FLOW_OFFLOADED,
    NONE,
    STATE_CLOSED,
    STATE_CLOSING,
    STATE_ESTABLISHED,
    STATE_NEW,
    STATE_TWO_WAY,
    Flow,
    Table,
)
from dpi.wire.packet cimport IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP


cdef enum:
    WHEEL = 4096            # slots of 2**30 ns: 73 minutes, beyond which a flow goes round again


cdef enum Timeout:
    TCP_OPENING
    TCP_OPEN
    TCP_CLOSING
    UDP_ONE_WAY
    UDP_TWO_WAY
    ICMP
    OTHER
    TIMEOUTS


# Seconds.  Linux's conntrack forgets at 120, 432000, 120/10, 30, 120, 30, 600: a flow that waits here is undecided or
# not offloaded, and a record that comes five days late is of no use, so an open TCP connection gets an hour.
cdef int64_t *SECONDS = [60, 3600, 20, 30, 120, 30, 600]
TIMEOUT_NAMES = ("tcp_opening", "tcp_open", "tcp_closing", "udp_one_way", "udp_two_way", "icmp", "other")


cdef bint timers_new(Table *t) noexcept nogil:
    """An empty wheel, which table_free() frees, and the usual timeouts; False where memory is refused."""
    cdef int i
    t.wheel = <uint32_t *>calloc(WHEEL, sizeof(uint32_t))
    if t.wheel == NULL:
        return False
    memset(t.wheel, 0xFF, WHEEL * sizeof(uint32_t))
    for i in range(TIMEOUTS):
        t.timeout[i] = SECONDS[i] * 1000000000
    return True


cdef int64_t timeout_of(const Table *t, const Flow *f) noexcept nogil:
    """ns that the flow may be silent; a configured 0 stands for ever."""
    cdef int which = OTHER
    if f.proto == IP_TCP:
        if f.state == STATE_ESTABLISHED or f.state == STATE_NEW and f.packets[0] and f.packets[1]:
            which = TCP_OPEN
        elif f.state == STATE_CLOSING or f.state == STATE_CLOSED:
            which = TCP_CLOSING
        else:
            which = TCP_OPENING
    elif f.proto == IP_UDP:
        which = UDP_TWO_WAY if f.state == STATE_TWO_WAY else UDP_ONE_WAY
    elif f.proto == IP_ICMP or f.proto == IP_ICMPV6:
        which = ICMP
    return t.timeout[which]


cdef void wheel_add(Table *t, uint32_t i, int64_t deadline) noexcept nogil:
    cdef Flow *f = &t.flows[i]
    cdef int64_t tick = deadline >> 30
    cdef uint32_t *head
    if tick <= t.tick:
        tick = t.tick + 1
    if tick - t.tick >= WHEEL:
        tick = t.tick + WHEEL - 1
    f.timer = 1
    f.timer_prev = NONE - 1 - <uint32_t>(tick & (WHEEL - 1))    # a slot's head, told from flows by its size
    head = &t.wheel[tick & (WHEEL - 1)]
    f.timer_next = head[0]
    if head[0] != NONE:
        t.flows[head[0]].timer_prev = i
    head[0] = i


cdef void wheel_remove(Table *t, uint32_t i) noexcept nogil:
    cdef Flow *f = &t.flows[i]
    if not f.timer:
        return
    if f.timer_prev < t.capacity:
        t.flows[f.timer_prev].timer_next = f.timer_next
    else:
        t.wheel[NONE - 1 - f.timer_prev] = f.timer_next
    if f.timer_next != NONE:
        t.flows[f.timer_next].timer_prev = f.timer_prev
    f.timer = 0


cdef uint32_t table_due(Table *t, int64_t now, int *budget) noexcept nogil:
    """A flow that was silent for too long (the caller ends it), or NONE: look again later.

    budget: flows and slots that may be looked at; what is left over waits for the next call.
    """
    cdef int64_t tick = now >> 30
    cdef int64_t limit
    cdef uint32_t i
    cdef Flow *f
    if tick - t.tick > WHEEL:               # a leap in time: one turn sees every flow
        t.tick = tick - WHEEL
    while t.tick < tick and budget[0] > 0:
        budget[0] -= 1
        i = t.wheel[t.tick & (WHEEL - 1)]
        if i == NONE:
            t.tick += 1
            continue
        f = &t.flows[i]
        wheel_remove(t, i)
        limit = timeout_of(t, f)
        if limit > 0 and not f.flags & FLOW_OFFLOADED:
            if now - f.last >= limit:
                return i
            wheel_add(t, i, f.last + limit)
        else:
            wheel_add(t, i, now + (<int64_t>WHEEL << 30))
    return NONE


cdef void wheel_rearm(Table *t, Flow *f, int64_t now) noexcept nogil:
    """Only for a deadline that came nearer; one that went away is seen when it comes up."""
    cdef uint32_t i = <uint32_t>(f - t.flows)
    wheel_remove(t, i)
    wheel_add(t, i, now + timeout_of(t, f))
