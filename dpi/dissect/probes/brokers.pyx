"""Queues and brokers, and what is published by them."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport strlen

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16, u32


cdef Answer mqtt(const Sight *s, Found *out) noexcept nogil:
    """MQTT 5.0, 3.1: CONNECT, its length of up to four bytes, the protocol's name; 3.2: CONNACK of 3.1.1, or with properties."""
    cdef Cursor c = over(s.data, s.n)
    cdef int i = 0
    cdef uint16_t n
    if byte_at(s, 0) == 0x20:
        return yes(to_or_from(s, 1883) and s.n >= 4 and s.data[2] <= 1 and (
            s.data[1] == 2 and s.data[3] <= 5 or s.data[1] > 2 and byte_at(s, 4) + 3 == s.data[1]))
    if u8(&c) != 0x10:
        return NO
    while i < 4 and u8(&c) & 0x80:
        i += 1
    n = u16(&c)
    if left(&c) < 6:
        return NO if alive(&c) and n not in (4, 6) else MORE
    return yes(n == 4 and has(s, i + 4, b"MQTT", 4) or n == 6 and has(s, i + 4, b"MQIsdp", 6))


cdef uint32_t publish(const Sight *s, uint32_t at) noexcept nogil:
    """Where a PUBLISH at an offset ends (MQTT 3.1.1, 3.3), 0 where there is none: a flag, its length, its topic as text.

    The length (2.2.3) has up to four bytes of seven bits, the lowest first.
    """
    cdef uint32_t start = at + 1
    cdef uint32_t length = 0
    cdef uint32_t shift = 0
    cdef uint32_t topic
    if byte_at(s, at) & 0xF0 != 0x30 or byte_at(s, at) & 6 == 6:
        return 0
    while shift < 21 and byte_at(s, start) & 0x80:
        length |= (byte_at(s, start) & 0x7F) << shift
        shift += 7
        start += 1
    length |= (byte_at(s, start) & 0x7F) << shift
    start += 1
    topic = be16(s, start)
    if topic + 2 > length or not 4 <= topic <= 1024 or not printable(s, start + 2, min(topic, s.n - start - 2)):
        return 0
    return start + length


cdef Answer mqtt_joined(const Sight *s, Found *out) noexcept nogil:
    """MQTT 3.1.1, joined in the middle: pings (3.12) and acknowledgements (3.4), then PUBLISH (3.3) with a topic.

    It ends where the data does, or another one is behind it; at the protocol's port more may come, and an
    acknowledgement alone will do.
    """
    cdef bint here = to_or_from(s, 1883)
    cdef uint32_t at = 0
    cdef uint32_t end
    while at < 16 and (be16(s, at) in (0xC000, 0xD000) or be16(s, at) in (0x4002, 0x5002, 0x6202, 0x7002)):
        at += 2 if byte_at(s, at + 1) == 0 else 4
    if s.n <= at + 4:
        if here and at == s.n and s.data[0] < 0xC0:
            return YES
        return MORE if at and at < 16 else NO
    end = publish(s, at)
    if s.n < end:
        return YES if here else MORE
    return yes(end != 0 and (end == s.n or publish(s, end) != 0
                             or be16(s, end) in (0xC000, 0xD000, 0x4002, 0x5002, 0x6202, 0x7002)))


cdef Answer amqp(const Sight *s, Found *out) noexcept nogil:
    """AMQP 0-9-1, 4.2.2; 1.0, 2.2; 0-9-1, 4.2.3: a frame with a class of methods and its end, a server's Start first.

    1.0, 2.3.1, joined later: a frame's size, its header's in words, AMQP's type or SASL's, then a performative (2.7, 5.3.3).
    """
    cdef uint32_t size = be32(s, 3)
    cdef uint8_t kind = byte_at(s, 10)
    if s.data[0] == 0:
        size = be32(s, 0)
        return yes(11 <= size <= s.n and s.data[4] == 2 and s.data[5] <= 1 and be16(s, 8) == 0x0053
                   and (0x10 <= kind <= 0x18 if s.data[5] == 0 else be16(s, 6) == 0 and 0x40 <= kind <= 0x44)
                   and (size == s.n or be16(s, size) == 0 and byte_at(s, size + 4) == 2 and byte_at(s, size + 5) <= 1))
    if s.data[0] <= 3:
        if be16(s, 7) not in (10, 20, 30, 40, 50, 60, 85, 90) or s.n < 13 or size > 1 << 17:
            return NO
        return yes(be32(s, 7) == 0x000A000A and be16(s, 11) == 9 or byte_at(s, 7 + size) == 0xCE)
    if s.n < 8:
        return MORE if starts(s, b"AMQP", 4) != NO else NO
    return yes(has(s, 0, b"AMQP", 4) and s.data[4] <= 3)


cdef Answer kafka(const Sight *s, Found *out) noexcept nogil:
    """Kafka's protocol guide: length, API key, its version, a correlation id, and the client's name as text."""
    cdef uint32_t n = be32(s, 0)
    cdef uint32_t name = be16(s, 12)
    if not s.from_opener or s.n < 14 or n < 10 or n > 1 << 26 or be16(s, 4) > 92 or be16(s, 6) > 20:
        return NO
    if n + 4 > s.n and n > 4096:
        return NO
    if n + 4 < s.n and not fills(s, n + 4, 12, 2 + (name if name < 256 else 0)):        # of the same client
        return NO
    if name == 0xFFFF:
        return yes(to_or_from(s, 9092) and n + 4 == s.n)
    return yes(name + 10 <= n and 1 <= name <= 255 and printable(s, 14, name))


cdef Answer nats(const Sight *s, Found *out) noexcept nogil:
    """NATS: INFO of the server, CONNECT of the client, both with JSON."""
    if s.from_opener:
        return yes(has(s, 0, b"CONNECT {", 9))
    return yes(has(s, 0, b'INFO {"', 7) and contains(s, b'"server_id"', 11, 256))


cdef struct Frame:
    const char *command
    const char *header


cdef Frame *FRAMES = [      # STOMP 1.2: what is sent behind the first of each side, and a header that it has
    Frame(b"SEND", b"\ndestination:"), Frame(b"SUBSCRIBE", b"\ndestination:"), Frame(b"UNSUBSCRIBE", b"\nid:"),
    Frame(b"UNSUBSCRIBE", b"\ndestination:"), Frame(b"ACK", b"\nid:"), Frame(b"ACK", b"\nmessage-id:"), Frame(b"NACK", b"\nid:"),
    Frame(b"NACK", b"\nmessage-id:"), Frame(b"BEGIN", b"\ntransaction:"), Frame(b"COMMIT", b"\ntransaction:"),
    Frame(b"ABORT", b"\ntransaction:"), Frame(b"DISCONNECT", b"\nreceipt:"), Frame(b"MESSAGE", b"\ndestination:"),
    Frame(b"MESSAGE", b"\nsubscription:"), Frame(b"RECEIPT", b"\nreceipt-id:"), Frame(b"ERROR", b"\nmessage:"),
    Frame(NULL, NULL),
]


cdef bint stomp_command(const Sight *s, const char *command) noexcept nogil:
    """Whether it stands alone on the first line."""
    cdef uint32_t n = <uint32_t>strlen(command)
    return has(s, 0, command, n) and (has(s, n, b"\n", 1) or has(s, n, b"\r\n", 2))


cdef Answer stomp(const Sight *s, Found *out) noexcept nogil:
    """STOMP 1.2: a command alone on its line, then headers; others than the first have one that belongs to them (joined
    later).  Line ends may come before it, which say that a side is still there.

    A server that does not understand the first command answers with an error and its message.
    """
    cdef Sight frame = behind_line_ends(s, 16)
    cdef const Frame *row = FRAMES
    if frame.n == 0:
        return MORE if to_or_from(s, 61613) else NO
    if stomp_command(&frame, b"STOMP") or stomp_command(&frame, b"CONNECT") or stomp_command(&frame, b"CONNECTED"):
        return YES
    if s.from_opener and frame.data[0] == c'E':
        return NO
    while row.command != NULL:
        if stomp_command(&frame, row.command) and contains(&frame, row.header, <uint32_t>strlen(row.header), 256):
            return YES
        row += 1
    return NO


cdef Answer openwire(const Sight *s, Found *out) noexcept nogil:
    """OpenWire: the length, WIREFORMAT_INFO, the magic."""
    return yes(s.n >= 13 and s.data[4] == 1 and has(s, 5, b"ActiveMQ", 8))


cdef Answer zmtp(const Sight *s, Found *out) noexcept nogil:
    """ZMTP 3.1, 2.2: the signature, eight bytes of padding that are a length of 1 (to older peers) or zeros in its
    midst; 1.0, 2.3: an empty identity, then two frames or more that end where the data does."""
    cdef Cursor c
    cdef uint32_t frames = 0
    cdef uint32_t n
    cdef uint8_t flags
    if s.data[0] == 0xFF:
        if s.n < 10:
            return MORE if byte_at(s, 1) == 0 else NO
        return yes(be32(s, 1) == 0 and be16(s, 5) == 0 and s.data[9] == 0x7F)
    if be16(s, 0) != 0x0100 or s.n < 2:
        return NO
    c = over(s.data + 2, s.n - 2)
    while left(&c) > 0:
        n = u8(&c)
        if n == 0xFF:
            if u32(&c):
                return NO
            n = u32(&c)
        flags = u8(&c)
        if n == 0 or n > 1 << 24 or flags > 1:      # more frames follow
            return NO
        if frames == 0 and n == 1 and flags == 0:   # nobody begins with nothing
            return NO
        skip(&c, <Py_ssize_t>n - 1)
        if not alive(&c):
            return MORE if frames else NO
        frames += 1
    return yes(frames >= 2)


cdef Answer nanomsg(const Sight *s, Found *out) noexcept nogil:
    """SP's mapping for TCP (sp-tcp-mapping-01, 3): 0, `SP`, version 0, who it is of a pattern, reserved 0."""
    return yes(s.n >= 8 and be32(s, 0) == 0x00535000 and 16 <= be16(s, 4) < 256 and be16(s, 6) == 0)


cdef Answer ibm_mq(const Sight *s, Found *out) noexcept nogil:
    """IBM MQ's transmission segment header: "TSH" and one more in ASCII or EBCDIC, a length."""
    if s.n < 28 or not 28 <= be32(s, 4) <= 1 << 20:
        return NO
    return yes(has(s, 0, b"TSH", 3) and s.data[3] in (c' ', c'C', c'M')
               or has(s, 0, b"\xe3\xe2\xc8", 3) and s.data[3] in (0x40, 0xC3, 0xD4))


cdef Answer msmq(const Sight *s, Found *out) noexcept nogil:
    """MS-MQMQ, 2.2.19.1: version 0x10, flags, the signature, a size."""
    return yes(s.n >= 16 and has(s, 4, b"LIOR", 4))


cdef Answer nsq(const Sight *s, Found *out) noexcept nogil:
    """NSQ's clients: the version, then a command."""
    return yes(s.from_opener and has(s, 0, b"  V2", 4) and (s.n == 4 or c'A' <= s.data[4] <= c'Z'))


cdef Answer rocketmq(const Sight *s, Found *out) noexcept nogil:
    """RocketMQ's remoting: a length, the header's, its JSON."""
    return yes(be32(s, 0) > be32(s, 4) & 0xFFFFFF and be32(s, 0) <= 1 << 24 and has(s, 8, b'{"code":', 8))


cdef Answer beanstalk(const Sight *s, Found *out) noexcept nogil:
    """beanstalkd's protocol.txt: commands and answers, a line each; what is asked in one word is told by its answer."""
    cdef uint32_t i = 3
    if not s.from_opener and has(s, 0, b"OK ", 3):          # a length, a document in YAML
        while is_digit(byte_at(s, i)):
            i += 1
        return yes(i > 3 and has(s, i, b"\r\n---", 5))
    if beanstalk_elsewhere(s, out) == YES:
        return YES
    if not s.from_opener:
        return yes(has(s, 0, b"USING ", 6) or has(s, 0, b"RESERVED ", 9))
    return yes((has(s, 0, b"use ", 4) or has(s, 0, b"watch ", 6) or has(s, 0, b"reserve\r\n", 9)
                or has(s, 0, b"stats-job ", 10) or has(s, 0, b"peek-", 5)) and contains(s, b"\r\n", 2, 256))


cdef Answer beanstalk_elsewhere(const Sight *s, Found *out) noexcept nogil:
    """Away from its port the longer words alone, and a job's four numbers."""
    cdef uint32_t i = 4
    cdef uint32_t numbers = 0
    if has(s, 0, b"put ", 4):
        while i < s.n and i < 48 and (is_digit(s.data[i]) or s.data[i] == c' '):
            numbers += is_digit(s.data[i]) and s.data[i - 1] == c' '
            i += 1
        return yes(numbers == 4 and has(s, i, b"\r\n", 2))
    return yes(has(s, 0, b"reserve-with-timeout ", 21) or has(s, 0, b"list-tube", 9) or has(s, 0, b"stats-tube ", 11)
               or has(s, 0, b"INSERTED ", 9) or has(s, 0, b"WATCHING ", 9) or has(s, 0, b"RESERVED ", 9))


cdef Answer pulsar(const Sight *s, Found *out) noexcept nogil:
    """Pulsar's binary protocol: the size of all, of the command, which is all there is; CONNECT or CONNECTED, and its field."""
    cdef uint8_t field = 0x12 if byte_at(s, 9) == 2 else 0x1A
    return yes(s.n >= 14 and be32(s, 0) + 4 == s.n and be32(s, 4) + 8 == s.n and s.data[8] == 8 and 2 <= s.data[9] <= 3
               and s.data[10] == field)


at_first(TCP, P_MQTT, mqtt, b"\x10\x20")
at_first(TCP, P_MQTT, mqtt_joined, b"\x30\x31\x32\x33\x34\x35\x40\x50\x62\x70\xc0\xd0")
at_first(TCP, P_AMQP, amqp, b"A\x00\x01\x02")
at_first(TCP, P_ZMTP, zmtp, b"\xff\x01")
at_first(TCP, P_NATS, nats, b"CI")
at_first(TCP, P_STOMP, stomp, b"SCMERANUBD\r\n")
at_first(TCP, P_OPENWIRE, openwire, b"\x00")
at_first(TCP, P_KAFKA, kafka, b"\x00\x01\x02\x03")
at_first(TCP, P_NANOMSG, nanomsg, b"\x00")
at_first(TCP, P_IBMMQ, ibm_mq, b"T\xe3")
at_first(TCP, P_MSMQ, msmq, b"\x10")
at_first(TCP, P_NSQ, nsq, b" ")
at_first(TCP, P_ROCKETMQ, rocketmq, b"\x00")
at_first(TCP, P_BEANSTALK, beanstalk_elsewhere, b"prlsIWR")
at_first(TCP, P_PULSAR, pulsar, b"\x00")
at_ports(TCP, P_BEANSTALK, beanstalk, (11300,))
