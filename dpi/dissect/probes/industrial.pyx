"""Plants, substations and laboratories: controllers, instruments, what they are read and driven by."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.crc cimport crc_ccitt, crc_reflected
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer modbus(const Sight *s, Found *out) noexcept nogil:
    """Modbus TCP, 4.1: transaction, protocol 0, the length of the rest, a unit, a function that exists; perhaps several."""
    cdef uint8_t function = byte_at(s, 7)
    cdef uint32_t end = 0
    while end + 8 <= s.n and be16(s, end + 2) == 0:
        end += be16(s, end + 4) + 6
    if end == 0 or end != s.n:
        return NO
    if function & 0x7F == 0x5A:                 # Schneider's own, UMAS: a key, a function, or how it went
        out.app = P_UMAS
        if function == 0x5A and (1 <= byte_at(s, 9) <= 0x83 or byte_at(s, 9) >= 0xFD):
            return YES
    elif function & 0x7F not in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43):
        return NO
    if to_or_from(s, 502):
        return YES
    # Elsewhere a question (6.1 to 6.5): 1 to 2000 bits or 1 to 125 registers, one bit that is set or cleared; what
    # registers are given (6.12), or what was read in them (6.3, 6.4), two bytes each.
    if 247 < s.data[6] < 255:
        return NO
    if function == 16 and s.n > 13:
        return yes(1 <= be16(s, 10) <= 123 and s.data[12] == 2 * be16(s, 10) and s.data[12] + 13U == s.n)
    if function in (3, 4) and s.n > 12:
        return yes(s.data[8] + 9U == s.n and s.data[8] & 1 == 0)
    if s.n != 12:
        return NO
    if function == 5:
        return yes(be16(s, 10) in (0, 0xFF00))
    return yes(1 <= function <= 4 and 1 <= be16(s, 10) <= (2000 if function <= 2 else 125))


cdef Answer modbus_rtu(const Sight *s, Found *out) noexcept nogil:
    """Modbus over serial line, 2.5.1, as gateways pass it on: a unit, a function, …, a check sum of all before."""
    cdef uint8_t function = byte_at(s, 1) & 0x7F
    if not 4 <= s.n <= 256 or s.data[0] > 247 or not (1 <= function <= 24 or function == 43):
        return NO
    return yes(crc_reflected(s.data, s.n - 2, 0xA001, 0xFFFF) == le16(s, s.n - 2))


cdef int hex_digit(uint8_t c) noexcept nogil:
    """Its value, -1 where it is none of those that are written."""
    if is_digit(c):
        return c - c'0'
    return c - c'A' + 10 if c'A' <= c <= c'F' else -1


cdef Answer modbus_ascii(const Sight *s, Found *out) noexcept nogil:
    """Modbus over serial line, 2.5.2, as gateways pass it on: a colon, bytes as two digits, the last their check sum."""
    cdef uint32_t i = 1
    cdef uint8_t total = 0
    cdef int high, low
    if not 9 <= s.n <= 513 or s.data[0] != c':' or not has(s, s.n - 2, b"\r\n", 2):
        return NO
    while i + 3 < s.n:
        high = hex_digit(s.data[i])
        low = hex_digit(s.data[i + 1])
        if high < 0 or low < 0:
            return NO
        total += <uint8_t>(high << 4 | low)
        i += 2
    return yes(i + 2 == s.n and total == 0)


cdef Answer dnp3(const Sight *s, Found *out) noexcept nogil:
    """IEEE 1815, 9.2: 0x0564, a length of 5 or more, …, a check sum of the first eight bytes (9.2.4.3)."""
    if s.n < 10 or be16(s, 0) != 0x0564 or s.data[2] < 5:
        return NO
    return yes(crc_reflected(s.data, 8, 0xA6BC, 0) ^ 0xFFFF == le16(s, 8))


cdef Answer iec104(const Sight *s, Found *out) noexcept nogil:
    """IEC 60870-5-104, 5.1: 0x68, the length of an APDU; a control function alone, or a type with its cause."""
    cdef uint32_t length = byte_at(s, 1)
    if s.n < 6 or length < 4 or length > 253 or length + 2 > s.n:
        return NO
    if length == 4:
        if s.data[2] & 3 == 3:
            return yes(s.data[2] in (0x07, 0x0B, 0x13, 0x23, 0x43, 0x83) and s.data[3] == 0 and be16(s, 4) == 0)
        return yes(s.data[2] == 1 and s.data[3] == 0 and s.data[4] & 1 == 0)
    if s.data[2] & 1 or s.data[4] & 1:
        return NO
    return yes(to_or_from(s, 2404) or s.n >= 12 and 1 <= s.data[6] <= 127 and s.data[7] and 1 <= s.data[8] & 0x3F <= 47
               and s.data[9] == 0 and (byte_at(s, length + 2) == 0x68 or length + 2 == s.n))


cdef Answer iso_on_tcp(const Sight *s, Found *out) noexcept nogil:
    """TPKT (RFC 1006, 6) with X.224: behind a connect S7 (0x32), S7 Plus (0x72), or a session of MMS (ISO 9506)."""
    cdef uint32_t at = 0
    cdef int _
    for _ in range(3):
        if s.n < at + 7:
            return MORE if s.n <= at and at or to_or_from(s, 102) else NO
        if be16(s, at) != 0x0300 or be16(s, at + 2) < 7:
            return NO
        if s.data[at + 5] & 0xF0 not in (0xD0, 0xE0) or s.data[at + 4] + 5U != be16(s, at + 2):     # CC, CR
            break
        at += be16(s, at + 2)
    if be16(s, at + 4) != 0x02F0 or s.data[at + 6] & 0x7F:
        return NO
    if s.n < at + 9:
        return MORE
    if s.data[at + 7] == 0x32 and s.data[at + 8] in (1, 2, 3, 7):
        return YES
    if s.data[at + 7] == 0x72 and s.data[at + 8] in (1, 2, 3, 0xFD, 0xFE):
        out.label = P_S7COMMPLUS
        return YES
    if s.data[at + 7] in (0x0D, 0x0E):
        out.label = P_ISO95061MMS
        if contains(s, b"\x28\xca\x22\x02", 4, at + 300):
            return YES
        return MORE if s.n < at + be16(s, at + 2) and s.n < at + 300 else NO
    if has(s, at + 7, b"\x01\x00\x01\x00\x61", 5):
        out.label = P_ISO95061MMS
        return yes(contains(s, b"\x02\x01\x03\xa0", 4, at + 40))
    return NO


cdef Answer cip_io(const Sight *s, Found *out) noexcept nogil:
    """CIP, volume 2, 2-6: items: a sequenced address of 8 bytes, connected data of the rest."""
    return yes(s.n >= 18 and le16(s, 0) == 2 and le16(s, 2) == 0x8002 and le16(s, 4) == 8 and le16(s, 14) == 0x00B1
               and le16(s, 16) + 18 == s.wire)


cdef Answer ethernet_ip(const Sight *s, Found *out) noexcept nogil:
    """CIP, volume 2, 2-3.1: a command, the length of the rest, a session, a status, the sender's own, no options."""
    cdef uint16_t command = le16(s, 0)
    if s.n < 24 or command not in (0x00, 0x04, 0x63, 0x64, 0x65, 0x66, 0x6F, 0x70) or be32(s, 20):
        return NO
    if le32(s, 8) > 0x70 or not fills(s, le16(s, 2) + 24, 0, 2):
        return NO
    if s.proto == UDP and command not in (0x04, 0x63, 0x64):    # 2-2.2: the others need a session
        return NO
    return yes(to_or_from(s, 44818) or command >= 0x63 and (command < 0x66) == (le32(s, 4) == 0 or command == 0x65))


cdef Answer opc_ua(const Sight *s, Found *out) noexcept nogil:
    """OPC 10000-6, 7.1.2: a kind of message, whether it is final, goes on or is aborted (6.7.2), the length."""
    return yes(s.n >= 8 and (has(s, 0, b"HELF", 4) or has(s, 0, b"ACKF", 4) or has(s, 0, b"OPNF", 4)
                             or has(s, 0, b"MSG", 3) and s.data[3] in (c'F', c'C', c'A') or has(s, 0, b"ERRF", 4)
                             or has(s, 0, b"RHEF", 4) or has(s, 0, b"CLOF", 4)) and 8 <= le32(s, 4) <= 1 << 24)


cdef Answer hart_ip(const Sight *s, Found *out) noexcept nogil:
    """HCF_SPEC-085, 10.1: version 1 or 2, a kind, an id, a status, a sequence, the length of all.

    Elsewhere than on its port what is asked or answered must be there too: a session's timer, HART's delimiter, nothing.
    """
    cdef uint32_t n = be16(s, 6)
    if s.n < 8 or n < 8 or not 1 <= s.data[0] <= 2 or s.data[1] > 2 and s.data[1] != 15 or s.data[2] > 5 or not fills(s, n, 0, 2):
        return NO
    if s.data[1] == 2 and s.data[2] not in (3, 4):      # only what devices say is published
        return NO
    if to_or_from(s, 5094):
        return YES
    if s.data[1] > 2 or s.data[1] == 0 and s.data[3]:
        return NO
    if s.data[2] == 0:
        return yes(n == 13 and byte_at(s, 8) <= 1 and be32(s, 9) != 0)
    if s.data[2] <= 2:
        return yes(n == 8)
    return yes(s.data[2] == 3 and n >= 13 and byte_at(s, 8) & 0x7F in (1, 2, 6))


cdef Answer fins_tcp(const Sight *s, Found *out) noexcept nogil:
    """Omron's FINS over TCP: the magic, the length of the rest, a command."""
    return yes(s.n >= 16 and has(s, 0, b"FINS", 4) and 8 <= be32(s, 4) <= 1 << 16 and be32(s, 8) <= 6)


cdef bint fins_command(uint32_t command) noexcept nogil:
    """W342 (FINS commands), 5-1: what controllers are asked: memory, parameters, programs, modes, state, the time, …"""
    cdef uint32_t second = command & 0xFF
    command >>= 8
    if command in (0x01, 0x21):                 # memory; errors
        return 1 <= second <= (5 if command == 1 else 3)
    if command == 0x02 or command == 0x04 or command == 0x05 or command == 0x07:
        return 1 <= second <= 3 or command == 2 and second in (8, 0x20)
    if command == 0x03:
        return 4 <= second <= 8
    if command == 0x06 or command == 0x09:
        return second == 0x20 or command == 6 and second == 1
    if command == 0x08 or command == 0x0C:
        return 1 <= second <= (3 if command == 0x0C else 1)
    return command == 0x22 and 1 <= second <= 0x20 or command == 0x23 and second in (1, 2, 10) or command == 0x26 and 1 <= second <= 3


cdef Answer fins(const Sight *s, Found *out) noexcept nogil:
    """Omron's FINS over UDP: a command or a response (whose code follows) through gateways, reserved 0, hops, a network of at
    most 127, a node and a unit of either side, a number, a command that there is."""
    return yes(s.n >= (14 if s.data[0] & 0x40 else 12) and s.data[0] in (0x80, 0x81, 0xC0, 0xC1) and s.data[1] == 0
               and s.data[2] <= 7 and s.data[3] <= 127 and s.data[6] <= 127 and fins_command(be16(s, 10)))


cdef Answer beckhoff_ads(const Sight *s, Found *out) noexcept nogil:
    """AMS over TCP: 0, the length; AMS: two addresses, a command, flags, the length of the data, an error, an id."""
    cdef uint32_t n = le32(s, 2)
    return yes(s.n >= 38 and be16(s, 0) == 0 and 32 <= n <= 1 << 20 and le16(s, 22) <= 9 and le16(s, 24) in (4, 5)
               and le32(s, 26) + 32 == n)


cdef Answer beckhoff_discovery(const Sight *s, Found *out) noexcept nogil:
    """TwinCAT's broadcasts: the magic, 0, a service."""
    return yes(s.n >= 12 and be32(s, 0) == 0x03661471)


cdef Answer ethernet_global_data(const Sight *s, Found *out) noexcept nogil:
    """GE's EGD: type 13, version 1, a request's number, the producer's address."""
    return yes(s.n >= 32 and be16(s, 0) == 0x0D01)


cdef Answer hsms(const Sight *s, Found *out) noexcept nogil:
    """SEMI E37, 8: the length, of a header alone; no device; a request to select, and its answer."""
    return yes(s.n >= 14 and be32(s, 0) == 10 and be16(s, 4) == 0xFFFF and be16(s, 6) == 0 and 1 <= be16(s, 8) <= 2)


cdef Answer synchrophasor(const Sight *s, Found *out) noexcept nogil:
    """IEEE C37.118.2, 6.2: 0xAA, a type and version, the size, …, a check sum (CCITT) over all but itself."""
    cdef uint32_t n = be16(s, 2)
    if s.n < 16 or s.data[1] & 0x80 or s.data[1] >> 4 > 5 or not 1 <= s.data[1] & 0x0F <= 3 or n < 16 or n > s.n:
        return NO
    return yes(crc_ccitt(s.data, n - 2, 0xFFFF) == be16(s, n - 2))


cdef Answer hislip(const Sight *s, Found *out) noexcept nogil:
    """IVI-6.1, 2.1: `HS`, a type of message, a control code, a parameter, a length of 64 bits."""
    return yes(s.n >= 16 and has(s, 0, b"HS", 2) and s.data[2] <= 27 and be32(s, 8) == 0 and be32(s, 12) <= 1 << 24)


cdef bint own_station(const Sight *s, uint32_t at) noexcept nogil:
    """MELSEC's way to a module: a network, a station in it, the processor (0x03FF, or one of several), one behind it."""
    cdef uint32_t module = le16(s, at + 2)
    return (module == 0x03FF or 0x03E0 <= module <= 0x03E3) and byte_at(s, at + 4) <= 31 \
        and (byte_at(s, at + 1) == 0xFF or byte_at(s, at + 1) <= 120)


cdef Answer melsec(const Sight *s, Found *out) noexcept nogil:
    """MELSEC communication protocol (SLMP), frames 3E and 4E: a subheader, the way, the length of the rest; or in text."""
    cdef uint32_t at = 2
    if (has(s, 0, b"5000", 4) or has(s, 0, b"D000", 4)) and has(s, 8, b"03FF", 4):
        return yes(printable(s, 0, 18))
    if (has(s, 0, b"5400", 4) or has(s, 0, b"D400", 4)) and has(s, 8, b"0000", 4) and has(s, 16, b"03FF", 4):
        return yes(printable(s, 0, 26))
    if s.data[0] & 0x7F == 0x54:
        at = 6                                  # 4E: a number and 0 come first
    if s.n < at + 9 or s.data[1] or s.data[0] & 0x7F not in (0x50, 0x54) or at == 6 and be16(s, 4):
        return NO
    return yes(own_station(s, at) and fills(s, le16(s, at + 5) + at + 7, at, 5))


cdef Answer dicom(const Sight *s, Found *out) noexcept nogil:
    """DICOM PS3.8, 9.3.2 to 9.3.4: an association is asked for or accepted: version 1, two titles of 16; or rejected."""
    if s.data[0] == 3:
        return yes(s.n == 10 and be32(s, 0) == 0x03000000 and be16(s, 4) == 4 and 1 <= s.data[7] <= 2)
    return yes(s.n >= 42 and s.data[1] == 0 and 68 <= be32(s, 2) <= 1 << 20 and be32(s, 6) == 0x00010000
               and printable(s, 10, 32))


cdef Answer gvcp(const Sight *s, Found *out) noexcept nogil:
    """GigE Vision's control: a key or a status, a command or its answer, the length of the rest."""
    if s.n < 8 or be16(s, 4) + 8 != s.wire:
        return NO
    if be16(s, 2) & 1:
        return yes((be16(s, 0) == 0 or s.data[0] & 0xF0 == 0x80) and be16(s, 2) in (3, 0x41, 0x43, 0x81, 0x83, 0x85, 0x87, 0x89))
    return yes(s.data[0] == 0x42 and be16(s, 2) in (2, 4, 0x40, 0x42, 0x80, 0x82, 0x84, 0x86))


at_first(TCP, P_OPCUA, opc_ua, b"HAOMERC")
at_first(TCP, P_FINS, fins_tcp, b"F")
at_first(TCP, P_HISLIP, hislip, b"H")
at_first(TCP, P_IEC60870, iec104, b"\x68")
at_first(TCP, P_S7COMM, iso_on_tcp, b"\x03")
at_first(TCP, P_BECKHOFFADS, beckhoff_ads, b"\x00")
at_first(UDP, P_BECKHOFFADS, beckhoff_discovery, b"\x03")
at_first(BOTH, P_DNP3, dnp3, b"\x05")
at_first(BOTH, P_IEEEC37118, synchrophasor, b"\xaa")
at_first(BOTH, P_HARTIP, hart_ip, b"\x01\x02")
at_first(BOTH, P_ETHERNETIP, ethernet_ip, b"\x00\x04\x63\x64\x65\x66\x6f\x70")
at_first(UDP, P_CIP, cip_io, b"\x02")
at_first(TCP, P_HSMS, hsms, b"\x00")
at_first(TCP, P_DICOM, dicom, b"\x01\x02\x03")
at_first(BOTH, P_MELSEC, melsec, b"PT\xd0\xd45D")
at_first(TCP, P_MODBUS, modbus_ascii, b":")
at_ports(TCP, P_MODBUS, modbus_rtu, (502,))
at_ports(UDP, P_MODBUS, modbus, (502,))
at_ports(UDP, P_FINS, fins, (9600,))
at_ports(UDP, P_ETHERNETGLOBALDATA, ethernet_global_data, (18246,))
at_ports(UDP, P_GVCP, gvcp, (3956,))
at_any(TCP, P_MODBUS, modbus)
