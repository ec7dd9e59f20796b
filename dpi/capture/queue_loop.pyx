"""Packets of one kernel queue in batches to a handler, its decisions back as verdicts.  Without the GIL, one thread.

What a packet costs is a share of one recvmmsg() and one send(), because verdicts are netlink messages and any number
of them travel in one datagram, executed in order.

Order and batches.  A batch verdict speaks for every packet up to its id that the kernel still holds.  Decisions are
sent in the order of the ids, and neighbours that agree share one batch verdict; so whatever a batch verdict covers
beyond its own run has been answered before it, in the same datagram, and nothing overtakes anything.  The exception
is a held packet: while one is outstanding, verdicts behind it go out singly, or they would release it.

GSO packets come whole, longer than the MTU and without checksums.
"""
from libc.errno cimport EAGAIN, EINTR, ENOBUFS, ENOMEM, ETIMEDOUT, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memmove, memset
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec
from posix.unistd cimport read

from dpi.capture.decision cimport DROP, HOLD, Decision
from dpi.capture.nfnetlink cimport (
    MESSAGE_DAMAGED,
    MESSAGE_END,
    MESSAGE_ERROR,
    MESSAGE_MALFORMED,
    MESSAGE_MAX,
    MESSAGE_PACKET,
    PACKET_GSO,
    VERDICT_ACCEPT,
    VERDICT_DROP,
    Message,
    QueuedPacket,
    next_message,
    put_copy_range,
    put_flags,
    put_max_length,
    put_verdict,
    request_ack,
)
from dpi.wire.atomic cimport load32, store32
from dpi.wire.cursor cimport Cursor, over


cdef extern from "<linux/netfilter/nfnetlink_queue.h>" nogil:
    cdef enum:
        NFQA_CFG_F_FAIL_OPEN
        NFQA_CFG_F_GSO


cdef inline int64_t clock(int which) noexcept nogil:
    cdef timespec t
    clock_gettime(which, &t)
    return <int64_t>t.tv_sec * SECOND + t.tv_nsec


# ---------------------------------------------------------------- sending

cdef void flush(Loop *q) noexcept nogil:
    """Sends the verdicts that were written.  Those that cannot be sent leave packets in the queue, where the next
    batch verdict finds them.
    """
    cdef int _try
    if q.out_n == 0:
        return
    for _try in range(100):
        if send(q.fd, q.out, q.out_n, 0) >= 0:
            q.out_n = 0
            return
        if errno not in (EINTR, EAGAIN, ENOBUFS, ENOMEM):
            break
    q.c.send_errors += 1
    q.out_n = 0


cdef void put(Loop *q, bint batch, uint32_t packet_id, uint32_t verdict, bint has_mark, uint32_t mark) noexcept nogil:
    if q.out_n + MESSAGE_MAX > (BATCH + HELD_MAX) * MESSAGE_MAX:
        flush(q)
    q.out_n += put_verdict(q.out + q.out_n, q.number, batch, packet_id, verdict, has_mark, mark)
    q.c.verdicts += 1


cdef void end_run(Loop *q) noexcept nogil:
    if q.run_length != 0:
        put(q, q.run_length > 1, q.run_id, q.run_verdict, q.run_has_mark, q.run_mark)
        q.run_length = 0


cdef inline void answer(Loop *q, uint32_t packet_id, uint32_t verdict, bint has_mark, uint32_t mark) noexcept nogil:
    """Adds a packet to the run that it continues, or starts the next one.  Behind a held packet runs are of one."""
    if q.run_length != 0 and q.n_held == 0 and q.run_verdict == verdict and q.run_has_mark == has_mark \
            and q.run_mark == mark:
        q.run_length += 1
        q.run_id = packet_id
        return
    end_run(q)
    q.run_length = 1
    q.run_id = packet_id
    q.run_verdict = verdict
    q.run_has_mark = has_mark
    q.run_mark = mark


# ---------------------------------------------------------------- holding

cdef bint hold(Loop *q, uint32_t packet_id, uint64_t number, bint has_mark, uint32_t mark) noexcept nogil:
    """Remembers a packet to be accepted later.  False where too many are held."""
    cdef Held *h
    if q.n_held == HELD_MAX:
        q.c.hold_overflows += 1
        return False
    end_run(q)              # what is before it may still go as a batch
    h = &q.held[q.n_held]
    h.number = number
    h.deadline = clock(CLOCK_MONOTONIC) + q.hold_ns
    h.id = packet_id
    h.has_mark = has_mark
    h.mark = mark
    q.n_held += 1
    q.c.holds += 1
    return True


cdef void let_go(Loop *q, uint32_t i, uint32_t verdict) noexcept nogil:
    put(q, False, q.held[i].id, verdict, q.held[i].has_mark, q.held[i].mark)
    q.n_held -= 1
    memmove(&q.held[i], &q.held[i + 1], (q.n_held - i) * sizeof(Held))


cdef void release_asked(Loop *q) noexcept nogil:
    """Lets go what the control plane said.  A number that is not held has had its time, and is forgotten."""
    cdef uint32_t written = load32(&q.releases_written)
    cdef uint32_t i, at = q.releases_read
    cdef uint64_t number
    cdef bint drop
    while at != written:
        number = q.releases[at & (RELEASES_MAX - 1)]
        drop = number >> RELEASE_DROP
        number &= ~(<uint64_t>1 << RELEASE_DROP)
        for i in range(q.n_held):
            if q.held[i].number == number:
                let_go(q, i, VERDICT_DROP if drop else VERDICT_ACCEPT)
                q.c.released += 1
                q.c.drops += drop
                break
        at += 1
    store32(&q.releases_read, at)


cdef void release_due(Loop *q) noexcept nogil:
    cdef int64_t now = clock(CLOCK_MONOTONIC)
    while q.n_held != 0 and q.held[0].deadline <= now:
        let_go(q, 0, VERDICT_ACCEPT)
        q.c.expired += 1


# ---------------------------------------------------------------- receiving

cdef void decide(Loop *q, int64_t now) noexcept nogil:
    """Has the handler decide about the packets read, and writes the verdicts."""
    cdef uint32_t i, mark
    cdef QueuedPacket *p
    cdef Decision *d
    cdef bint has_mark
    memset(q.decisions, 0, q.n * sizeof(Decision))
    q.handler.decide(q.handler.ctx, q.packets, q.decisions, q.n, now)
    for i in range(q.n):
        p = &q.packets[i]
        d = &q.decisions[i]
        mark = p.mark
        if d.has_mark:
            mark = (p.mark & ~q.mask) | (d.mark & q.mask)
        has_mark = mark != p.mark
        q.c.marks += has_mark
        if d.verdict == DROP:
            q.c.drops += 1
            answer(q, p.id, VERDICT_DROP, False, 0)
        elif d.verdict != HOLD or not hold(q, p.id, d.hold, has_mark, mark):
            answer(q, p.id, VERDICT_ACCEPT, has_mark, mark if has_mark else 0)
    end_run(q)
    q.n = 0


cdef void read_datagram(Loop *q, const uint8_t *data, size_t size, int64_t now) noexcept nogil:
    cdef Cursor c = over(data, size)
    cdef Message m
    cdef QueuedPacket *p
    while True:
        next_message(&c, &m)
        if m.kind == MESSAGE_END:
            return
        if m.kind == MESSAGE_PACKET or m.kind == MESSAGE_DAMAGED:
            if q.n == BATCH:
                decide(q, now)
            p = &q.packets[q.n]
            p[0] = m.packet
            q.n += 1
            q.last_id = p.id
            if m.kind == MESSAGE_DAMAGED:
                q.c.damaged += 1
                p.payload = NULL
                p.n = 0
            if p.time == 0:
                p.time = now
            q.c.packets += 1
            q.c.bytes += p.length
            q.c.cut += p.length > p.n
            q.c.gso += (p.skb_info & PACKET_GSO) != 0
        elif m.kind == MESSAGE_ERROR:
            q.c.refused += m.error != 0
        elif m.kind == MESSAGE_MALFORMED:
            q.c.malformed += 1


cdef void wait(Loop *q) noexcept nogil:
    """Until a packet comes, the control plane wants something, a held packet is due, or it is time to turn."""
    cdef pollfd fds[2]
    cdef timespec t
    cdef int64_t ns = TURN_NS
    cdef uint64_t ignored
    if q.n_held != 0:
        ns = max(0, min(ns, q.held[0].deadline - clock(CLOCK_MONOTONIC)))
    t.tv_sec = 0
    t.tv_nsec = ns
    memset(fds, 0, sizeof(fds))
    fds[0].fd = q.fd
    fds[1].fd = q.wake
    fds[0].events = fds[1].events = POLLIN
    if ppoll(fds, 2, &t, NULL) > 0 and fds[1].revents:
        read(q.wake, &ignored, sizeof(ignored))


cdef int run_loop(Loop *q) noexcept nogil:
    """Until it is told to stop (0), or the socket fails (its errno)."""
    cdef int i, n
    cdef int64_t now
    while not load32(&q.stop):
        q.heartbeat[0] += 1
        n = recvmmsg(q.fd, q.headers, BATCH, MSG_DONTWAIT, NULL)
        now = clock(CLOCK_REALTIME)
        if n > 0:
            q.c.batches += 1
            for i in range(n):
                q.c.truncated += (q.headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0
                read_datagram(q, q.buffers + i * q.slot, min(<size_t>q.headers[i].msg_len, q.slot), now)
            if q.n != 0:
                decide(q, now)
        elif n < 0 and errno == EAGAIN:
            q.handler.decide(q.handler.ctx, q.packets, q.decisions, 0, now)
            wait(q)
        elif n < 0 and errno == ENOBUFS:
            q.c.enobufs += 1
        elif n < 0 and errno != EINTR:
            return errno
        if q.releases_read != load32(&q.releases_written):
            release_asked(q)
        if q.n_held != 0:
            release_due(q)
        flush(q)
    return 0


# ---------------------------------------------------------------- configuring

cdef int configure(Loop *q, uint8_t *message, Py_ssize_t n) noexcept nogil:
    """Sends one message and waits for its acknowledgement: 0 or an errno.  Packets that come meanwhile are accepted."""
    cdef uint8_t *buffer = q.buffers
    cdef int64_t deadline = clock(CLOCK_MONOTONIC) + ACK_NS
    cdef ssize_t size
    cdef Cursor c
    cdef Message m
    cdef int answered = -1
    q.sequence += 1
    request_ack(message, q.sequence)
    if send(q.fd, message, n, 0) < 0:
        return errno
    while answered < 0 and clock(CLOCK_MONOTONIC) < deadline:
        size = recv(q.fd, buffer, q.slot, MSG_DONTWAIT)
        if size < 0:
            if errno not in (EAGAIN, EINTR, ENOBUFS):
                return errno
            wait(q)
            continue
        c = over(buffer, size)
        m.kind = MESSAGE_MALFORMED
        while m.kind != MESSAGE_END:
            next_message(&c, &m)
            if m.kind == MESSAGE_ERROR and m.sequence == q.sequence:
                answered = m.error
            elif m.kind == MESSAGE_PACKET or m.kind == MESSAGE_DAMAGED:
                q.c.packets += 1
                q.last_id = m.packet.id
                put(q, False, m.packet.id, VERDICT_ACCEPT, False, 0)
        flush(q)
    return answered if answered >= 0 else ETIMEDOUT


cdef int open_gate(Loop *q, uint32_t copy_range) noexcept nogil:
    cdef uint32_t block[16]
    cdef uint8_t *message = <uint8_t *>block
    cdef uint32_t flags = NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO
    cdef int error = configure(q, message, put_flags(message, q.number, flags, flags))
    if error == 0:
        error = configure(q, message, put_copy_range(message, q.number, copy_range))
    return error


cdef void close_gate(Loop *q) noexcept nogil:
    """From now on packets pass the queue by; those in it are accepted.  The kernel does what a message says before
    send() returns, and an acknowledgement might find our socket full: none is asked for.  Then the socket is
    emptied, so that there is room for the one that unbinding waits for.
    """
    cdef uint32_t block[16]
    cdef uint8_t *message = <uint8_t *>block
    q.n_held = 0
    send(q.fd, message, put_max_length(message, q.number, 0), 0)
    send(q.fd, message, put_verdict(message, q.number, True, q.last_id + ALL_BEHIND, VERDICT_ACCEPT, False, 0), 0)
    while recv(q.fd, q.buffers, q.slot, MSG_DONTWAIT) >= 0 or errno in (EINTR, ENOBUFS):
        pass
