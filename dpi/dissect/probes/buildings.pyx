"""Buildings and meters."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport NO, Answer, Found
from dpi.dissect.probes.crc cimport crc_ccitt, crc_reflected
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer bacnet(const Sight *s, Found *out) noexcept nogil:
    """ASHRAE 135, annex J.2: BVLC: 0x81, a function, the length; the network layer's version, 1."""
    cdef uint8_t function = byte_at(s, 1)
    if s.n < 4 or function > 12 or be16(s, 2) != s.wire:
        return NO
    if function in (9, 10, 11):
        return yes(byte_at(s, 4) == 1)
    if function == 4:
        return yes(byte_at(s, 10) == 1)
    return yes(to_or_from(s, 47808) and s.wire <= 512)


cdef Answer knx(const Sight *s, Found *out) noexcept nogil:
    """KNX 3/8/2, 2.3: a header of 6 bytes, version 1.0, a service, the length of all."""
    return yes(s.n >= 6 and be16(s, 0) == 0x0610 and 2 <= s.data[2] <= 9 and fills(s, be16(s, 4), 0, 2))


cdef Answer cn_ip(const Sight *s, Found *out) noexcept nogil:
    """EIA-852, 8.1: the length of all, version 1, a type of packet, no extension, no vendor's own."""
    return yes(s.n >= 20 and be16(s, 0) == s.wire and s.data[2] == 1 and (s.data[3] == 1 or 0x60 <= s.data[3] < 0x80)
               and (to_or_from(s, 1628) or to_or_from(s, 1629) or s.data[4] == 0 and be16(s, 6) == 0))


cdef Answer niagara_fox(const Sight *s, Found *out) noexcept nogil:
    """Tridium's Fox: a frame of text, its number, the greeting."""
    return yes(has(s, 0, b"fox a ", 6) and contains(s, b" fox hello\n", 11, 32))


cdef Answer ether_s_bus(const Sight *s, Found *out) noexcept nogil:
    """SAIA's S-Bus: the length of all, version 0 or 1, type 0, a sequence, request, response or ack; a checksum ends it."""
    if s.n < 11 or be32(s, 0) != s.wire or s.data[4] > 1 or s.data[5] or s.data[8] > 2:
        return NO
    return yes(s.n < s.wire or crc_ccitt(s.data, s.n - 2, 0) == be16(s, s.n - 2))


cdef Answer ether_sio(const Sight *s, Found *out) noexcept nogil:
    """SAIA's S-I/O: the magic, a type of telegram."""
    return yes(s.n >= 20 and has(s, 0, b"ESIO\0", 5) and s.data[5] <= 2 and s.data[6] == 0)


cdef Answer dlms(const Sight *s, Found *out) noexcept nogil:
    """IEC 62056-47, 6.3: version 1, two ports, the length of the rest, an APDU; or 62056-46, 6.4: a frame in 0x7E
    with the check sum of RFC 1662, C.2."""
    cdef uint8_t tag = byte_at(s, 8)
    cdef uint32_t end = (be16(s, 1) & 0x7FF) + 2
    if s.n < 9:
        return NO
    if s.data[0] == 0x7E:
        return yes(s.data[1] >> 4 == 0x0A and 9 <= end <= s.n and fills(s, end, 0, 2) and s.data[end - 1] == 0x7E
                   and crc_reflected(s.data + 1, end - 4, 0x8408, 0xFFFF) ^ 0xFFFF == le16(s, end - 3))
    return yes(be16(s, 0) == 1 and fills(s, be16(s, 6) + 8, 0, 6) and be16(s, 2) and be16(s, 4)
               and (0x60 <= tag <= 0x63 or 0xC0 <= tag <= 0xC8
                    or tag in (0x01, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0F, 0xDB, 0xDD)))


cdef Answer meter_readout(const Sight *s, Found *out) noexcept nogil:
    """IEC 62056-21, 6.3.1, through a serial gateway: a request for a sign-on, to one device or to whichever there is."""
    return yes(5 <= s.n <= 37 and has(s, 0, b"/?", 2) and has(s, s.n - 3, b"!\r\n", 3) and printable(s, 2, s.n - 5))


cdef Answer m_bus(const Sight *s, Found *out) noexcept nogil:
    """M-Bus through a gateway (EN 13757-2): a short frame with one of a master's controls, or a long one; a sum, 0x16."""
    cdef uint32_t i
    cdef uint32_t sum = 0
    if s.data[0] == 0x10:
        return yes(s.n == 5 and s.data[1] in (0x40, 0x5A, 0x5B, 0x7A, 0x7B) and s.data[4] == 0x16
                   and (s.data[1] + s.data[2]) & 0xFF == s.data[3])
    if s.n < 9 or s.data[1] != s.data[2] or s.data[3] != 0x68 or s.n != s.data[1] + 6 or s.data[s.n - 1] != 0x16:
        return NO
    for i in range(4, s.n - 2):
        sum += s.data[i]
    return yes(sum & 0xFF == s.data[s.n - 2])


cdef Answer c1222(const Sight *s, Found *out) noexcept nogil:
    """ANSI C12.22, 5.3: ACSE's association, the length, an application's title or context."""
    cdef uint32_t at = 2 + (byte_at(s, 1) & 0x7F if byte_at(s, 1) & 0x80 else 0)
    return yes(s.n >= 8 and s.data[0] == 0x60
               and byte_at(s, at) in (0xA1, 0xA2, 0xA4, 0xA6, 0xA7, 0xA8, 0xAB, 0xAC, 0xBE))


cdef Answer tank_gauge(const Sight *s, Found *out) noexcept nogil:
    """Veeder-Root's serial interface: SOH, a function of one letter and three digits, a tank of two; an answer has a line's
    end in front of them."""
    cdef uint32_t at = 2 if not s.from_opener and has(s, 1, b"\r\n", 2) else 0
    return yes(s.n >= at + 6 and s.data[at + 1] in (c'I', c'i', c'S', c's') and is_digit(s.data[at + 2])
               and lower(s.data[at + 3]) != c' ' and is_print(s.data[at + 3]) and is_print(s.data[at + 4]) and is_digit(s.data[at + 5])
               and (s.n < at + 7 or is_digit(s.data[at + 6]) or s.data[at + 6] in (c'\r', c'\n')))


cdef Answer lorawan(const Sight *s, Found *out) noexcept nogil:
    """LoRaWAN's gateways (Semtech's packet forwarder, 3 and 5): version, token, kind, the gateway; what is heard in JSON.
    Away from the port a question for downlinks is one when it is acknowledged, by its token."""
    cdef uint32_t kind = byte_at(s, 3)
    cdef uint32_t mark = 0x4C000000 | be32(s, 0) >> 8
    if kind == 0 and byte_at(s, 12) == c'{':
        return yes(contains(s, b'"rxpk"', 6, 32) or contains(s, b'"stat"', 6, 32))
    if kind == 3 and byte_at(s, 4) == c'{':
        return yes(contains(s, b'"txpk"', 6, 32))
    if to_or_from(s, 1700):
        return yes(kind == 2 and s.wire == 12 or not s.from_opener and kind in (1, 4) and s.wire == 4)
    if kind == 2 and s.wire == 12 and s.mine != NULL and s.mine[0] == 0:
        s.mine[0] = mark
    return yes(kind == 4 and s.wire == 4 and s.theirs != NULL and s.theirs[0] == mark)


at_first(TCP, P_ATG, tank_gauge, b"\x01")
at_first(BOTH, P_KNXNETIP, knx, b"\x06")
at_first(BOTH, P_IEC62056, dlms, b"\x00\x7e")
at_first(UDP, P_BACNET, bacnet, b"\x81")
at_first(UDP, P_ETHERSIO, ether_sio, b"E")
at_first(UDP, P_ETHERSBUS, ether_s_bus, b"\x00")
at_first(UDP, P_CNPIP, cn_ip, b"\x00\x01\x02\x03\x04\x05")
at_first(TCP, P_IEC62056, meter_readout, b"/")
at_first(TCP, P_NIAGARAFOX, niagara_fox, b"f")
at_first(TCP, P_MBUS, m_bus, b"\x10\x68")
at_first(UDP, P_LORAWAN, lorawan, b"\x01\x02")
at_ports(BOTH, P_ANSIC1222, c1222, (1153,))
