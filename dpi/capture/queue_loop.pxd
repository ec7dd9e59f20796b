"""A queue's loop: what it has in memory, and its face for who owns it (nfqueue.pyx); queue_loop.pyx says how it works.

A handler gets a batch in the order in which the packets came, and a Decision for each that says ACCEPT without a
mark until the handler changes it.  A packet whose message was damaged has payload NULL and n 0, and is best left so.
With n 0 nothing came for a while: the moment for timers.  Times are ns since 1970.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from posix.time cimport timespec

from dpi.capture.decision cimport Decision
from dpi.capture.nfnetlink cimport QueuedPacket


ctypedef void (*decide_fn)(void *ctx, const QueuedPacket *packets, Decision *decisions, uint32_t n,
                           int64_t now) noexcept nogil


cdef struct Handler:
    decide_fn decide
    void *ctx


cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <poll.h>
    #include <sys/socket.h>
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


cdef enum:
    BATCH = 128             # messages a recvmmsg(): beyond it the cost of a packet no longer falls
    HEADROOM = 512          # bytes a message may have beside the packet: all attributes together stay below 256
    HELD_MAX = 256          # packets held at once; a further one is accepted
    RELEASE_DROP = 63       # the bit of a number to be released that says that its packet is dropped
    RELEASES_MAX = 1024     # numbers waiting to be released, a power of two
    TURN_NS = 200000000     # an idle loop turns this often, so that its heart beats and timers run
    ACK_NS = 2000000000     # how long the kernel may take to acknowledge our configuration
    SECOND = 1000000000
    ALL_BEHIND = 0x3fffffff     # added to an id: more than any queue can hold, less than half the ids


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


cdef int run_loop(Loop *q) noexcept nogil
cdef int open_gate(Loop *q, uint32_t copy_range) noexcept nogil
cdef void close_gate(Loop *q) noexcept nogil
