"""Vehicles: cars and their chargers, trains, ships, drones."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport NO, Answer, Found
from dpi.dissect.probes.crc cimport crc_reflected
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer doip(const Sight *s, Found *out) noexcept nogil:
    """ISO 13400-2, 9.2: a version and its inverse, a type of payload, the length of the rest: of a refusal (0) one byte."""
    cdef uint32_t kind = be16(s, 2)
    cdef uint32_t end = be32(s, 4) + 8
    if s.n < 8 or s.data[0] ^ s.data[1] != 0xFF:
        return NO
    if not (1 <= kind <= 8 or kind == 0 and end == 9 or 0x4001 <= kind <= 0x4004 or 0x8001 <= kind <= 0x8003):
        return NO
    return yes(8 <= end <= 1 << 24 and fills(s, end, 0, 2))


cdef Answer v2g(const Sight *s, Found *out) noexcept nogil:
    """ISO 15118-2, 7.8.3: version 1 and its inverse, EXI or the discovery of a charger, the length of the rest."""
    cdef uint32_t kind = be16(s, 2)
    return yes(s.n >= 10 and be16(s, 0) == 0x01FE and (0x8001 <= kind <= 0x8004 or 0x9000 <= kind <= 0x9003)
               and be32(s, 4) <= 1 << 16 and fills(s, be32(s, 4) + 8, 0, 2))


cdef Answer trdp(const Sight *s, Found *out) noexcept nogil:
    """IEC 61375-2-3, A.6: a sequence, version 1.x, a type of two letters, …"""
    if s.n < 40 or s.data[4] != 1 or s.data[5] > 3:
        return NO
    if s.data[6] == c'P':
        return yes(s.data[7] in (c'd', c'p', c'r', c'e') and be32(s, 20) <= 1432)
    return yes(s.data[6] == c'M' and s.data[7] in (c'n', c'r', c'p', c'q', c'c', c'e') and be32(s, 20) < 1 << 16)


cdef Answer can(const Sight *s, Found *out) noexcept nogil:
    """CAN over a network: the standard's number is the magic; or cannelloni's over TCP; or what socketcand greets with, and
    tells whoever looks for it."""
    if s.data[0] == c'<':
        return yes(has(s, 0, b"<CANBeacon ", 11) if s.proto == UDP else not s.from_opener and has(s, 0, b"< hi >", 6))
    return starts(s, b"ISO11898", 8) if s.data[0] == c'I' else starts(s, b"CANNELLONIv1", 12)


cdef Answer cannelloni(const Sight *s, Found *out) noexcept nogil:
    """cannelloni: version 2, data (0), a number, how many frames there are; each an id, a length of 8 bytes at the most, or of
    64 with flags behind it (CAN FD), and data; they fill the datagram.  One frame may be chance: elsewhere than at its port
    a second datagram has to be like it."""
    cdef uint32_t count = be16(s, 3)
    cdef uint32_t at = 5
    cdef uint32_t n, _
    if s.n < 10 or s.n != s.wire or s.data[0] != 2 or s.data[1] or not 1 <= count <= 255:
        return NO
    for _ in range(count):
        n = byte_at(s, at + 4)
        if at + 5 > s.n or n & 0x7F > (64 if n & 0x80 else 8):
            return NO
        if be32(s, at) & 0x80000000U == 0 and be32(s, at) & 0x1FFFF800:     # a short id has 11 bits
            return NO
        at += 5 + (n >> 7) + (0 if be32(s, at) & 0x40000000 else n & 0x7F)
    return yes(at == s.n and (count > 1 or to_or_from(s, 20000) or agreed(s, 0x43414E02)))


cdef const char *DIGITS = b"0123456789ABCDEF"


cdef Answer nmea(const Sight *s, Found *out) noexcept nogil:
    """NMEA 0183, 5.3: a sentence: $ or !, five letters, fields, *, two digits: all between them by exclusive or."""
    cdef uint32_t i = 1
    cdef uint8_t total = 0
    while i < s.n and i < 82 and s.data[i] != c'*':
        if not is_print(s.data[i]) or i < 6 and not c'A' <= s.data[i] <= c'Z':
            return NO
        total ^= s.data[i]
        i += 1
    if i < 7 or i + 2 >= s.n or i == 82 or s.data[6] != c',':
        return NO
    return yes(s.data[i + 1] == <uint8_t>DIGITS[total >> 4] and s.data[i + 2] == <uint8_t>DIGITS[total & 0x0F])


cdef Answer mavlink(const Sight *s, Found *out) noexcept nogil:
    """MAVLink, HEARTBEAT (message 0), which each vehicle and station sends by the second: version 1 or 2, its length, less
    what zeros end it in version 2, a check sum of all but the first byte and of the message's own number, 50."""
    cdef uint8_t own = 50
    cdef uint32_t end = 6 if byte_at(s, 0) == 0xFE else 10
    cdef uint16_t crc
    if s.n < end + 3 or end == 6 and (s.data[1] != 9 or s.data[5]):
        return NO
    if end == 10 and (not 1 <= s.data[1] <= 9 or s.data[2] > 1 or be16(s, 7) or s.data[9]):
        return NO
    end += s.data[1]
    if s.n < end + 2:
        return NO
    crc = crc_reflected(&own, 1, 0x8408, crc_reflected(s.data + 1, end - 1, 0x8408, 0xFFFF))
    return yes(crc == le16(s, end))


at_first(BOTH, P_CONTROLLERAREANETWORK, can, b"I")
at_first(TCP, P_CONTROLLERAREANETWORK, can, b"C<")
at_first(UDP, P_CONTROLLERAREANETWORK, can, b"<")
at_first(UDP, P_CONTROLLERAREANETWORK, cannelloni, b"\x02")
at_first(BOTH, P_DOIP, doip, b"\x02\x03\x04\xff")
at_first(BOTH, P_V2G, v2g, b"\x01")
at_first(BOTH, P_NMEA0183, nmea, b"$!")
at_first(BOTH, P_MAVLINK, mavlink, b"\xfd\xfe")
at_any(BOTH, P_TRDP, trdp)
