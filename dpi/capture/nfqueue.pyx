"""Reads one kernel queue: packets in batches to a handler, its decisions back as verdicts.  One thread a queue.

`netfilterqueue` opens, binds and owns the queue; from its descriptor on everything is done here, without the GIL.
What a packet costs is a share of one recvmmsg() and one send(), because verdicts are netlink messages and any number
of them travel in one datagram, executed in order.

Order and batches.  A batch verdict speaks for every packet up to its id that the kernel still holds.  Decisions are
sent in the order of the ids, and neighbours that agree share one batch verdict; so whatever a batch verdict covers
beyond its own run has been answered before it, in the same datagram, and nothing overtakes anything.  The exception
is a held packet: while one is outstanding, verdicts behind it go out singly, or they would release it.

Fail safe.  FAIL_OPEN lets packets pass that find the queue or our socket full, `bypass` in the rule those that find
no reader; `heartbeat` counts turns for a watchdog that ends a reader which hangs.  To leave, the reader first sets
the queue's length to 0, so that new packets pass it by, then accepts whatever it holds, and only then unbinds:
unbinding drops what is queued.

The copy range is COPY_RANGE; see there.  GSO packets come whole, longer than the MTU and without checksums.
"""
from libc.errno cimport EAGAIN, EINTR, ENOBUFS, ENOMEM, ETIMEDOUT, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove, memset
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec
from posix.unistd cimport close, read, write

from dpi.capture.decision cimport DROP, HOLD, Decision
from dpi.capture.nfnetlink cimport (
    MESSAGE_DAMAGED, MESSAGE_END, MESSAGE_ERROR, MESSAGE_MALFORMED, MESSAGE_MAX, MESSAGE_PACKET, VERDICT_ACCEPT,
    VERDICT_DROP, Message, QueuedPacket, next_message, put_copy_range, put_flags, put_max_length, put_verdict,
    request_ack,
)
from dpi.wire.cursor cimport Cursor, over

import os
import threading
from pathlib import Path

from dpi.errors import KernelError


cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <poll.h>
    #include <sys/socket.h>
    #define dpi_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define dpi_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    """
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    cdef struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
        int msg_flags
    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    cdef struct pollfd:
        int fd
        short events
        short revents
    int POLLIN, MSG_DONTWAIT, MSG_TRUNC, SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE
    int recvmmsg(int, mmsghdr *, unsigned int, int, timespec *) nogil
    ssize_t recv(int, void *, size_t, int) nogil
    ssize_t send(int, const void *, size_t, int) nogil
    int setsockopt(int, int, int, const void *, unsigned int) nogil
    int getsockopt(int, int, int, void *, unsigned int *) nogil
    int ppoll(pollfd *, unsigned long, const timespec *, const void *) nogil
    uint32_t acquire "dpi_acquire"(const uint32_t *) noexcept nogil
    void publish "dpi_release"(uint32_t *, uint32_t) noexcept nogil

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int, int)

cdef extern from "<linux/netlink.h>" nogil:
    int SOL_NETLINK "270"   # the C library's sys/socket.h has it, under conditions
    int NETLINK_NO_ENOBUFS

cdef extern from "<linux/netfilter/nfnetlink_queue.h>" nogil:
    cdef enum:
        NFQA_CFG_F_FAIL_OPEN
        NFQA_CFG_F_GSO


cdef enum:
    BATCH = 128             # messages a recvmmsg(): beyond it the cost of a packet no longer falls
    HEADROOM = 512          # bytes a message may have beside the packet: all attributes together stay below 256
    HELD_MAX = 256          # packets held at once; a further one is accepted
    RELEASES_MAX = 1024     # numbers waiting to be released, a power of two
    TURN_NS = 100000000     # an idle loop turns this often, so that its heart beats and timers run
    ACK_NS = 2000000000     # how long the kernel may take to acknowledge our configuration
    SECOND = 1000000000
    ALL_BEHIND = 0x3fffffff     # added to an id: more than any queue can hold, less than half the ids


# Bytes copied of each packet.  A ClientHello with post-quantum key shares is about 1,800 bytes and comes as one GSO
# packet: this is enough to see it whole.
COPY_RANGE = 2048
MAX_LENGTH = 4096
HOLD_SECONDS = 0.05


cdef struct Held:
    uint64_t number         # the handler's, Decision.hold
    int64_t deadline        # ns, CLOCK_MONOTONIC
    uint32_t id
    uint32_t mark           # the whole mark
    bint has_mark


cdef struct QueueCounters:
    int64_t packets
    int64_t bytes           # of the packets, copied or not
    int64_t batches         # recvmmsg() calls that brought packets
    int64_t verdicts        # verdict messages; a batch verdict is one
    int64_t marks           # packets whose mark was changed
    int64_t drops
    int64_t holds
    int64_t released        # held packets let go because the control plane said so
    int64_t expired         # … because their time was up
    int64_t hold_overflows  # packets accepted at once because too many were held
    int64_t gso             # packets that were longer than the MTU
    int64_t cut             # packets of which only the first bytes were copied
    int64_t enobufs         # times that the kernel said it lost messages for us
    int64_t truncated       # messages longer than their buffer
    int64_t damaged         # packets accepted because only their id could be read
    int64_t malformed       # messages that were none
    int64_t refused         # messages of ours that the kernel refused, such as verdicts for packets gone
    int64_t send_errors     # datagrams of verdicts that could not be sent


cdef struct Loop:
    int fd
    int wake
    uint16_t number
    uint32_t mask
    size_t slot             # bytes of a receive buffer
    int64_t hold_ns
    Handler handler
    int64_t *heartbeat
    uint32_t stop           # atomic
    uint32_t sequence
    uint32_t last_id

    uint8_t *buffers
    mmsghdr *headers
    iovec *vectors
    QueuedPacket *packets
    Decision *decisions
    uint32_t n              # of packets

    uint8_t *out            # verdicts not sent yet
    size_t out_n
    uint32_t run_length     # packets of the run that is being gathered
    uint32_t run_id         # the last of them
    uint32_t run_verdict
    bint run_has_mark
    uint32_t run_mark

    Held held[HELD_MAX]     # in order of deadline
    uint32_t n_held
    uint64_t releases[RELEASES_MAX]
    uint32_t releases_written   # atomic: by the control plane
    uint32_t releases_read      # atomic: by the loop

    QueueCounters c


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


cdef void let_go(Loop *q, uint32_t i) noexcept nogil:
    put(q, False, q.held[i].id, VERDICT_ACCEPT, q.held[i].has_mark, q.held[i].mark)
    q.n_held -= 1
    memmove(&q.held[i], &q.held[i + 1], (q.n_held - i) * sizeof(Held))


cdef void release_asked(Loop *q) noexcept nogil:
    """Lets go what the control plane said.  A number that is not held has had its time, and is forgotten."""
    cdef uint32_t written = acquire(&q.releases_written)
    cdef uint32_t i, at = q.releases_read
    while at != written:
        for i in range(q.n_held):
            if q.held[i].number == q.releases[at & (RELEASES_MAX - 1)]:
                let_go(q, i)
                q.c.released += 1
                break
        at += 1
    publish(&q.releases_read, at)


cdef void release_due(Loop *q) noexcept nogil:
    cdef int64_t now = clock(CLOCK_MONOTONIC)
    while q.n_held != 0 and q.held[0].deadline <= now:
        let_go(q, 0)
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
            q.c.gso += (p.skb_info & 2) != 0
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
    while not acquire(&q.stop):
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
        if q.releases_read != acquire(&q.releases_written):
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


# ---------------------------------------------------------------- the Python face

cdef class PacketHandler:
    """What decides about queued packets; see nfqueue.pxd."""


cdef class QueueReader:
    """One kernel queue, bound and ready; packets wait in it until run().

    number          of the queue, as in `-j NFQUEUE --queue-num`
    handler         decides
    max_length      packets that the kernel keeps for us; more than that pass unseen
    copy_range      bytes of each packet that the handler sees, 64 to 65,531
    mask            bits of the packet's mark that the handler may change
    hold_seconds    after which a held packet is accepted anyway
    receive_buffer  bytes of messages that our socket may hold, 0: enough for max_length
    heartbeat       address of an int64 that counts the loop's turns (at least 10 a second), 0 for one of our own

    Raises KernelError where the queue cannot be had: no right to, no such kernel feature, another reader.
    """
    cdef Loop *q
    cdef readonly PacketHandler handler
    cdef int64_t beats
    cdef bint running
    cdef object queue
    cdef object lock

    def __cinit__(
        self,
        int number,
        PacketHandler handler not None,
        *,
        uint32_t max_length=MAX_LENGTH,
        uint32_t copy_range=COPY_RANGE,
        uint32_t mask=0xffffffff,
        double hold_seconds=HOLD_SECONDS,
        int receive_buffer=0,
        uintptr_t heartbeat=0,
    ):
        if not 0 <= number <= 0xffff or not 64 <= copy_range <= 65531 or handler.handler.decide == NULL:
            raise ValueError("queue number, copy range or handler out of range")
        self.handler = handler
        self.lock = threading.Lock()
        self.q = <Loop *>calloc(1, sizeof(Loop))
        if self.q == NULL:
            raise MemoryError
        self.q.fd = self.q.wake = -1
        self.q.number = number
        self.q.mask = mask
        self.q.hold_ns = <int64_t>(hold_seconds * SECOND)
        self.q.handler = handler.handler
        self.q.heartbeat = <int64_t *>heartbeat if heartbeat else &self.beats
        self.allocate(copy_range)
        self.bind(max_length, copy_range, receive_buffer)

    cdef allocate(self, uint32_t copy_range):
        cdef Loop *q = self.q
        cdef int i
        q.slot = (copy_range + HEADROOM + 63) & ~<size_t>63
        q.buffers = <uint8_t *>calloc(BATCH, q.slot)
        q.headers = <mmsghdr *>calloc(BATCH, sizeof(mmsghdr))
        q.vectors = <iovec *>calloc(BATCH, sizeof(iovec))
        q.packets = <QueuedPacket *>calloc(BATCH, sizeof(QueuedPacket))
        q.decisions = <Decision *>calloc(BATCH, sizeof(Decision))
        q.out = <uint8_t *>calloc(BATCH + HELD_MAX, MESSAGE_MAX)
        q.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if not (q.buffers and q.headers and q.vectors and q.packets and q.decisions and q.out) or q.wake < 0:
            raise MemoryError
        for i in range(BATCH):
            q.vectors[i].iov_base = q.buffers + i * q.slot
            q.vectors[i].iov_len = q.slot
            q.headers[i].msg_hdr.msg_iov = &q.vectors[i]
            q.headers[i].msg_hdr.msg_iovlen = 1

    cdef bind(self, uint32_t max_length, uint32_t copy_range, int size):
        from netfilterqueue import NetfilterQueue

        cdef Loop *q = self.q
        cdef int on = 1
        cdef int error
        if size <= 0:
            # The kernel counts a message with its bookkeeping: about 1 KiB more than what was copied.
            size = min(max(max_length * <int64_t>(copy_range + 1024), 8 << 20), 512 << 20)
        try:
            self.queue = NetfilterQueue()
            # What comes before our flags are set goes through libnetfilter_queue, to this function.
            self.queue.bind(q.number, accept, max_len=max_length, range=copy_range, sock_len=size)
        except OSError as why:
            raise KernelError(
                f"queue {q.number} cannot be bound (is another reader there? root is needed): {why}"
            ) from why
        q.fd = self.queue.get_fd()
        setsockopt(q.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size))
        error = errno if setsockopt(q.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) < 0 else 0
        if error == 0:
            error = open_gate(q, copy_range)
        if error != 0:
            self.unbind()
            raise KernelError(f"queue {q.number} cannot be configured: {os.strerror(error)}")

    def __dealloc__(self):
        cdef Loop *q = self.q
        if q != NULL:
            if q.wake >= 0:
                close(q.wake)
            free(q.buffers)
            free(q.headers)
            free(q.vectors)
            free(q.packets)
            free(q.decisions)
            free(q.out)
            free(q)

    def run(self) -> None:
        """Reads until stop(), in the calling thread and without the GIL; then lets go what is queued and unbinds.

        Raises KernelError where the socket fails or the reader is closed.
        """
        cdef int error
        if self.queue is None or self.running:
            raise KernelError(f"queue {self.q.number} is closed or read already")
        self.running = True
        try:
            with nogil:
                error = run_loop(self.q)
            if error:
                raise KernelError(f"queue {self.q.number} cannot be read: {os.strerror(error)}")
        finally:
            self.running = False
            self.unbind()

    def stop(self) -> None:
        """Has run() return soon.  From any thread."""
        publish(&self.q.stop, 1)
        self.call()

    def close(self) -> None:
        """Lets go what is queued and unbinds; has run() do so where it runs."""
        if self.running:
            self.stop()
        else:
            self.unbind()

    def release(self, numbers: list[int]) -> None:
        """Has held packets accepted now, by the numbers that the handler gave them.  From any thread."""
        cdef Loop *q = self.q
        cdef uint32_t at
        with self.lock:
            at = q.releases_written
            for number in numbers:
                if at - acquire(&q.releases_read) == RELEASES_MAX:
                    break               # so far behind, their deadline is as near
                q.releases[at & (RELEASES_MAX - 1)] = number
                at += 1
            publish(&q.releases_written, at)
        self.call()

    cdef call(self):
        cdef uint64_t one = 1
        write(self.q.wake, &one, sizeof(one))

    cdef unbind(self):
        queue, self.queue = self.queue, None
        if queue is not None:
            with nogil:
                close_gate(self.q)
            queue.unbind()
            self.q.fd = -1

    @property
    def number(self) -> int:
        return self.q.number

    @property
    def heartbeat(self) -> int:
        """Turns of the loop so far."""
        return self.q.heartbeat[0]

    @property
    def receive_buffer(self) -> int:
        """Bytes that the kernel allows our socket, 0 once closed."""
        cdef int size = 0
        cdef unsigned int n = sizeof(size)
        if self.q.fd >= 0:
            getsockopt(self.q.fd, SOL_SOCKET, SO_RCVBUF, &size, &n)
        return size

    def counters(self) -> dict[str, int]:
        """What the loop has counted, by name; see QueueCounters."""
        counted = dict(self.q.c)
        counted["held"] = self.q.n_held
        return counted


def accept(packet: object) -> None:
    packet.accept()


KERNEL_COLUMNS = ("queue", "port", "length", "copy_mode", "copy_range", "dropped", "user_dropped", "last_id")


def kernel_counters() -> dict[int, dict[str, int]]:
    """What the kernel says of each queue in the thread's network namespace, by queue number.

    length          packets waiting for a verdict
    dropped         packets dropped because the queue was full (0 with fail-open)
    user_dropped    packets dropped because the reader's socket was full (0 with fail-open)
    last_id         packets that were queued, modulo 2**32

    Empty where the kernel has no queues.  nfnetlink_queue.c, seq_show().
    """
    try:
        text = Path("/proc/thread-self/net/netfilter/nfnetlink_queue").read_text()
    except OSError:
        return {}
    rows = [dict(zip(KERNEL_COLUMNS, map(int, line.split()))) for line in text.splitlines()]
    return {row.pop("queue"): row for row in rows}
