"""Google's QUIC, versions Q024 to Q050: its handshake is in the clear.

A packet is a public header (to Q043; from Q044 on something like the IETF's long header), a packet number, twelve
bytes of hash, and frames.  A STREAM frame carries a CHLO: a map of four-letter tags, of which SNI and UAID are what
a middlebox wants.  From Q050 on the CHLO comes in Initials that quic.pyx opens.

Old clients and games still speak it.  There is no RFC; the layout is that of Chromium's "QUIC Wire Layout
Specification" and "QUIC Crypto" documents.  A client's CHLO fills one packet, and every one that it sends after a
REJ names the server again, so nothing is put together here.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.text cimport host_name, put_text
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u32


cdef enum:
    FLAG_VERSION = 0x01
    FLAG_RESET = 0x02
    FLAG_CID = 0x08
    TAG_CHLO = 0x43484c4f
    TAG_REJ = 0x52454a00
    TAG_SHLO = 0x53484c4f
    TAG_SNI = 0x534e4900
    TAG_UAID = 0x55414944
    TAGS_MAX = 128          # Chromium's kMaxEntries


cdef struct Layout:         # what versions differ in
    bint entropy            # to Q033: private flags, and entropy in frames
    bint little             # to Q038: numbers are little-endian
    uint8_t number_len      # of the packet's number


cdef uint32_t is_gquic(uint32_t v) noexcept nogil:
    """"Q0" and two digits below 50, as a version's number reads in ASCII."""
    return v if v >> 16 == 0x5130 and 0x30 <= (v >> 8 & 0xff) <= 0x34 and 0x30 <= (v & 0xff) <= 0x39 else 0


cdef inline int digits(uint32_t v) noexcept nogil:
    return 10 * ((v >> 8 & 0xff) - 0x30) + ((v & 0xff) - 0x30)


cdef uint32_t gquic_version(const uint8_t *data, uint32_t n) noexcept nogil:
    """The version that a datagram's header names, 0 where it is not one of these."""
    cdef Cursor c = over(data, n)
    cdef uint8_t flags = u8(&c)
    if flags & 0x80:
        return is_gquic(u32(&c))
    if flags & 0xc0 or not flags & FLAG_VERSION or flags & FLAG_RESET or not flags & FLAG_CID:
        return 0
    skip(&c, 8)
    return is_gquic(u32(&c))


cdef Answer gquic_datagram(const uint8_t *data, uint32_t n, Found *out, bint *from_client) noexcept nogil:
    """YES with what a CHLO says, if the datagram carries one.  MORE: it names the version alone, and came before that.

    from_client is set to who sends such a message, and left alone where there is none.  A header without a version is QUIC only where a handshake message follows it.
    """
    cdef Cursor c = over(data, n)
    cdef uint32_t version = gquic_version(data, n)
    cdef Layout layout
    cdef uint8_t flags = u8(&c)
    cdef uint8_t lengths
    layout.entropy = version != 0 and digits(version) < 34
    layout.little = version != 0 and digits(version) < 39
    if flags & 0x80:                        # Q044 to Q049: the long header of the drafts up to 21
        if not version:
            return NO
        skip(&c, 4)
        lengths = u8(&c)
        skip(&c, (lengths >> 4) + 3 if lengths >> 4 else 0)
        skip(&c, (lengths & 0x0f) + 3 if lengths & 0x0f else 0)
        layout.number_len = 4
    else:
        if flags & 0xc0 or flags & FLAG_RESET or not flags & FLAG_CID:
            return NO
        skip(&c, 8 + (4 if version else 0))
        layout.number_len = flags >> 4 & 3
        layout.number_len = 2 * layout.number_len if layout.number_len else 1
    skip(&c, layout.number_len + 12)
    if layout.entropy:
        skip(&c, 1 if u8(&c) & 2 else 0)    # private flags; bit 1: a FEC group's number follows
    out.quic_version = version
    if frames(&c, &layout, out, from_client):
        return YES
    return MORE if version else NO


cdef inline uint16_t number16(Cursor *c, bint little) noexcept nogil:
    cdef uint16_t n = u16(c)
    return (n << 8 | n >> 8) & 0xffff if little else n


cdef inline int width(int bits) noexcept nogil:
    """Of a packet number: 1, 2, 4 or 6 bytes."""
    return 2 * bits if bits else 1


cdef bint frames(Cursor *c, const Layout *layout, Found *out, bint *from_client) noexcept nogil:
    """Looks for a handshake message at the start of a STREAM frame."""
    cdef uint8_t kind, blocks
    cdef uint32_t n, tag
    cdef Cursor message
    while left(c):
        kind = u8(c)
        if kind & 0x80:                     # STREAM: 1 fin length offset*3 id*2
            skip(c, (kind & 3) + 1)
            skip(c, (kind >> 2 & 7) + 1 if kind >> 2 & 7 else 0)
            n = number16(c, layout.little) if kind & 0x20 else <uint32_t>left(c)
            if n > left(c):
                n = <uint32_t>left(c)       # cut by the capture
            message = slice(c, n)
            tag = u32(&message)
            if tag == TAG_CHLO:
                gquic_chlo(message.p - 4, n, out)
            if tag == TAG_CHLO or tag == TAG_REJ or tag == TAG_SHLO:
                from_client[0] = tag == TAG_CHLO
                return True
        elif kind & 0x40 and not layout.entropy:    # ACK: 01 blocks unused largest*2 block*2
            skip(c, width(kind >> 2 & 3) + 2)
            blocks = u8(c) if kind & 0x20 else 0
            skip(c, width(kind & 3) + blocks * (1 + width(kind & 3)))
            blocks = u8(c)                  # timestamps
            skip(c, 5 + 3 * (blocks - 1) if blocks else 0)
        elif kind == 6 and not layout.entropy:      # STOP_WAITING
            skip(c, layout.number_len)
        elif kind != 0 and kind != 7:       # PADDING, PING
            return False
    return False


cdef inline uint32_t le32(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef Answer gquic_chlo(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """A CHLO message ("QUIC Crypto", Handshake messages): MORE where it is not all there, NO where it is not one.

    Tags are in rising order, each with the offset behind its value, counted from behind the map; little-endian.
    """
    cdef Cursor c = over(data, n)
    cdef uint32_t tags, i, tag, start, end
    cdef const uint8_t *entries
    cdef const uint8_t *value
    if u32(&c) != TAG_CHLO:
        return NO if alive(&c) else MORE
    tags = u8(&c)
    tags |= <uint32_t>u8(&c) << 8
    skip(&c, 2)
    if tags > TAGS_MAX:
        return NO
    entries = take(&c, 8 * tags)
    if entries == NULL:
        return MORE
    start = 0
    for i in range(tags):
        tag = (<uint32_t>entries[8 * i] << 24 | <uint32_t>entries[8 * i + 1] << 16
               | <uint32_t>entries[8 * i + 2] << 8 | entries[8 * i + 3])
        end = le32(entries + 8 * i + 4)
        if end < start:
            return NO
        value = take(&c, end - start)
        if value == NULL:
            return MORE
        if tag == TAG_SNI:
            out.host_len = host_name(value, end - start, out.host)
        elif tag == TAG_UAID:
            put_text(value, end - start, out.agent, sizeof(out.agent))
        start = end
    return YES


def dissect(data: bytes) -> tuple[int, int, str, str]:
    """(answer, version, host, agent) of a datagram in the clear; answers are NO 0, MORE 1, YES 2."""
    cdef Found found
    cdef Answer answer
    cdef bint from_client = True
    cdef uint8_t *block = block_of(data)
    memset(&found, 0, sizeof(found))
    answer = gquic_datagram(block, len(data), &found, &from_client)
    free(block)
    return answer, found.quic_version, found.host.decode(), found.agent.decode("utf-8", "replace")
