"""pcapng: sections, interfaces, and the blocks that hold packets (draft-ietf-opsawg-pcapng; also the obsolete one).

A block's size stands at both ends, so that one which is not known can be left out, and damage is seen.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

from dpi.capture.reader cimport (
    CAPTURE_CUT,
    CAPTURE_STRANGE,
    RECORD_MAX,
    CaptureReader,
    Interface,
    Record,
    ahead,
    blame,
    consume,
    damaged,
    ended,
    fill,
    half,
    word,
)


cdef enum:
    INTERFACES_MAX = 1 << 16

    BLOCK_INTERFACE = 1
    BLOCK_OLD_PACKET = 2
    BLOCK_SIMPLE = 3
    BLOCK_PACKET = 6
    BYTE_ORDER = 0x1a2b3c4d

    OPTION_END = 0
    OPTION_TSRESOL = 9
    OPTION_TSOFFSET = 14


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


cdef bint block_at_hand(const CaptureReader *r, const uint8_t *b, size_t n) noexcept nogil:
    """Whether the n bytes that are there begin with a whole packet block."""
    cdef uint32_t length
    if n < 32 or word(r, b) != BLOCK_PACKET:
        return False
    length = word(r, b + 4)     # a block that next_block() would leave out leads to others, which may not be here
    return (32 <= length <= n and not length & 3 and word(r, b + length - 4) == length
            and word(r, b + 8) < r.n_interfaces and word(r, b + 20) <= length - 32)
