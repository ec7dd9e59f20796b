"""What programs of an office's and a data centre's servers hand to each other."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


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
    """beanstalkd's commands and answers, a line each."""
    return yes(has(s, 0, b"put ", 4) or has(s, 0, b"use ", 4) or has(s, 0, b"watch ", 6) or has(s, 0, b"reserve", 7)
               or has(s, 0, b"stats", 5) or has(s, 0, b"list-tube", 9) or has(s, 0, b"INSERTED ", 9)
               or has(s, 0, b"USING ", 6) or has(s, 0, b"WATCHING ", 9) or has(s, 0, b"RESERVED ", 9))


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


cdef Answer net_tcp(const Sight *s, Found *out) noexcept nogil:
    """MC-NMF, 2.2.3: records of version 1.0, of a mode, and of the URI, which has the server's name."""
    cdef uint32_t i, end
    if s.n < 8:
        return starts(s, b"\x00\x01\x00\x01", 4) if s.n < 4 else NO
    if not has(s, 0, b"\x00\x01\x00\x01", 4) or not 1 <= s.data[4] <= 4 or s.data[5] != 2:
        return NO
    end = 7 + s.data[6]             # the URI's length, of up to 127 bytes
    if s.n < end:
        return MORE
    i = 7
    while i < 20 and i + 3 <= end and not has(s, i, b"://", 3):
        i += 1
    if i == 20 or i + 3 > end:
        return NO
    set_authority(out, s.data + i + 3, end - i - 3)
    return YES


cdef Answer net_remoting(const Sight *s, Found *out) noexcept nogil:
    """MS-NRTP, 2.2.3.3: the identifier, version 1.0; of a request mostly the URI next, as counted UTF-8 (2.2.3.3.3.3)."""
    cdef uint32_t length = le32(s, 18)
    if s.n < 28:
        return MORE if starts(s, b".NET\x01\x00", 6) != NO else NO
    if not has(s, 0, b".NET\x01\x00", 6):
        return NO
    if has(s, 14, b"\x04\x00\x01\x01", 4) and has(s, 22, b"tcp://", 6) and 6 < length <= 512:
        if s.n < 22 + length:
            return MORE
        set_authority(out, s.data + 28, length - 6)
    return YES


cdef Answer pulsar(const Sight *s, Found *out) noexcept nogil:
    """Pulsar's binary protocol: the size of all, of the command, which is all there is; CONNECT or CONNECTED, and its field."""
    cdef uint8_t field = 0x12 if byte_at(s, 9) == 2 else 0x1A
    return yes(s.n >= 14 and be32(s, 0) + 4 == s.n and be32(s, 4) + 8 == s.n and s.data[8] == 8 and 2 <= s.data[9] <= 3
               and s.data[10] == field)


at_first(TCP, P_IBMMQ, ibm_mq, b"T\xe3")
at_first(TCP, P_MSMQ, msmq, b"\x10")
at_first(TCP, P_NSQ, nsq, b" ")
at_first(TCP, P_ROCKETMQ, rocketmq, b"\x00")
at_first(TCP, P_NETTCP, net_tcp, b"\x00")
at_first(TCP, P_NETREMOTING, net_remoting, b".")
at_first(TCP, P_BEANSTALK, beanstalk_elsewhere, b"prlsIWR")
at_first(TCP, P_PULSAR, pulsar, b"\x00")
at_ports(TCP, P_BEANSTALK, beanstalk, (11300,))
