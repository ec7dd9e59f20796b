"""Capture files: pcap and pcapng, told apart by their first bytes, in either byte order.

A damaged file gives every record up to the damage; the first fault and its offset stay in the reader, for the caller
to report.  Formats: draft-ietf-opsawg-pcap, with the "modified" one that some vendors' tcpdump wrote; pcapng.pyx has
the other.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from dpi.capture.pcapng cimport BLOCK_SECTION, block_at_hand, next_block
from dpi.capture.reader cimport (
    CAPTURE_CUT,
    CAPTURE_DAMAGED,
    CAPTURE_EMPTY,
    CAPTURE_FINE,
    CAPTURE_STRANGE,
    CAPTURE_UNKNOWN,
    CAPTURE_UNREADABLE,
    RECORD_MAX,
    CaptureReader,
    Record,
    ahead,
    blame,
    consume,
    damaged,
    ended,
    half,
    reader_close,
    reader_open,
    shrunk,
    torn,
    word,
)
from dpi.capture.window cimport window_torn
from dpi.wire.link cimport link_is_read
from dpi.wire.prefetch cimport prefetch

import os
import stat
import sys

from dpi.capture.link_types import link_type_name
from dpi.capture.unpacked import packed, unpacked
from dpi.errors import CaptureError


cdef enum:
    PCAP_MICRO = 0xa1b2c3d4
    PCAP_NANO = 0xa1b23c4d
    PCAP_MODIFIED = 0xa1b2cd34      # 8 more bytes in front of each packet
    PCAP_HEAD = 24


cdef bint open_pcap(CaptureReader *r, uint32_t magic) noexcept nogil:
    cdef const uint8_t *h = ahead(r, PCAP_HEAD)
    if h == NULL:
        blame(r, CAPTURE_CUT, r.offset)
        return False
    r.old = half(r, h + 6) < 4
    r.linktype = word(r, h + 20) & 0xffff       # above: how long the frame check sequences are
    r.header = 24 if magic == PCAP_MODIFIED else 16
    r.scale = 1 if magic == PCAP_NANO else 1000
    consume(r, PCAP_HEAD)
    return True


cdef inline bint begins_another(const CaptureReader *r, const uint8_t *h) noexcept nogil:
    """Whether a file's head stands where a record's would, as `cat` joins captures; as a time it is in 2055."""
    cdef uint32_t magic = word(r, h)
    return (magic == PCAP_MICRO or magic == PCAP_NANO or magic == PCAP_MODIFIED) and (
        half(r, h + 4) == 2 and half(r, h + 6) == 4 and word(r, h + 8) == 0)


cdef bint capture_open(CaptureReader *r, int fd) noexcept nogil:
    cdef const uint8_t *h
    cdef uint32_t magic = 0
    cdef bint swapped
    if not reader_open(r, fd):
        return False
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


cdef int next_pcap(CaptureReader *r, Record *out) noexcept nogil:
    cdef const uint8_t *h = ahead(r, r.header)
    cdef uint32_t caplen, wirelen
    while h != NULL and begins_another(r, h):
        if not open_pcap(r, word(r, h)):
            return 0
        h = ahead(r, r.header)
    if h == NULL:
        return ended(r)
    caplen = word(r, h + 8)
    wirelen = word(r, h + 12)
    if r.old and caplen > wirelen:
        caplen, wirelen = wirelen, caplen
    if caplen > RECORD_MAX or caplen == 0 and shrunk(r):
        return damaged(r)
    h = ahead(r, r.header + caplen)
    if h == NULL:
        return ended(r)
    prefetch(h + r.header + caplen)
    prefetch(h + r.header + caplen + 64)
    out.time = <int64_t>word(r, h) * 1000000000 + <int64_t>word(r, h + 4) * r.scale
    out.data = h + r.header
    out.caplen = caplen
    out.wirelen = wirelen
    out.linktype = r.linktype
    consume(r, r.header + caplen)
    return 1


cdef void note_unread(CaptureReader *r, uint32_t linktype) noexcept nogil:
    if not r.unread:
        r.unread_type = linktype
    elif linktype != r.unread_type:
        r.unread_others = True
    r.unread += 1


cdef void ask_link(CaptureReader *r, uint32_t linktype) noexcept nogil:
    r.asked_type = linktype
    r.asked_is_read = link_is_read(linktype)


cdef int next_record(CaptureReader *r, Record *out) noexcept nogil:
    if not (next_block(r, out) if r.blocks else next_pcap(r, out)):
        return 0
    if r.records == 0 or out.linktype != r.asked_type:      # nearly all records have the type of the one before
        ask_link(r, out.linktype)
    r.records += 1
    if not r.asked_is_read:
        note_unread(r, out.linktype)
    return 1


cdef bint at_hand(const CaptureReader *r) noexcept nogil:
    cdef const uint8_t *b = r.bytes + r.begin
    cdef size_t n = r.end - r.begin
    if not r.blocks:
        return n >= r.header and n - r.header >= word(r, b + 8) and not begins_another(r, b)
    return block_at_hand(r, b, n)


MESSAGES = {
    CAPTURE_EMPTY: "the file is empty",
    CAPTURE_UNKNOWN: "not a capture: neither pcap nor pcapng",
    CAPTURE_CUT: "the capture ends in the middle of a record",
    CAPTURE_DAMAGED: "the capture is damaged: impossible lengths; what follows is not read",
    CAPTURE_STRANGE: "a packet block contradicts itself and was left out",
    CAPTURE_UNREADABLE: "cannot be read",
}


cdef class Capture:
    """An open capture; `-` is standard input.  Raises CaptureError (`FILE:OFFSET: message`) where it is none.

    A file that is compressed is unpacked on the way (unpacked.py): offsets in messages are then of what is in it.
    The loop calls next_record() on .reader.  For everybody else it is an iterator of (time in ns, link type, bytes on
    the wire, bytes captured), which raises CaptureError at its end where something was wrong with the file.
    """

    def __cinit__(self, path: str | os.PathLike[str]):
        cdef bint good
        memset(&self.reader, 0, sizeof(CaptureReader))
        self.path = os.fspath(path)
        try:
            # Unbuffered: the descriptor is read from C.
            self.file = open(sys.stdin.fileno() if self.path == "-" else path, "rb", 0, closefd=self.path != "-")
            good = self.begin(self.file.fileno())
            if self.reader.fault == CAPTURE_UNKNOWN:    # what was read is not to be had again where it is a pipe
                self.unpacked = unpacked(self.file.fileno(), self.start(self.reader.end))
            if self.unpacked is not None:
                reader_close(&self.reader)
                good = self.begin(self.unpacked.fileno())
        except OSError as error:
            raise CaptureError(f"{self.path}:0: {error.strerror}") from error
        if not good:
            message = self.fault()
            self.close()
            raise CaptureError(message) if message else MemoryError

    def __dealloc__(self):
        reader_close(&self.reader)

    def close(self) -> None:
        reader_close(&self.reader)
        if self.unpacked is not None:
            self.unpacked.close()
            self.unpacked = None
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
        cdef bytes data = b""
        with nogil:
            got = next_record(&self.reader, &record)
        if got:
            data = (<const char *>record.data)[:record.caplen]
            got = not window_torn(self.reader.window) or torn(&self.reader)
        if not got:
            if fault := self.fault():
                raise CaptureError(fault)
            raise StopIteration
        return record.time, record.linktype, record.wirelen, data

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

    cdef bint begin(self, int fd):
        cdef bint good
        with nogil:
            good = capture_open(&self.reader, fd)
        return good

    cdef bytes start(self, size_t n):
        """What it starts with, at most n bytes; before anything was taken out of the buffer."""
        return (<const char *>self.reader.bytes)[:min(self.reader.end, n)]

    cdef object fault(self):
        if self.unpacked is not None and self.unpacked.error is not None:
            return f"{self.path}:{self.reader.offset}: {self.unpacked.error}"
        if self.reader.fault == CAPTURE_FINE:
            return None
        message = MESSAGES[self.reader.fault]
        if self.reader.fault == CAPTURE_UNREADABLE:
            message += f": {os.strerror(self.reader.error)}"
        if self.reader.fault == CAPTURE_UNKNOWN:
            start = self.start(4)
            message += f" (it starts with {start.hex(' ')}" + (f", as {packed(start)} does)" if packed(start) else ")")
        return f"{self.path}:{self.reader.fault_at}: {message}"

    cdef object unread(self):
        cdef CaptureReader *r = &self.reader
        if not r.unread:
            return None
        name = link_type_name(r.unread_type)
        what = f"link types that are not read, {name} the first" if r.unread_others else (
            f"link type {name}, which is not read")
        return f"{self.path}: {r.unread} of {r.records} packets have {what}"

    @property
    def size(self):
        """Bytes of the file; None of what is none, as a pipe."""
        found = os.fstat(self.file.fileno())
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @property
    def offset(self):
        """Bytes of the file that are behind the records read so far; of a compressed one, those that were read."""
        return self.reader.offset if self.unpacked is None else self.unpacked.tell()

    @property
    def warning(self):
        """What is wrong so far, or None: the file's first fault, as `FILE:OFFSET: message`; and, on a line of its own,
        as `FILE: message`, that packets have a link type that nothing reads."""
        return "\n".join(filter(None, (self.fault(), self.unread()))) or None
