"""What every network has: addresses, names, clocks, discovery, printers."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, left, over, skip, take, u8, u32


cdef Answer ntp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5905, 7.3: version, mode, a stratum of at most 16, an interval to 2^17 s, a precision below 2^0 s or none
    (chrony sends 32); words follow.  Modes 6 and 7 are control (RFC 9327, 2) and private use (ntp_request.h)."""
    cdef uint8_t version = byte_at(s, 0) >> 3 & 7
    cdef uint8_t mode = byte_at(s, 0) & 7
    if s.wire < 8 or s.n < 4 or not 1 <= version <= 4:
        return NO
    if mode == 6:                               # an operation that there is; the data, padding, perhaps a digest
        return yes(s.data[0] >> 6 == 0 and s.n >= 12 and (1 <= s.data[1] & 31 <= 12 or s.data[1] & 31 == 31)
                   and be16(s, 10) + 12 <= s.wire <= be16(s, 10) + 12 + 31)
    if mode == 7:
        return yes(s.data[2] <= 3 and be16(s, 6) >> 12 == 0)
    return yes(mode and s.wire >= 48 and s.wire % 4 == 0 and s.data[1] <= 16 and s.data[2] <= 17
               and (s.data[3] == 0 or s.data[3] == 32 or s.data[3] >= 0xE0))


cdef Answer dhcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2131, 2 and RFC 2132, 3.14: the host's name is option 12.  Plain BOOTP (RFC 951, 3) has no cookie."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t option, n
    cdef const uint8_t *value
    if not 1 <= u8(&c) <= 2:
        return NO
    skip(&c, 235)
    if u32(&c) != 0x63825363:
        return yes(s.wire >= 240 and (s.sport == 67 or s.dport == 67) and s.data[1] == 1 and byte_at(s, 2) == 6)
    while left(&c) > 2:
        option = u8(&c)
        if option == 255:
            break
        if option == 0:
            continue
        n = u8(&c)
        value = take(&c, n)
        if value != NULL and option == 12:
            set_host(out, value, n)
        elif value != NULL and option == 60:
            set_agent(out, value, n)
    return YES


cdef Answer dhcpv6(const Sight *s, Found *out) noexcept nogil:
    """RFC 8415, 8: a kind, a transaction; 21.1: options that fill the datagram, of which each message has one."""
    cdef uint32_t at = 34 if byte_at(s, 0) in (12, 13) else 4     # 9: what a relay puts before it
    if s.n < at or s.wire < at + 4 or not 1 <= s.data[0] <= 23:
        return NO
    while at + 4 <= s.n:
        if not 1 <= be16(s, at) <= 150:
            return NO
        at += be16(s, at + 2) + 4
    return yes(at == s.wire or at < s.wire and s.n < s.wire or at > s.n and at <= s.wire)


cdef Answer ssdp(const Sight *s, Found *out) noexcept nogil:
    """UPnP Device Architecture 2.0, 1.2 and 1.3; an answer comes from whatever port."""
    if has(s, 0, b"M-SEARCH * HTTP/1.", 18) or has(s, 0, b"NOTIFY * HTTP/1.", 16):
        return YES
    return yes(has(s, 0, b"HTTP/1.", 7) and (to_or_from(s, 1900) or contains(s, b"\nST:", 4, 1400)
                                             or contains(s, b"\nUSN:", 5, 1400) or contains(s, b"\nst:", 4, 1400)))


cdef Answer netbios(const Sight *s, Found *out) noexcept nogil:
    """RFC 1002, 4.2 (137: names) and 4.4 (138: datagrams); the name is two letters a byte (RFC 1001, 14.1)."""
    cdef Cursor c = over(s.data, s.n)
    cdef const uint8_t *name
    cdef uint8_t text[16]
    cdef uint8_t kind = byte_at(s, 0)
    cdef int i
    if to_or_from(s, 137):
        if (s.n >= 12 and be16(s, 4) == 0 and be16(s, 6) == 0 and 0x80 <= s.data[2] < 0xD0 and be16(s, 8) == 0
                and be16(s, 10) == 0):
            return YES                      # an answer without a record (RFC 1002, 4.2.14 and others)
        skip(&c, 12)
    else:
        if kind == 0x13:                    # an error
            return yes(s.wire == 11 and 0x82 <= byte_at(s, 10) <= 0x84)
        if not 0x10 <= kind <= 0x16:
            return NO
        skip(&c, 14 if kind < 0x13 else 10)
    if u8(&c) != 32:
        return NO
    name = take(&c, 32)
    if name == NULL:
        return NO
    for i in range(16):
        if not (c'A' <= name[2 * i] <= c'P' and c'A' <= name[2 * i + 1] <= c'P'):
            return NO
        text[i] = <uint8_t>((name[2 * i] - c'A') << 4 | (name[2 * i + 1] - c'A'))
    set_host(out, text, 15)         # the last of 16 is the kind of name; blanks fill up
    if to_or_from(s, 138) and contains(s, b"\xffSMB", 4, 256):
        out.app = P_SMBV1
    return YES


cdef bint coap_code(uint32_t code) noexcept nogil:
    """IANA, CoAP Codes: empty, seven methods, answers of three classes."""
    if code >> 5 == 4:
        return code & 31 <= 6 or code & 31 in (8, 9, 12, 13, 15, 22, 29)
    if code >> 5 == 5:
        return code & 31 <= 5 or code & 31 == 8
    return code <= 7 or 0x41 <= code <= 0x45 or code == 0x5F


cdef bint coap_options(const Sight *s, uint32_t at) noexcept nogil:
    """RFC 7252, 3 and 4.2, 4.3: an empty message is a header and no more; else options, the first of which has a number (12.2:
    0 is none), and a payload behind 0xFF."""
    cdef uint32_t part, n
    cdef uint32_t first = at
    cdef int i
    if s.data[1] == 0:
        return s.wire == 4 and at == 4
    if s.data[1] >> 5 == 0 and (s.data[1] > 7 or s.data[0] & 0x20) or s.data[0] & 0x30 == 0x30:
        return False                            # a request is not an acknowledgement, and a reset is empty
    while at < s.n:
        if s.data[at] == 0xFF:
            return at + 1 < s.wire
        n = s.data[at] & 15
        part = s.data[at] >> 4
        if n == 15 or part == 15 or part == 0 and at == first:
            return False
        at += 1
        for i in range(2):                      # 13 and 14: one or two bytes more, first of the number, then of the length
            if part == 13:
                at += 1
            elif part == 14:
                at += 2
            if i == 0:
                part = n
        if n == 13:
            n += byte_at(s, at - 1)
        elif n == 14:
            n = be16(s, at - 2) + 269
        at += n
    return at == s.wire or s.n < s.wire


cdef Answer coap(const Sight *s, Found *out) noexcept nogil:
    """RFC 7252, 3: version 1, a token of at most 8 bytes, a code that exists."""
    cdef uint32_t kind = byte_at(s, 1) >> 5
    cdef uint32_t at = 4 + (s.data[0] & 0x0F)
    cdef uint32_t option = 0
    cdef uint32_t n
    cdef int _
    if s.n < 4 or s.data[0] >> 6 != 1 or s.data[0] & 0x0F > 8 or not coap_code(s.data[1]):
        return NO
    if to_or_from(s, 5683) or to_or_from(s, 5684):
        return yes(coap_options(s, at))
    if s.data[1] == 1 and contains(s, b".well-known", 11, 40) and contains(s, b"\x04core", 5, 48):     # RFC 6690, 4
        return YES
    # Elsewhere what is asked must be answered under the same number (4.2).
    if s.mine == NULL:
        return NO
    if s.data[0] >> 4 == 6 and kind >= 2:
        return yes(s.theirs[0] == (0xC0A00000U | be16(s, 2)))
    if kind != 0 or not 1 <= s.data[1] <= 4 or s.data[0] >> 4 != 4 or s.mine[0] and s.mine[0] >> 16 != 0xC0A0:
        return NO
    for _ in range(4):                          # of the options Uri-Path (11) comes among the first
        option += byte_at(s, at) >> 4
        n = byte_at(s, at) & 15
        if option not in (3, 7, 11) or not 1 <= n <= 12 or option != 7 and not printable(s, at + 1, n):
            return NO
        if option == 11:
            s.mine[0] = 0xC0A00000U | be16(s, 2)
            return NO
        at += 1 + n
    return NO


cdef Answer coap_tcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 8323, 3.2 and 5.3: each side begins with its capabilities: a short length, no token, 7.01, options 2 or 4."""
    cdef uint32_t n = byte_at(s, 0) >> 4
    return yes(s.n >= 2 and s.data[0] & 0x0F == 0 and n <= 12 and s.data[1] == 0xE1 and n + 2 <= s.n
               and (n == 0 or s.data[2] >> 4 in (2, 4)))


cdef Answer teredo(const Sight *s, Found *out) noexcept nogil:
    """RFC 4380, 5.1.1: an IPv6 packet, to or from 3544; who it is (0x0001) or where from (0x0000) may stand before it,
    Microsoft's trailers (RFC 6081, 4) behind it."""
    cdef uint32_t at = 0
    if be16(s, 0) == 1:
        at = 13 + byte_at(s, 2) + byte_at(s, 3)
    if be16(s, at) == 0:
        at += 8
    if s.n < at + 40 or s.data[at] >> 4 != 6 or be16(s, at + 4) + at + 40 > s.wire or be16(s, at + 4) + at + 104 < s.wire:
        return NO
    # Whose address is Teredo's (2.6: 2001::/32), or is none but of the link, as when a client looks for its server.
    return yes(be32(s, at + 8) == 0x20010000 or be32(s, at + 24) == 0x20010000 or be16(s, at + 8) & 0xFFC0 == 0xFE80)


cdef Answer nat_pmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 6886, 3.2 and 3.3: version 0; RFC 6887, 7: PCP, version 2; the sizes that there are; 5351 is who answers."""
    cdef uint8_t kind = byte_at(s, 1)
    if (s.sport if kind & 0x80 else s.dport) != 5351:
        return NO
    if s.n < 2 or s.data[0] == 0 and kind & 0x7F > 2:
        return NO
    if s.data[0] == 0 and kind & 0x80:          # a result, then what was asked for
        return yes(be16(s, 2) <= 5 and s.n >= 8 and s.wire in (8, 12 if kind == 0x80 else 16))
    if s.data[0] == 0:
        return yes(s.wire == 2 if kind == 0 else s.wire == 12 and be16(s, 2) == 0)
    if s.data[0] != 2 or kind & 0x7F > 4 or s.n < 24 or s.wire % 4 or s.wire > 1100 or s.data[2]:
        return NO
    if kind == 1 and s.wire < 60 or kind == 2 and s.wire < 80:      # RFC 6887, 11.1 and 12.1
        return NO
    if kind & 0x80:
        return yes(s.data[3] <= 13 and be32(s, 12) == 0 and be32(s, 16) == 0 and be32(s, 20) == 0)
    return yes(s.data[3] == 0 and (s.data[8] & 0xE0 == 0x20 or s.data[8] >= 0xFC or be32(s, 8) == 0 and be32(s, 12) == 0
                                   and be16(s, 16) == 0 and be16(s, 18) in (0, 0xFFFF)))


cdef Answer wsd(const Sight *s, Found *out) noexcept nogil:
    """WS-Discovery 1.1: SOAP, with that namespace, of its first version or OASIS'."""
    if to_or_from(s, 3702):
        return yes(contains(s, b"/discovery", 10, 2048) or contains(s, b"soap", 4, 256))
    return yes(contains(s, b"schemas.xmlsoap.org/ws/2005/04/discovery", 40, 2048)
               or contains(s, b"docs.oasis-open.org/ws-dd/ns/discovery/", 39, 2048))


cdef Answer slp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2608, 8: version 2, a function, the length, no more than three flags, a language; RFC 2165, 4: version 1, four
    flags, no dialect, a language of two letters."""
    cdef uint32_t n = be32(s, 1) & 0xFFFFFF
    if s.n < 14:
        return NO
    if s.data[0] == 2:
        return yes(1 <= s.data[1] <= 11 and 14 < n <= s.wire + (s.n if s.proto == TCP else 0) and be16(s, 5) & 0x1FFF == 0
                   and 1 <= be16(s, 12) <= 16 and printable(s, 14, min(be16(s, 12), s.n - 14)))
    return yes(s.data[0] == 1 and 1 <= s.data[1] <= 10 and be16(s, 2) == s.wire and s.data[4] & 0x0F == 0 and s.data[5] == 0
               and c'a' <= lower(s.data[6]) <= c'z' and c'a' <= lower(s.data[7]) <= c'z')


cdef Answer ptp(const Sight *s, Found *out) noexcept nogil:
    """IEEE 1588-2008, 13.3: version 2, a message's type, the length; two bytes more over IPv6 (annex E)."""
    return yes(s.n >= 34 and s.data[1] & 0x0F == 2 and s.data[0] & 0x0F <= 13 and be16(s, 2) <= s.wire <= be16(s, 2) + 2)


cdef Answer roughtime(const Sight *s, Found *out) noexcept nogil:
    """Roughtime: its magic, or the tags that a request or an answer has."""
    cdef uint32_t tags = le32(s, 0)
    if has(s, 0, b"ROUGHTIM", 8):
        return YES
    if not 1 <= tags <= 16 or s.n < tags * 8:
        return NO
    if s.wire >= 1024:
        return yes(has(s, 4 * tags, b"NONC", 4) or has(s, 4 * tags, b"SIG\0", 4) or has(s, 4 * tags, b"VER\0", 4))
    return yes(has(s, 4 * tags, b"SIG\0", 4) and contains(s, b"SREP", 4, 64))


cdef Answer bjnp(const Sight *s, Found *out) noexcept nogil:
    """Canon's printers and scanners."""
    if s.n < 5:
        return NO
    return yes((has(s, 0, b"BJNP", 4) or has(s, 0, b"BJNB", 4) or has(s, 0, b"BNJB", 4) or has(s, 0, b"PNJB", 4)
                or has(s, 0, b"MFNP", 4)) and s.data[4] & 0x7F <= 3)


cdef Answer lotus_notes(const Sight *s, Found *out) noexcept nogil:
    """Notes RPC: what a first request has behind its sequence."""
    return yes(s.n >= 16 and has(s, 6, b"\0\0\2\0\0\x40\2\x0f", 8))


cdef Answer mikrotik_api(const Sight *s, Found *out) noexcept nogil:
    """RouterOS's API: words behind their lengths: a login is asked for, and done."""
    return yes(has(s, 0, b"\x06/login", 7) or not s.from_opener and has(s, 0, b"\x05!done", 6))


cdef Answer mikrotik_discovery(const Sight *s, Found *out) noexcept nogil:
    """MikroTik's neighbour discovery: 0, a number, the MAC address (1), the identity (5)."""
    return yes(s.n >= 18 and be16(s, 0) == 0 and be32(s, 4) == 0x00010006 and be16(s, 14) == 5)


cdef Answer finger(const Sight *s, Found *out) noexcept nogil:
    """RFC 1288, 2.3: a question for more (/W); else the answer tells, in fields or a table's head as fingerd(8) has them, or
    that there is nobody."""
    if s.from_opener:
        return yes(says(s, b"/w\r\n", 4) or says(s, b"/w ", 3) and has(s, s.n - 2, b"\r\n", 2) and printable(s, 0, s.n - 2))
    if contains(s, b"Login", 5, 128):
        return yes(contains(s, b"Name", 4, 256) or contains(s, b"name:", 5, 256) or contains(s, b"Tty", 3, 256))
    return yes(says(s, b"no one logged on", 16) or contains(s, b": no such user", 14, 256))


cdef Answer ident(const Sight *s, Found *out) noexcept nogil:
    """RFC 1413, 4: two ports; the answer has them too, and whose they are."""
    cdef uint32_t i = 0
    cdef bint comma = False
    while i < s.n and (is_digit(s.data[i]) or s.data[i] == c' ' or s.data[i] == c','):
        comma = comma or i > 0 and s.data[i] == c','
        i += 1
    return yes(comma and i <= 16 and byte_at(s, i) in (13, 10, c':'))


cdef Answer gopher(const Sight *s, Found *out) noexcept nogil:
    """RFC 1436, 2 and 3.8: a menu's first line: a kind, and between three tabs what it says, a selector, a server, its port.

    A selector may be any line, so the answer tells.
    """
    cdef uint32_t i
    cdef uint32_t tabs = 0
    if s.from_opener or not is_print(s.data[0]):
        return NO
    for i in range(min(s.n, 512)):
        if s.data[i] in (13, 10):
            return yes(tabs == 3 and is_digit(s.data[i - 1]) or tabs == 4 and s.data[i - 1] == c'+')
        tabs += s.data[i] == 9
        if tabs >= 3 and s.data[i] != 9 and not is_digit(s.data[i]) and s.data[i] != c'+':
            return NO
    return MORE if s.n < 512 else NO


cdef Answer aruba_papi(const Sight *s, Found *out) noexcept nogil:
    """Aruba's PAPI between access points and controllers: the magic, a version."""
    return yes(s.n >= 16 and be16(s, 0) == 0x4972)


at_first(UDP, P_SSDP, ssdp, b"MNH")
at_first(BOTH, P_BJNP, bjnp, b"BMP")
at_first(UDP, P_DHCP, dhcp, b"\x01\x02")
at_first(UDP, P_ROUGHTIME, roughtime, bytes([*range(1, 17), ord("R")]))
at_first(UDP, P_COAP, coap, bytes(range(0x40, 0x80)))
at_first(TCP, P_MIKROTIK, mikrotik_api, b"\x06\x05")
at_ports(UDP, P_MIKROTIK, mikrotik_discovery, (5678,))
at_ports(TCP, P_COAP, coap_tcp, (5683,))
at_ports(UDP, P_NTP, ntp, (123,))
at_ports(UDP, P_NETBIOS, netbios, (137, 138))
at_ports(UDP, P_DHCPV6, dhcpv6, (546, 547))
at_ports(UDP, P_TEREDO, teredo, (3544,))
at_ports(UDP, P_NATPMP, nat_pmp, (5350, 5351))
at_first(UDP, P_WSD, wsd, b"<")
at_ports(UDP, P_WSD, wsd, (3702,))
at_ports(BOTH, P_SERVICELOCATIONPROTOCOL, slp, (427,))
at_ports(UDP, P_PTPV2, ptp, (319, 320))
at_ports(TCP, P_LOTUSNOTES, lotus_notes, (1352,))
at_ports(TCP, P_FINGER, finger, (79,))
at_ports(TCP, P_IDENT, ident, (113,))
at_ports(TCP, P_GOPHER, gopher, (70,))
at_ports(UDP, P_ARUBAPAPI, aruba_papi, (8211,))
