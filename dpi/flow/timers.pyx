"""How long a flow may be silent, and which flows were: a timer wheel whose entries are lazy.

A packet only writes `last`; when a flow's slot comes up it is due, or is put where its deadline is now.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from dpi.flow.flow cimport (
    FLOW_OFFLOADED,
    NONE,
    STATE_CLOSED,
    STATE_CLOSING,
    STATE_ESTABLISHED,
    STATE_NEW,
    STATE_TWO_WAY,
    Flow,
)
from dpi.wire.packet cimport IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP


cdef enum:
    WHEEL = 4096            # slots of 2**30 ns: 73 minutes, beyond which a flow goes round again


# Seconds.  Linux's conntrack forgets at 120, 432000, 120/10, 30, 120, 30, 600: a flow that waits here is undecided or
# not offloaded, and a record that comes five days late is of no use, so an open TCP connection gets an hour.
cdef int64_t *SECONDS = [60, 3600, 20, 30, 120, 30, 600]
TIMEOUT_NAMES = ("tcp_opening", "tcp_open", "tcp_closing", "udp_one_way", "udp_two_way", "icmp", "other")


cdef bint wheel_init(Wheel *w, Flow *flows) noexcept nogil:
    """An empty wheel for these flows, and the usual timeouts; False where memory is refused."""
    cdef int i
    w.flows = flows
    w.slots = <uint32_t *>calloc(WHEEL, sizeof(uint32_t))
    if w.slots == NULL:
        return False
    memset(w.slots, 0xFF, WHEEL * sizeof(uint32_t))
    for i in range(TIMEOUTS):
        w.timeout[i] = SECONDS[i] * 1000000000
    return True


cdef void wheel_free(Wheel *w) noexcept nogil:
    free(w.slots)


cdef int64_t timeout_of(const Wheel *w, const Flow *f) noexcept nogil:
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
    return w.timeout[which]


cdef void wheel_add(Wheel *w, uint32_t i, int64_t deadline) noexcept nogil:
    cdef Flow *f = &w.flows[i]
    cdef int64_t tick = deadline >> 30
    cdef uint32_t *head
    if tick <= w.tick:
        tick = w.tick + 1
    if tick - w.tick >= WHEEL:
        tick = w.tick + WHEEL - 1
    f.timer = 1
    f.timer_prev = NONE - 1 - <uint32_t>(tick & (WHEEL - 1))    # a slot's head, told from flows by its size
    head = &w.slots[tick & (WHEEL - 1)]
    f.timer_next = head[0]
    if head[0] != NONE:
        w.flows[head[0]].timer_prev = i
    head[0] = i


cdef void wheel_remove(Wheel *w, uint32_t i) noexcept nogil:
    cdef Flow *f = &w.flows[i]
    if not f.timer:
        return
    if f.timer_prev < NONE - WHEEL:
        w.flows[f.timer_prev].timer_next = f.timer_next
    else:
        w.slots[NONE - 1 - f.timer_prev] = f.timer_next
    if f.timer_next != NONE:
        w.flows[f.timer_next].timer_prev = f.timer_prev
    f.timer = 0


cdef uint32_t wheel_due(Wheel *w, int64_t now, int *budget) noexcept nogil:
    """A flow that was silent for too long (the caller ends it), or NONE: look again later.

    budget: flows and slots that may be looked at; what is left over waits for the next call.
    """
    cdef int64_t tick = now >> 30
    cdef int64_t limit
    cdef uint32_t i
    cdef Flow *f
    if tick - w.tick > WHEEL:               # a leap in time: one turn sees every flow
        w.tick = tick - WHEEL
    while w.tick < tick and budget[0] > 0:
        budget[0] -= 1
        i = w.slots[w.tick & (WHEEL - 1)]
        if i == NONE:
            w.tick += 1
            continue
        f = &w.flows[i]
        wheel_remove(w, i)
        limit = timeout_of(w, f)
        if limit > 0 and not f.flags & FLOW_OFFLOADED:
            if now - f.last >= limit:
                return i
            wheel_add(w, i, f.last + limit)
        else:
            wheel_add(w, i, now + (<int64_t>WHEEL << 30))
    return NONE


cdef void wheel_rearm(Wheel *w, Flow *f, int64_t now) noexcept nogil:
    """Only for a deadline that came nearer; one that went away is seen when it comes up."""
    cdef uint32_t i = <uint32_t>(f - w.flows)
    wheel_remove(w, i)
    wheel_add(w, i, now + timeout_of(w, f))
