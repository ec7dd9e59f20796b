"""The netlink messages of a kernel queue: read with bounds, written in place.

The kernel is trusted less than it could be: a message is read through the same cursor as anything off the wire, so
a short, cut or senseless one costs a counter and nothing else.  What matters most is the packet's id, which stands
in the first attribute: a packet whose id is known can be let through whatever else is wrong with its message.

Netlink's own headers are in the machine's byte order, the attributes of the queue in the network's.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u32, u64


cdef extern from "<arpa/inet.h>" nogil:
    uint32_t htonl(uint32_t)
    uint16_t htons(uint16_t)

cdef extern from "<linux/netlink.h>" nogil:
    cdef enum:
        NLMSG_ERROR
        NLM_F_ACK
        NLM_F_REQUEST
        NLA_TYPE_MASK

cdef extern from "<linux/netfilter/nfnetlink.h>" nogil:
    cdef enum:
        NFNL_SUBSYS_QUEUE

cdef extern from "<linux/netfilter/nfnetlink_queue.h>" nogil:
    cdef enum:
        NFQNL_MSG_PACKET
        NFQNL_MSG_VERDICT
        NFQNL_MSG_CONFIG
        NFQNL_MSG_VERDICT_BATCH
        NFQNL_COPY_PACKET
        NFQA_PACKET_HDR
        NFQA_VERDICT_HDR
        NFQA_MARK
        NFQA_TIMESTAMP
        NFQA_IFINDEX_INDEV
        NFQA_IFINDEX_OUTDEV
        NFQA_IFINDEX_PHYSINDEV
        NFQA_IFINDEX_PHYSOUTDEV
        NFQA_HWADDR
        NFQA_PAYLOAD
        NFQA_CAP_LEN
        NFQA_SKB_INFO
        NFQA_VLAN
        NFQA_VLAN_PROTO
        NFQA_VLAN_TCI
        NFQA_L2HDR
        NFQA_CFG_PARAMS
        NFQA_CFG_QUEUE_MAXLEN
        NFQA_CFG_MASK
        NFQA_CFG_FLAGS


cdef enum:
    HEADER = 16             # struct nlmsghdr
    FAMILY_HEADER = 4       # struct nfgenmsg
    ATTRIBUTE_HEADER = 4    # struct nlattr
    MAC = 6                 # bytes
    SECOND = 1000000000
    YEAR_9999 = 253402300800    # a timestamp past it is no timestamp


# ---------------------------------------------------------------- reading

cdef inline uint16_t native16(Cursor *c) noexcept nogil:
    cdef uint16_t value = 0
    cdef const uint8_t *p = take(c, 2)
    if p != NULL:
        memcpy(&value, p, 2)
    return value


cdef inline uint32_t native32(Cursor *c) noexcept nogil:
    cdef uint32_t value = 0
    cdef const uint8_t *p = take(c, 4)
    if p != NULL:
        memcpy(&value, p, 4)
    return value


cdef inline Cursor attribute(Cursor *c, uint16_t *kind) noexcept nogil:
    """The value of the next attribute; c goes dead where it does not fit."""
    cdef uint16_t size = native16(c)
    cdef Cursor value
    kind[0] = native16(c) & NLA_TYPE_MASK
    value = slice(c, <Py_ssize_t>size - ATTRIBUTE_HEADER)
    cdef Py_ssize_t padding = -size & 3
    skip(c, padding if padding < left(c) else left(c))      # the last one may go without
    return value


cdef void read_vlan(Cursor c, QueuedPacket *out) noexcept nogil:
    cdef uint16_t kind = 0
    cdef Cursor value
    while left(&c) >= ATTRIBUTE_HEADER:
        value = attribute(&c, &kind)
        if kind == NFQA_VLAN_TCI:
            out.vlan = u16(&value) & 0xfff
        elif kind == NFQA_VLAN_PROTO:
            out.vlan_protocol = u16(&value)


cdef const uint8_t *read_mac(Cursor c) noexcept nogil:
    """Out of struct nfqnl_msg_packet_hw; NULL where it is no MAC address."""
    cdef uint16_t size = u16(&c)
    skip(&c, 2)
    return take(&c, MAC) if size == MAC else NULL


cdef int64_t read_time(Cursor *c) noexcept nogil:
    """struct nfqnl_msg_packet_timestamp as ns since 1970; 0 where it is none."""
    cdef uint64_t seconds = u64(c)
    cdef uint64_t micros = u64(c)
    if not alive(c) or seconds >= YEAR_9999 or micros >= 1000000:
        return 0
    return <int64_t>(seconds * SECOND + micros * 1000)


cdef bint read_packet(Cursor *c, QueuedPacket *out) noexcept nogil:
    """Reads nfgenmsg and the attributes.  False unless all of it was whole; out.id is 0 where it was not reached."""
    cdef uint16_t kind = 0
    cdef Cursor value
    cdef uint32_t length = 0
    cdef bint whole = True
    memset(out, 0, sizeof(QueuedPacket))
    out.family = u8(c)
    skip(c, FAMILY_HEADER - 1)
    while left(c) >= ATTRIBUTE_HEADER:
        value = attribute(c, &kind)
        if not alive(&value):
            return False
        if kind == NFQA_PACKET_HDR and out.id == 0:
            out.id = u32(&value)
            out.protocol = u16(&value)
            out.hook = u8(&value)
        elif kind == NFQA_MARK:
            out.mark = u32(&value)
        elif kind == NFQA_IFINDEX_INDEV:
            out.indev = u32(&value)
        elif kind == NFQA_IFINDEX_OUTDEV:
            out.outdev = u32(&value)
        elif kind == NFQA_IFINDEX_PHYSINDEV:
            out.physindev = u32(&value)
        elif kind == NFQA_IFINDEX_PHYSOUTDEV:
            out.physoutdev = u32(&value)
        elif kind == NFQA_HWADDR:
            out.sender = read_mac(value)
        elif kind == NFQA_PAYLOAD:
            out.n = <uint32_t>left(&value)
            out.payload = take(&value, out.n)
        elif kind == NFQA_CAP_LEN:
            length = u32(&value)
        elif kind == NFQA_SKB_INFO:
            out.skb_info = u32(&value)
        elif kind == NFQA_TIMESTAMP:
            out.time = read_time(&value)
        elif kind == NFQA_L2HDR:
            out.l2_len = <uint32_t>left(&value)
            out.l2 = take(&value, out.l2_len)
        elif kind == NFQA_VLAN:
            read_vlan(value, out)
        whole = whole and alive(&value)
    out.length = length if length > out.n else out.n
    return whole and alive(c) and left(c) == 0


cdef void next_message(Cursor *c, Message *out) noexcept nogil:
    """Takes the next message of a datagram.  Always ends: every call but those that answer END takes bytes."""
    cdef Py_ssize_t before = left(c)
    out.error = 0
    if before == 0:
        out.kind = MESSAGE_END
        return
    cdef uint32_t size = native32(c)
    cdef uint16_t kind = native16(c)
    skip(c, 2)
    out.sequence = native32(c)
    skip(c, 4)
    if not alive(c) or size < HEADER:
        c.p = NULL
        out.kind = MESSAGE_MALFORMED
        return

    cdef bint cut = size > before
    cdef Cursor body = slice(c, (before if cut else size) - HEADER)
    cdef Py_ssize_t padding = -size & 3
    skip(c, padding if padding < left(c) else left(c))

    if kind == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET):
        if read_packet(&body, &out.packet) and not cut and out.packet.id != 0:
            out.kind = MESSAGE_PACKET
        else:
            out.kind = MESSAGE_DAMAGED if out.packet.id != 0 else MESSAGE_MALFORMED
    elif kind == NLMSG_ERROR:
        out.error = <int32_t>(0 - native32(&body))      # without a sign, so that nonsense wraps
        out.kind = MESSAGE_ERROR if alive(&body) else MESSAGE_MALFORMED
    else:
        out.kind = MESSAGE_MALFORMED if cut else MESSAGE_OTHER


# ---------------------------------------------------------------- writing

cdef inline uint8_t *put_header(uint8_t *out, uint16_t queue, uint8_t kind, uint32_t size) noexcept nogil:
    cdef uint32_t *words = <uint32_t *>out
    cdef uint16_t *halves = <uint16_t *>out
    words[0] = size
    halves[2] = NFNL_SUBSYS_QUEUE << 8 | kind
    halves[3] = NLM_F_REQUEST
    words[2] = 0            # sequence
    words[3] = 0            # the kernel fills our port in
    words[4] = 0            # family and version
    halves[9] = htons(queue)
    return out + HEADER + FAMILY_HEADER


cdef inline uint8_t *put_attribute(uint8_t *at, uint16_t kind, uint16_t size) noexcept nogil:
    (<uint16_t *>at)[0] = ATTRIBUTE_HEADER + size
    (<uint16_t *>at)[1] = kind
    return at + ATTRIBUTE_HEADER


cdef inline uint8_t *put_word(uint8_t *at, uint16_t kind, uint32_t value) noexcept nogil:
    at = put_attribute(at, kind, 4)
    (<uint32_t *>at)[0] = htonl(value)
    return at + 4


cdef Py_ssize_t put_verdict(uint8_t *out, uint16_t queue, bint batch, uint32_t packet_id, uint32_t verdict,
                            bint has_mark, uint32_t mark) noexcept nogil:
    """One verdict; with batch for every packet up to that id which the queue still holds.  `out` is 4-aligned."""
    cdef uint8_t *at = put_header(out, queue, NFQNL_MSG_VERDICT_BATCH if batch else NFQNL_MSG_VERDICT,
                                  40 if has_mark else 32)
    at = put_attribute(at, NFQA_VERDICT_HDR, 8)
    (<uint32_t *>at)[0] = htonl(verdict)
    (<uint32_t *>at)[1] = htonl(packet_id)
    at += 8
    if has_mark:
        at = put_word(at, NFQA_MARK, mark)
    return at - out


cdef Py_ssize_t put_flags(uint8_t *out, uint16_t queue, uint32_t mask, uint32_t flags) noexcept nogil:
    cdef uint8_t *at = put_header(out, queue, NFQNL_MSG_CONFIG, HEADER + FAMILY_HEADER + 16)
    at = put_word(at, NFQA_CFG_MASK, mask)
    at = put_word(at, NFQA_CFG_FLAGS, flags)
    return at - out


cdef Py_ssize_t put_max_length(uint8_t *out, uint16_t queue, uint32_t packets) noexcept nogil:
    cdef uint8_t *at = put_header(out, queue, NFQNL_MSG_CONFIG, HEADER + FAMILY_HEADER + 8)
    return put_word(at, NFQA_CFG_QUEUE_MAXLEN, packets) - out


cdef Py_ssize_t put_copy_range(uint8_t *out, uint16_t queue, uint32_t octets) noexcept nogil:
    """struct nfqnl_msg_config_params has 5 bytes and is padded to 8."""
    cdef uint8_t *at = put_header(out, queue, NFQNL_MSG_CONFIG, HEADER + FAMILY_HEADER + 12)
    at = put_attribute(at, NFQA_CFG_PARAMS, 5)
    (<uint32_t *>at)[0] = htonl(octets)
    (<uint32_t *>at)[1] = 0
    at[4] = NFQNL_COPY_PACKET
    return at + 8 - out


cdef void request_ack(uint8_t *message, uint32_t sequence) noexcept nogil:
    (<uint16_t *>message)[3] |= NLM_F_ACK
    (<uint32_t *>message)[2] = sequence


# ---------------------------------------------------------------- the Python face

KINDS = ("end", "packet", "damaged", "error", "other", "malformed")


def parse_messages(data: bytes) -> list[dict[str, object]]:
    """Every message of one datagram as the loop reads it: its `kind` (of KINDS), `sequence`, `error` (an errno) and,
    of packets, the fields of QueuedPacket.
    """
    cdef Py_ssize_t n = len(data)
    cdef uint8_t *block = <uint8_t *>malloc(n or 1)
    cdef Message m
    cdef Cursor c
    if block == NULL:
        raise MemoryError
    found = []
    try:
        memcpy(block, <const uint8_t *>data, n)
        c = over(block, n)
        while True:
            next_message(&c, &m)
            if m.kind == MESSAGE_END:
                return found
            message = {"kind": KINDS[m.kind], "sequence": m.sequence, "error": m.error}
            if m.kind == MESSAGE_PACKET:
                message.update(packet_fields(&m.packet))
            elif m.kind == MESSAGE_DAMAGED:
                message["id"] = m.packet.id
            found.append(message)
    finally:
        free(block)


cdef dict packet_fields(const QueuedPacket *p):
    return {
        "id": p.id, "protocol": p.protocol, "hook": p.hook, "family": p.family, "mark": p.mark,
        "indev": p.indev, "outdev": p.outdev, "physindev": p.physindev, "physoutdev": p.physoutdev,
        "skb_info": p.skb_info, "vlan": p.vlan, "vlan_protocol": p.vlan_protocol, "time": p.time,
        "length": p.length,
        "payload": (<const char *>p.payload)[:p.n] if p.payload != NULL else b"",
        "sender": (<const char *>p.sender)[:<int>MAC] if p.sender != NULL else b"",
        "l2": (<const char *>p.l2)[:p.l2_len] if p.l2 != NULL else b"",
    }


def verdict_message(queue: int, packet_id: int, verdict: int, mark: int | None = None, batch: bool = False) -> bytes:
    """The message that gives a packet (with batch: all up to it) a verdict (0 drop, 1 accept) and perhaps a mark."""
    cdef uint32_t block[10]        # MESSAGE_MAX bytes
    cdef Py_ssize_t n = put_verdict(<uint8_t *>block, queue, batch, packet_id, verdict, mark is not None, mark or 0)
    return (<char *>block)[:n]


def max_length_message(queue: int, packets: int) -> bytes:
    """The message that sets how many packets the kernel keeps in a queue; with 0 and fail-open they pass it by."""
    cdef uint32_t block[16]
    cdef Py_ssize_t n = put_max_length(<uint8_t *>block, queue, packets)
    return (<char *>block)[:n]
