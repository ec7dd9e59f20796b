"""Capture files: pcap and pcapng, told apart by their first bytes, in either byte order.

Everything is read() into one buffer, in pieces that stay in the processor's cache until their packets were looked at, and
that begin at a page, where the kernel copies fastest.  To map the file instead costs no copy but a page fault every few
packets, and a walk from header to header through memory that is not in the cache: it was slower by a tenth of a second
for 2 GB, and needs a handler for what happens when the file becomes shorter.

A damaged file gives every record up to the damage; the first fault and its offset stay in the reader, for the caller
to report.  Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; also the obsolete packet block, and the
"modified" pcap that some vendors' tcpdump wrote.
"""
from libc.errno cimport EINTR, errno
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove, memset
from posix.stat cimport S_ISREG, fstat, struct_stat
from posix.stdlib cimport posix_memalign
from posix.unistd cimport read

import os
import stat
import sys

from dpi.errors import CaptureError


cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int POLLIN
    int poll(pollfd *fds, unsigned long n, int timeout)


cdef enum:
    PAGE = 4096
    AT_ONCE = 1 << 20       # bytes that are read together
    STOCK = 64 << 10
    TURN = 200              # ms
    RECORD_MAX = 2 << 20    # four times the largest packet that Linux hands out (BIG TCP), with its options
    BUFFER = RECORD_MAX + AT_ONCE + 3 * PAGE    # a record that is not there yet, and what is read next; touched as needed
    INTERFACES_MAX = 1 << 16

    PCAP_MICRO = 0xa1b2c3d4
    PCAP_NANO = 0xa1b23c4d
    PCAP_MODIFIED = 0xa1b2cd34      # 8 more bytes in front of each packet

    BLOCK_INTERFACE = 1
    BLOCK_OLD_PACKET = 2
    BLOCK_SIMPLE = 3
    BLOCK_PACKET = 6
    BLOCK_SECTION = 0x0a0d0d0a
    BYTE_ORDER = 0x1a2b3c4d

    OPTION_END = 0
    OPTION_TSRESOL = 9
    OPTION_TSOFFSET = 14


cdef inline uint32_t word(const CaptureReader *r, const uint8_t *p) noexcept nogil:
    cdef uint32_t v = <uint32_t>p[3] << 24 | <uint32_t>p[2] << 16 | <uint32_t>p[1] << 8 | p[0]
    if r.swapped:
        v = v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24
    return v


cdef inline uint32_t half(const CaptureReader *r, const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] << 8 | p[1] if r.swapped else <uint32_t>p[1] << 8 | p[0]


cdef void blame(CaptureReader *r, CaptureFault fault, int64_t at) noexcept nogil:
    """The first fault is the one to report; the others often follow from it."""
    if r.fault == CAPTURE_FINE:
        r.fault = fault
        r.fault_at = at


cdef int64_t size_of(const CaptureReader *r) noexcept nogil:
    """Bytes of a regular file, INT64_MAX of anything else."""
    cdef struct_stat found
    return found.st_size if fstat(r.fd, &found) == 0 and S_ISREG(found.st_mode) else INT64_MAX


cdef bint fill(CaptureReader *r) noexcept nogil:
    """Reads more; False at the end or on an error."""
    cdef size_t left = r.end - r.begin
    cdef size_t start
    cdef ssize_t n
    cdef pollfd waiting
    if r.finished:
        return False
    if r.error == EINTR:
        r.error = 0
        r.fault = CAPTURE_FINE
    if r.begin >= PAGE or left == 0:
        start = -left % PAGE
        memmove(r.buffer + start, r.buffer + r.begin, left)
        r.begin = start
        r.end = start + left
    if r.turns:     # a signal that comes just before read() would not end it: whoever waits for that would wait for ever
        waiting.fd = r.fd
        waiting.events = POLLIN
        if poll(&waiting, 1, TURN) <= 0:
            r.error = EINTR
            blame(r, CAPTURE_UNREADABLE, r.offset + <int64_t>left)
            return False
    n = read(r.fd, r.buffer + r.end, AT_ONCE)
    if n > 0:
        r.end += n
        return True
    if n < 0:
        r.error = errno
        blame(r, CAPTURE_UNREADABLE, r.offset + <int64_t>left)
        if errno == EINTR:      # Python handles its signals first; the next call reads on
            return False
    elif size_of(r) < r.offset + <int64_t>left:     # it has become shorter meanwhile, as captures that are rotated do
        blame(r, CAPTURE_CUT, size_of(r))
    r.finished = True
    return False


cdef void stock_up(CaptureReader *r) noexcept nogil:
    if not r.regular or r.finished or r.end - r.begin >= STOCK:
        return
    fill(r)
    r.finished = r.fault != CAPTURE_FINE        # at the end the file may still grow


cdef const uint8_t *more(CaptureReader *r, size_t n) noexcept nogil:
    while r.end - r.begin < n:
        if not fill(r):
            return NULL
    return r.buffer + r.begin


cdef inline const uint8_t *ahead(CaptureReader *r, size_t n) noexcept nogil:
    """The next n bytes, RECORD_MAX and a header at the most, without consuming them; NULL where there are fewer.

    Earlier pointers are void."""
    return r.buffer + r.begin if r.end - r.begin >= n else more(r, n)


cdef inline void consume(CaptureReader *r, size_t n) noexcept nogil:
    r.begin += n
    r.offset += n


cdef int ended(CaptureReader *r) noexcept nogil:
    """There are fewer bytes than a record needs: fine where there are none at all."""
    if r.end > r.begin:
        blame(r, CAPTURE_CUT, r.offset)
    return 0


cdef int damaged(CaptureReader *r) noexcept nogil:
    """Lengths that cannot be right: where the next record is, nobody knows."""
    blame(r, CAPTURE_DAMAGED, r.offset)
    r.finished = True
    consume(r, r.end - r.begin)
    return 0


cdef bint open_pcap(CaptureReader *r, uint32_t magic) noexcept nogil:
    cdef const uint8_t *h = ahead(r, 24)
    if h == NULL:
        blame(r, CAPTURE_CUT, 0)
        return False
    r.old = half(r, h + 6) < 4
    r.linktype = word(r, h + 20) & 0xffff       # above: how long the frame check sequences are
    r.header = 24 if magic == PCAP_MODIFIED else 16
    r.scale = 1 if magic == PCAP_NANO else 1000
    consume(r, 24)
    return True


cdef bint capture_open(CaptureReader *r, int fd) noexcept nogil:
    cdef const uint8_t *h
    cdef uint32_t magic = 0
    cdef bint swapped
    memset(r, 0, sizeof(CaptureReader))
    r.fd = fd
    if posix_memalign(<void **>&r.buffer, PAGE, BUFFER) != 0:
        r.buffer = NULL
        return False
    r.regular = size_of(r) != INT64_MAX
    h = ahead(r, 4)
    if h == NULL:
        blame(r, CAPTURE_UNKNOWN if r.end else CAPTURE_EMPTY, 0)
        return False
    for swapped in range(2):
        r.swapped = swapped
        magic = word(r, h)
        if magic == BLOCK_SECTION:
            r.blocks = True
            return True
        if magic in (PCAP_MICRO, PCAP_NANO, PCAP_MODIFIED):
            return open_pcap(r, magic)
    blame(r, CAPTURE_UNKNOWN, 0)
    return False


cdef void capture_close(CaptureReader *r) noexcept nogil:
    free(r.buffer)
    free(r.interfaces)
    r.buffer = NULL
    r.interfaces = NULL
    r.begin = r.end = 0
    r.finished = True


cdef int next_pcap(CaptureReader *r, Record *out) noexcept nogil:
    cdef const uint8_t *h = ahead(r, r.header)
    cdef uint32_t caplen, wirelen
    if h == NULL:
        return ended(r)
    caplen = word(r, h + 8)
    wirelen = word(r, h + 12)
    if r.old and caplen > wirelen:
        caplen, wirelen = wirelen, caplen
    if caplen > RECORD_MAX:
        return damaged(r)
    h = ahead(r, r.header + caplen)
    if h == NULL:
        return ended(r)
    out.time = <int64_t>word(r, h) * 1000000000 + <int64_t>word(r, h + 4) * r.scale
    out.data = h + r.header
    out.caplen = caplen
    out.wirelen = wirelen
    out.linktype = r.linktype
    consume(r, r.header + caplen)
    return 1


cdef int64_t nanoseconds(const Interface *on, uint64_t ticks) noexcept nogil:
    """if_tsresol: the negative power of 10, or of 2 where the high bit is set.  Unsigned, so that nonsense wraps."""
    cdef uint64_t power = on.resolution & 0x7f
    cdef uint64_t ns, low, scale = 1
    if on.resolution & 0x80:
        ns = (ticks >> power if power < 64 else 0) * 1000000000
        low = ticks & ((<uint64_t>1 << power) - 1) if power < 64 else ticks
        while power > 32:       # what is cut off is less than a nanosecond
            low >>= 1
            power -= 1
        ns += low * 1000000000 >> power
    elif power <= 9:
        for _i in range(<int>(9 - power)):
            scale *= 10
        ns = ticks * scale
    else:
        for _i in range(<int>(power - 9 if power < 28 else 19)):
            scale *= 10
        ns = ticks / scale
    return <int64_t>(ns + <uint64_t>on.offset * 1000000000)


cdef bint section(CaptureReader *r) noexcept nogil:
    """A section has a byte order and interfaces of its own."""
    cdef const uint8_t *h = ahead(r, 16)
    if h == NULL:
        ended(r)
        return False
    r.swapped = False
    if word(r, h + 8) != BYTE_ORDER:
        r.swapped = True
        if word(r, h + 8) != BYTE_ORDER:
            damaged(r)
            return False
    if half(r, h + 12) != 1:    # another major version: another format
        damaged(r)
        return False
    r.n_interfaces = 0
    return True


cdef bint interface(CaptureReader *r, const uint8_t *b, uint32_t length) noexcept nogil:
    cdef Interface on
    cdef Interface *grown
    cdef uint32_t at = 16, kind, n
    if length < 20 or r.n_interfaces == INTERFACES_MAX:
        return False
    on.linktype = half(r, b + 8)
    on.snaplen = word(r, b + 12)
    on.resolution = 6
    on.offset = 0
    while at + 8 <= length:
        kind = half(r, b + at)
        n = half(r, b + at + 2)
        if kind == OPTION_END or at + 8 + n > length:
            break
        if kind == OPTION_TSRESOL and n == 1:
            on.resolution = b[at + 4]
        elif kind == OPTION_TSOFFSET and n == 8:
            on.offset = <int64_t>(
                <uint64_t>word(r, b + at + (4 if r.swapped else 8)) << 32 | word(r, b + at + (8 if r.swapped else 4))
            )
        at += 4 + ((n + 3) & ~<uint32_t>3)
    if r.n_interfaces & (r.n_interfaces - 1) == 0:      # a power of two: full
        grown = <Interface *>realloc(r.interfaces, (r.n_interfaces * 2 or 1) * sizeof(Interface))
        if grown == NULL:
            return False
        r.interfaces = grown
    r.interfaces[r.n_interfaces] = on
    r.n_interfaces += 1
    return True


cdef bint packet(CaptureReader *r, const uint8_t *b, uint32_t kind, uint32_t length, Record *out) noexcept nogil:
    """One of the three blocks that hold a packet; False where it contradicts itself."""
    cdef uint32_t id = 0
    cdef uint32_t fields = 12 if kind == BLOCK_SIMPLE else 28
    cdef const Interface *on
    if length < fields + 4:
        return False
    if kind == BLOCK_PACKET:
        id = word(r, b + 8)
    elif kind == BLOCK_OLD_PACKET:
        id = half(r, b + 8)
    if id >= r.n_interfaces:
        return False
    on = &r.interfaces[id]
    if kind == BLOCK_SIMPLE:
        out.wirelen = word(r, b + 8)
        out.caplen = min(out.wirelen, length - 16)
        if on.snaplen and out.caplen > on.snaplen:
            out.caplen = on.snaplen
        out.time = r.last
    else:
        out.time = nanoseconds(on, <uint64_t>word(r, b + 12) << 32 | word(r, b + 16))
        out.caplen = word(r, b + 20)
        out.wirelen = word(r, b + 24)
        if out.caplen > length - 32:
            return False
        r.last = out.time
    out.data = b + fields
    out.linktype = on.linktype
    return True


cdef bint leave_out(CaptureReader *r, size_t n) noexcept nogil:
    """Consumes a block that may be larger than the buffer."""
    cdef int64_t start = r.offset
    cdef size_t here
    while n:
        here = min(n, r.end - r.begin)
        consume(r, here)
        n -= here
        if n and not fill(r):
            blame(r, CAPTURE_CUT, start)
            return False
    return True


cdef int next_block(CaptureReader *r, Record *out) noexcept nogil:
    """The next packet of a pcapng stream: walks over all blocks that are none."""
    cdef const uint8_t *b
    cdef uint32_t kind, length
    cdef bint good
    while True:
        b = ahead(r, 12)
        if b == NULL:
            return ended(r)
        kind = word(r, b)
        if kind == BLOCK_SECTION:
            if not section(r):
                return 0
            b = ahead(r, 12)
        length = word(r, b + 4)
        if length < 12 or length & 3:
            return damaged(r)
        if kind not in (BLOCK_INTERFACE, BLOCK_OLD_PACKET, BLOCK_SIMPLE, BLOCK_PACKET):
            if not leave_out(r, length):
                return 0
            continue
        if length > RECORD_MAX:
            return damaged(r)
        b = ahead(r, length)
        if b == NULL:
            return ended(r)
        if word(r, b + length - 4) != length:
            return damaged(r)
        good = interface(r, b, length) if kind == BLOCK_INTERFACE else packet(r, b, kind, length, out)
        if not good:
            blame(r, CAPTURE_STRANGE, r.offset)
        consume(r, length)
        if good and kind != BLOCK_INTERFACE:
            return 1


cdef int next_record(CaptureReader *r, Record *out) noexcept nogil:
    return next_block(r, out) if r.blocks else next_pcap(r, out)


cdef bint at_hand(const CaptureReader *r) noexcept nogil:
    cdef const uint8_t *b = r.buffer + r.begin
    cdef size_t n = r.end - r.begin
    cdef uint32_t length
    if not r.blocks:
        return n >= r.header and n - r.header >= word(r, b + 8)
    if n < 32 or word(r, b) != BLOCK_PACKET:
        return False
    length = word(r, b + 4)     # a block that next_block() would leave out leads to others, which may not be here
    return (32 <= length <= n and not length & 3 and word(r, b + length - 4) == length
            and word(r, b + 8) < r.n_interfaces and word(r, b + 20) <= length - 32)


MESSAGES = {
    CAPTURE_EMPTY: "the file is empty",
    CAPTURE_UNKNOWN: "not a capture: neither pcap nor pcapng",
    CAPTURE_CUT: "the capture ends in the middle of a record",
    CAPTURE_DAMAGED: "the capture is damaged: impossible lengths; what follows is not read",
    CAPTURE_STRANGE: "a packet block contradicts itself and was left out",
    CAPTURE_UNREADABLE: "cannot be read",
}
COMPRESSED = {b"\x1f\x8b": "gzip", b"(\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz", b"\x04\"": "lz4"}


cdef class Capture:
    """An open capture; `-` is standard input.  Raises CaptureError (`FILE:OFFSET: message`) where it is none.

    The loop calls next_record() on .reader.  For everybody else it is an iterator of (time in ns, link type,
    bytes on the wire, bytes captured), which raises CaptureError at its end where something was wrong with the file.
    """

    def __cinit__(self, path: str | os.PathLike[str]):
        cdef int fd
        cdef bint good
        memset(&self.reader, 0, sizeof(CaptureReader))
        self.path = os.fspath(path)
        try:
            # Unbuffered: the descriptor is read from C.
            self.file = open(sys.stdin.fileno() if self.path == "-" else path, "rb", 0, closefd=self.path != "-")
        except OSError as error:
            raise CaptureError(f"{self.path}:0: {error.strerror}") from error
        fd = self.file.fileno()
        with nogil:
            good = capture_open(&self.reader, fd)
        if not good:
            message = self.fault()
            self.close()
            raise CaptureError(message) if message else MemoryError

    def __dealloc__(self):
        capture_close(&self.reader)

    def close(self) -> None:
        capture_close(&self.reader)
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        return self

    def __next__(self):
        cdef Record record
        cdef int got
        with nogil:
            got = next_record(&self.reader, &record)
        if not got:
            if self.reader.fault != CAPTURE_FINE:
                raise CaptureError(self.fault())
            raise StopIteration
        return record.time, record.linktype, record.wirelen, (<const char *>record.data)[:record.caplen]

    def skim(self) -> tuple[int, int]:
        """Reads to the end as the loop does: (records, bytes captured).  Raises nothing: .warning says."""
        cdef Record record
        cdef uint64_t n = 0
        cdef uint64_t size = 0
        with nogil:
            while next_record(&self.reader, &record):
                n += 1
                size += record.caplen
        return n, size

    cdef object fault(self):
        if self.reader.fault == CAPTURE_FINE:
            return None
        message = MESSAGES[self.reader.fault]
        if self.reader.fault == CAPTURE_UNREADABLE:
            message += f": {os.strerror(self.reader.error)}"
        if self.reader.fault == CAPTURE_UNKNOWN:
            start = (<const char *>self.reader.buffer)[:min(self.reader.end, <size_t>4)]
            packed = COMPRESSED.get(start[:2])
            message += f" (it starts with {start.hex(' ')}" + (f", as {packed} does)" if packed else ")")
        return f"{self.path}:{self.reader.fault_at}: {message}"

    @property
    def size(self):
        """Bytes of the file; None of what is none, as a pipe."""
        found = os.fstat(self.reader.fd)
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @property
    def offset(self):
        """Bytes of the file that are behind the records read so far."""
        return self.reader.offset

    @property
    def warning(self):
        """The first fault met so far, as `FILE:OFFSET: message`, or None."""
        return self.fault()
