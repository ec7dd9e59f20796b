"""Owns one kernel queue: opens it, reads it in a thread, leaves it.  One thread a queue.

`netfilterqueue` opens, binds and owns the queue; from its descriptor on everything is done by the loop
(queue_loop.pyx), without the GIL.

Fail safe.  FAIL_OPEN lets packets pass that find the queue or our socket full, `bypass` in the rule those that find
no reader; `heartbeat` counts turns for a watchdog that ends a reader which hangs.  To leave, the reader first sets
the queue's length to 0, so that new packets pass it by, then accepts whatever it holds, and only then unbinds:
unbinding drops what is queued.

The copy range is COPY_RANGE; see there.
"""
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport close, write

from dpi.capture.decision cimport Decision
from dpi.capture.nfnetlink cimport MESSAGE_MAX, QueuedPacket
from dpi.capture.queue_loop cimport (
    BATCH,
    HEADROOM,
    HELD_MAX,
    RELEASE_DROP,
    RELEASES_MAX,
    SECOND,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SOL_SOCKET,
    Loop,
    close_gate,
    getsockopt,
    iovec,
    mmsghdr,
    open_gate,
    run_loop,
    setsockopt,
)
from dpi.wire.atomic cimport load32, store32

import os
import threading
from pathlib import Path

from dpi.errors import KernelError


cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int, int)

cdef extern from "<linux/netlink.h>" nogil:
    int SOL_NETLINK "270"   # the C library's sys/socket.h has it, under conditions
    int NETLINK_NO_ENOBUFS


# Bytes copied of each packet: as many as are looked at of a stream (flow/stream.pxd, STREAM_MAX), and the headers before
# them, for what a sender hands over at once comes as one GSO packet.  A browser's ClientHello that resumes has 2 to 3 kB,
# a server's certificates 4 and more, and before the Host of a request may stand 8 of path and cookies.  Docs:
# internals/queue.md has what it costs.
COPY_RANGE = 16384 + 256
MAX_LENGTH = 4096
HOLD_SECONDS = 0.05


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
    heartbeat       address of an int64 that counts the loop's turns (at least 5 a second), 0 for one of our own

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
        store32(&self.q.stop, 1)
        self.call()

    def close(self) -> None:
        """Lets go what is queued and unbinds; has run() do so where it runs."""
        if self.running:
            self.stop()
        else:
            self.unbind()

    def release(self, numbers: list[int], drop: bool = False) -> None:
        """Has held packets accepted now, or dropped, by the numbers that the handler gave them.  From any thread."""
        cdef Loop *q = self.q
        cdef uint32_t at
        cdef uint64_t how = <uint64_t>(1 if drop else 0) << RELEASE_DROP
        with self.lock:
            at = q.releases_written
            for number in numbers:
                if at - load32(&q.releases_read) == RELEASES_MAX:
                    break               # so far behind, their deadline is as near
                q.releases[at & (RELEASES_MAX - 1)] = <uint64_t>number | how
                at += 1
            store32(&q.releases_written, at)
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
