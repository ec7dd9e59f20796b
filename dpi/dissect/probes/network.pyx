"""What a network runs on: addresses, names, clocks, directories, routing, management."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8, u16, u32


cdef uint32_t ber_length(Cursor *c) noexcept nogil:
    """X.690, 8.1.3: a definite length; the cursor dies of any other."""
    cdef uint32_t n = u8(c)
    cdef uint32_t octets = n & 0x7F
    if n < 0x80:
        return n
    if not 1 <= octets <= 3:
        c.p = NULL
        return 0
    n = 0
    while octets:
        n = n << 8 | u8(c)
        octets -= 1
    return n


cdef Answer ldap(const Sight *s, Found *out) noexcept nogil:
    """RFC 4511, 4.1.1: a sequence of a message id and an operation (bind, search, unbind or their replies)."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t n, op
    cdef uint32_t length
    skip(&c, 1)
    length = ber_length(&c)
    if u8(&c) != 2:
        return NO
    n = u8(&c)
    if not 1 <= n <= 4:
        return NO
    skip(&c, n)
    op = u8(&c)
    if not alive(&c):
        return MORE if to_or_from(s, 389) else NO
    if length < 5 or op not in (0x60, 0x61, 0x63, 0x64, 0x65, 0x42, 0x77, 0x78):
        return NO
    if to_or_from(s, 389) or to_or_from(s, 3268):
        return YES
    ber_length(&c)
    if op == 0x60:                          # the version, 2 or 3
        return yes(u8(&c) == 2 and u8(&c) == 1 and u8(&c) in (2, 3))
    return yes(op == 0x63 and u8(&c) == 4 and length + 2 <= s.n <= length + 6)


cdef Answer kerberos_message(Cursor *c, uint32_t whole) noexcept nogil:
    """RFC 4120, 5.4 and 5.9: an application tag, a sequence, its first field is the version, 5."""
    cdef uint8_t tag = u8(c)
    cdef uint32_t n = ber_length(c)
    if tag & 0x1F not in (10, 11, 12, 13, 14, 15, 30) or tag >> 5 != 3 or n > whole:
        return NO
    if u8(c) != 0x30:
        return NO
    ber_length(c)
    tag = u8(c)
    return yes((tag == 0xA0 or tag == 0xA1) and u8(c) == 3 and u8(c) == 2 and u8(c) == 1 and u8(c) == 5)


cdef Answer kerberos(const Sight *s, Found *out) noexcept nogil:
    """RFC 4120, 7.2.1 and 7.2.2: as it is, or behind its length over TCP; RFC 3244, 2: a change of password."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t n = s.wire
    if s.proto == TCP:
        n = u32(&c)
        if n >> 24:
            return NO
    if to_or_from(s, 464) and u16(&c) == (n & 0xFFFF) and u16(&c) in (1, 0xFF80):
        return YES
    c = over(s.data, s.n)
    if s.proto == TCP:
        skip(&c, 4)
    return kerberos_message(&c, n)


cdef Answer radius(const Sight *s, Found *out) noexcept nogil:
    """RFC 2865, 3 and 5: a code, an id, the length, an authenticator, attributes that fill the rest exactly."""
    cdef Cursor c
    cdef uint8_t n
    if s.n < 20 or be16(s, 2) != s.wire or not 1 <= s.data[0] <= 52:
        return NO
    if to_or_from(s, 1812) or to_or_from(s, 1813) or to_or_from(s, 1645) or to_or_from(s, 1646) or to_or_from(s, 3799):
        return YES
    if s.n != s.wire or s.n < 26 or not (s.data[0] <= 5 or s.data[0] == 11 or 40 <= s.data[0] <= 45):
        return NO
    c = over(s.data + 20, s.n - 20)
    while left(&c) > 0:
        if u8(&c) == 0:
            return NO
        n = u8(&c)
        if n < 2:
            return NO
        skip(&c, n - 2)
    return yes(alive(&c))


cdef Answer snmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3416, 3: a sequence of all that is there: the version (0, 1 or 3), then a community or a header."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t version, tag
    cdef uint32_t n, length
    skip(&c, 1)
    n = ber_length(&c)
    length = n + <uint32_t>(c.p - s.data) if alive(&c) else 0
    if u8(&c) != 2 or u8(&c) != 1:
        return NO
    version = u8(&c)
    tag = u8(&c)
    if not alive(&c) or version not in (0, 1, 3) or tag != (0x30 if version == 3 else 0x04):
        return NO
    if to_or_from(s, 161) or to_or_from(s, 162):
        return YES
    n = ber_length(&c)
    skip(&c, n)
    tag = u8(&c)
    return yes(alive(&c) and length == s.wire and (tag == 0x04 if version == 3 else 0xA0 <= tag <= 0xA8))


cdef Answer ntp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5905, 7.3: version, mode, a stratum of at most 16; modes 6 and 7 are control (RFC 9327) and private use."""
    cdef uint8_t version = byte_at(s, 0) >> 3 & 7
    if s.wire < 8:
        return NO
    if s.data[0] & 7 >= 6:
        return yes(1 <= version <= 4)
    return yes(1 <= version <= 4 and s.wire >= 48 and byte_at(s, 1) <= 16 and s.data[0] & 7)


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
    """RFC 8415, 8: a kind, a transaction; 21.1: options."""
    cdef uint32_t at = 34 if byte_at(s, 0) in (12, 13) else 4     # 9: what a relay puts before it
    if s.n < 4 or not 1 <= s.data[0] <= 23:
        return NO
    return yes(s.wire == at or 1 <= be16(s, at) <= 150 and be16(s, at + 2) + at + 4 <= s.wire)


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
        if s.n >= 12 and be16(s, 4) == 0 and be16(s, 6) == 0 and s.data[2] & 0x80 and be16(s, 8) == 0:
            return YES                      # an answer without a record (RFC 1002, 4.2.14 and others)
        skip(&c, 12)
    else:
        if not 0x10 <= kind <= 0x16:
            return NO
        skip(&c, 14)
    if u8(&c) != 32:
        return yes(0x13 <= kind <= 0x16 and to_or_from(s, 138) and s.wire >= 11)
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


cdef Answer syslog(const Sight *s, Found *out) noexcept nogil:
    """RFC 5424, 6.2.1 and RFC 3164, 4.1.1: a priority of at most 191 in angle brackets, then a version or a month."""
    cdef uint32_t i = 1
    cdef uint32_t value = 0
    if s.n < 5 or s.data[0] != c'<':
        return NO
    while i < 4 and is_digit(s.data[i]):
        value = value * 10 + s.data[i] - c'0'
        i += 1
    if i == 1 or s.data[i] != c'>' or value > 191:
        return NO
    i += 1
    if to_or_from(s, 514) or to_or_from(s, 601) or has(s, i, b"1 ", 2) and is_digit(byte_at(s, i + 2)):
        return YES
    if byte_at(s, i + 3) == c' ' and is_digit(byte_at(s, i + 5)) and byte_at(s, i + 6) == c' ':
        return yes(c'A' <= s.data[i] <= c'S' and byte_at(s, i + 9) == c':')
    return yes(has(s, i, b"date=", 5) or has(s, i, b"20", 2) and byte_at(s, i + 4) == c'-')


cdef Answer coap(const Sight *s, Found *out) noexcept nogil:
    """RFC 7252, 3: version 1, a token of at most 8 bytes, a code that exists."""
    cdef uint32_t kind = byte_at(s, 1) >> 5
    cdef uint32_t at = 4 + (s.data[0] & 0x0F)
    cdef uint32_t option = 0
    cdef uint32_t n
    cdef int _
    if s.n < 4 or s.data[0] >> 6 != 1 or s.data[0] & 0x0F > 8 or kind not in (0, 2, 4, 5) or s.data[1] & 0x1F > 31:
        return NO
    if to_or_from(s, 5683) or to_or_from(s, 5684):
        return YES
    # Elsewhere what is asked must be answered under the same number (4.2).
    if s.mine == NULL:
        return NO
    if s.data[0] >> 4 == 6 and kind >= 2:
        return yes(s.theirs[0] == (0xC0A00000U | be16(s, 2)))
    if kind != 0 or not 1 <= s.data[1] <= 4 or s.data[0] >> 4 != 4 or s.mine[0]:
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


cdef Answer teredo(const Sight *s, Found *out) noexcept nogil:
    """RFC 4380, 5.1.1: an IPv6 packet, or an indication before one, to or from 3544."""
    if s.n < 40:
        return NO
    return yes(s.data[0] >> 4 == 6 and be16(s, 4) + 40 == s.wire or s.data[0] == 0 and s.data[1] <= 1)


cdef Answer nat_pmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 6886, 3.2 and 3.3: version 0; RFC 6887, 7: PCP, version 2; the sizes that there are."""
    if s.n < 2:
        return NO
    if s.data[0] == 0:
        return yes(s.data[1] & 0x7F <= 2 and s.wire in (2, 8, 12, 16))
    return yes(s.data[0] == 2 and s.data[1] & 0x7F <= 4 and s.wire >= 24 and s.wire % 4 == 0)


cdef Answer wsd(const Sight *s, Found *out) noexcept nogil:
    """WS-Discovery 1.1: SOAP, with that namespace."""
    return yes(contains(s, b"/discovery", 10, 2048) or contains(s, b"soap", 4, 256))


cdef Answer slp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2608, 8: version 2, a function, the length, no more than three flags; RFC 2165: version 1."""
    if s.n < 12:
        return NO
    if s.data[0] == 2:
        return yes(1 <= s.data[1] <= 11 and be32(s, 1) & 0xFFFFFF <= s.wire + (s.n if s.proto == TCP else 0)
                   and byte_at(s, 6) == 0)
    return yes(s.data[0] == 1 and 1 <= s.data[1] <= 10 and be16(s, 2) == s.wire)


cdef Answer collectd(const Sight *s, Found *out) noexcept nogil:
    """collectd's binary protocol: a host's name with a zero, then a time; or an encrypted or signed part."""
    cdef uint32_t n = be16(s, 2)
    if be16(s, 0) == 0x0210 or be16(s, 0) == 0x0200:
        return yes(to_or_from(s, 25826) and 36 <= n <= s.wire)
    if be16(s, 0) or not 6 <= n < s.n or s.data[n - 1] or not printable(s, 4, n - 5):
        return NO
    return yes(be16(s, n) in (1, 8) and be16(s, n + 2) == 12)


cdef Answer munin(const Sight *s, Found *out) noexcept nogil:
    """The node's greeting."""
    return starts(s, b"# munin node at ", 16)


cdef Answer checkmk(const Sight *s, Found *out) noexcept nogil:
    """The agent's first section."""
    return starts(s, b"<<<check_mk>>>", 14)


cdef Answer kismet(const Sight *s, Found *out) noexcept nogil:
    """The server's greeting."""
    return starts(s, b"*KISMET: ", 9)


cdef Answer netflow(const Sight *s, Found *out) noexcept nogil:
    """NetFlow 1, 5, 7, 9 (RFC 3954, 5.1) and IPFIX (RFC 7011, 3.1): version, records or length, a time of this age."""
    cdef uint16_t version = be16(s, 0)
    cdef uint16_t count = be16(s, 2)
    cdef uint32_t time = be32(s, 8)
    if s.n < 16:
        return NO
    if version == 10:
        return yes(count == s.wire and be32(s, 4) > 900000000 and (be16(s, 16) in (2, 3) or be16(s, 16) > 255))
    if version == 5:
        return yes(1 <= count <= 30 and s.wire == 24 + 48 * <uint32_t>count)
    if version == 1 or version == 7:
        return yes(1 <= count <= 30 and s.wire == (16 if version == 1 else 24) + 52 * <uint32_t>count)
    return yes(version == 9 and 1 <= count <= 255 and 900000000 < time < 0xF0000000U
               and (be16(s, 20) <= 1 or be16(s, 20) > 255) and be16(s, 22) + 20 <= s.wire)


cdef Answer sflow(const Sight *s, Found *out) noexcept nogil:
    """sFlow 5: version, the agent's address of 4 or 16 bytes, …, the number of samples, the first sample's type."""
    cdef uint32_t at = 8 + (4 if be32(s, 4) == 1 else 16)
    return yes(be32(s, 0) in (2, 4, 5) and be32(s, 4) in (1, 2) and s.n >= at + 20 and 1 <= be32(s, at + 12) <= 64
               and be32(s, at + 16) <= 5)


cdef Answer ptp(const Sight *s, Found *out) noexcept nogil:
    """IEEE 1588-2008, 13.3: version 2, a message's type, the length."""
    return yes(s.n >= 34 and s.data[1] & 0x0F == 2 and s.data[0] & 0x0F <= 13 and be16(s, 2) == s.wire)


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


cdef Answer ripe_atlas(const Sight *s, Found *out) noexcept nogil:
    """A probe's measurement with its name."""
    return starts(s, b"MGLNDD_", 7)


cdef Answer rmcp(const Sight *s, Found *out) noexcept nogil:
    """ASF 2.0, 3.2.2: version 6, 0, a sequence, a class: ASF with its enterprise number, or IPMI."""
    if s.n < 8 or s.data[0] != 6 or s.data[1] != 0:
        return NO
    return yes(s.data[3] & 0x7F == 6 and be32(s, 4) == 4542 or s.data[3] & 0x7F == 7 and to_or_from(s, 623))


cdef Answer lisp(const Sight *s, Found *out) noexcept nogil:
    """RFC 9301, 5 (4342: control) and RFC 9300, 5.1 (4341: an IP packet behind 8 bytes)."""
    if to_or_from(s, 4341):
        return yes(s.n >= 28 and (s.data[8] >> 4 == 4 and be16(s, 10) + 8 == s.wire or s.data[8] >> 4 == 6))
    return yes(s.n >= 12 and (1 <= s.data[0] >> 4 <= 4 or s.data[0] >> 4 == 8 and byte_at(s, 4) >> 4 in (4, 6)))


cdef Answer hsrp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2281, 5: version 0, an opcode, a state; version 2 has it in a TLV of 40 bytes."""
    if s.n >= 20 and s.data[0] == 0:
        return yes(s.data[1] <= 3 and s.data[2] in (0, 1, 2, 4, 8, 16))
    return yes(s.n >= 20 and s.data[0] in (1, 2, 4) and s.data[1] + 2 <= s.wire and s.data[1] >= 4)


cdef Answer bfd(const Sight *s, Found *out) noexcept nogil:
    """RFC 5880, 4.1: version 1, the length, a detection multiplier and a discriminator that are not zero."""
    return yes(s.n >= 24 and s.data[0] >> 5 == 1 and s.data[3] >= 24 and s.data[3] <= s.wire and s.data[2]
               and be32(s, 4))


cdef Answer bgp(const Sight *s, Found *out) noexcept nogil:
    """RFC 4271, 4.1: 16 bytes of ones, the length, the type."""
    cdef uint32_t i
    for i in range(s.n if s.n < 16 else 16):
        if s.data[i] != 0xFF:
            return NO
    if s.n < 19:
        return MORE
    return yes(s.data[16] <= 16 and 1 <= s.data[18] <= 5)


cdef Answer ldp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5036, 3.1 and 3.5: version 1, the length, an identifier of a router, label space 0, a message's type."""
    cdef uint16_t kind = be16(s, 10) & 0x7FFF
    return yes(s.n >= 18 and be16(s, 0) == 1 and be16(s, 2) + 4 <= s.wire and be16(s, 2) >= 14
               and (kind == 1 or 0x0100 <= kind <= 0x0404))


cdef Answer openflow(const Sight *s, Found *out) noexcept nogil:
    """OpenFlow 1.5, 7.1 and 7.5.1: HELLO: version, type 0, a length of exactly what is there."""
    if s.n < 8 or not 1 <= s.data[0] <= 6 or be16(s, 2) < 8 or be16(s, 2) > s.n:
        return NO
    if to_or_from(s, 6633) or to_or_from(s, 6653):
        return yes(s.data[1] <= 35)
    return yes(s.data[1] == 0 and (be16(s, 2) == 8 and s.n == 8 or be16(s, 2) == 16 and be32(s, 8) == 0x00010008))


cdef Answer dlep(const Sight *s, Found *out) noexcept nogil:
    """RFC 8175, 11: a signal begins with a prefix; 12: a message has a type of at most 16 and its length."""
    if s.proto == UDP:
        return yes(has(s, 0, b"DLEP", 4) and be16(s, 6) + 8 == s.wire)
    return yes(s.n >= 4 and 1 <= be16(s, 0) <= 16 and be16(s, 2) + 4 <= s.n)


cdef Answer capwap(const Sight *s, Found *out) noexcept nogil:
    """RFC 5415, 4.3 and 4.2: version 0, a header of 8 bytes or more, or DTLS behind four bytes."""
    if s.n < 8:
        return NO
    if s.data[0] == 1:
        return yes(be32(s, 0) == 0x01000000 and 20 <= s.data[4] <= 23 and s.data[5] == 0xFE)
    return yes(s.data[0] == 0 and s.data[1] >> 3 >= 1 and s.data[1] >> 3 <= 8)


cdef Answer bjnp(const Sight *s, Found *out) noexcept nogil:
    """Canon's printers and scanners."""
    if s.n < 5:
        return NO
    return yes((has(s, 0, b"BJNP", 4) or has(s, 0, b"BJNB", 4) or has(s, 0, b"BNJB", 4) or has(s, 0, b"PNJB", 4)
                or has(s, 0, b"MFNP", 4)) and s.data[4] & 0x7F <= 3)


cdef Answer ubiquiti(const Sight *s, Found *out) noexcept nogil:
    """Ubiquiti's discovery: version 1 or 2, a command, the length of the rest, then fields."""
    if s.n < 4 or not 1 <= s.data[0] <= 2 or s.data[1] > 11 or be16(s, 2) + 4 != s.wire:
        return NO
    return yes(s.wire == 4 or s.n >= 7 and be16(s, 5) + 7 <= s.wire)


cdef Answer meraki(const Sight *s, Found *out) noexcept nogil:
    """The magic of a device that talks to its cloud."""
    return yes(be32(s, 0) == 0xFEF72891U and s.n > 4)


cdef Answer check_point(const Sight *s, Found *out) noexcept nogil:
    """Check Point's cluster control: magic 0x1A90, a version, both ports 8116."""
    return yes(s.n > 20 and be16(s, 0) == 0x1A90 and s.sport == s.dport)


cdef Answer lotus_notes(const Sight *s, Found *out) noexcept nogil:
    """Notes RPC: what a first request has behind its sequence."""
    return yes(s.n >= 16 and has(s, 6, b"\0\0\2\0\0\x40\2\x0f", 8))


cdef Answer eaq(const Sight *s, Found *out) noexcept nogil:
    """The Brazilian measurement of broadband: 16 bytes, of which the first four count in digits."""
    cdef uint32_t i
    if s.wire != 16 or s.n < 16:
        return NO
    for i in range(4):
        if not is_digit(s.data[i]):
            return NO
    return yes(agreed(s, 0xEA000000U) and s.turn >= 1)


at_first(TCP, P_MUNIN, munin, b"#")
at_first(TCP, P_CHECKMK, checkmk, b"<")
at_first(TCP, P_KISMET, kismet, b"*")
at_first(TCP, P_BGP, bgp, b"\xff")
at_first(BOTH, P_LDAP, ldap, b"\x30")
at_first(TCP, P_KERBEROS, kerberos, b"\x00")
at_first(TCP, P_OPENFLOW, openflow, b"\x01\x02\x03\x04\x05\x06")
at_first(BOTH, P_RIPEATLAS, ripe_atlas, b"M")
at_first(BOTH, P_SYSLOG, syslog, b"<")
at_first(UDP, P_KERBEROS, kerberos, b"\x6a\x6b\x6c\x6d\x6e\x6f\x7e")
at_first(UDP, P_SNMP, snmp, b"\x30")
at_first(UDP, P_SSDP, ssdp, b"MNH")
at_first(UDP, P_BJNP, bjnp, b"BMP")
at_first(UDP, P_DHCP, dhcp, b"\x01\x02")
at_first(UDP, P_RMCP, rmcp, b"\x06")
at_first(UDP, P_MERAKICLOUD, meraki, b"\xfe")
at_first(UDP, P_COLLECTD, collectd, b"\x00\x02")
at_first(UDP, P_SFLOW, sflow, b"\x00")
at_first(UDP, P_NETFLOW, netflow, b"\x00")
at_first(UDP, P_ROUGHTIME, roughtime, bytes([*range(1, 17), ord("R")]))
at_first(UDP, P_COAP, coap, bytes(range(0x40, 0x80)))
at_ports(UDP, P_NTP, ntp, (123,))
at_ports(UDP, P_NETBIOS, netbios, (137, 138))
at_ports(UDP, P_DHCPV6, dhcpv6, (546, 547))
at_ports(UDP, P_RADIUS, radius, (1812, 1813, 1645, 1646, 3799))
at_ports(UDP, P_TEREDO, teredo, (3544,))
at_ports(UDP, P_NATPMP, nat_pmp, (5350, 5351))
at_ports(UDP, P_WSD, wsd, (3702,))
at_ports(BOTH, P_SERVICELOCATIONPROTOCOL, slp, (427,))
at_ports(BOTH, P_KERBEROS, kerberos, (464,))
at_ports(UDP, P_PTPV2, ptp, (319, 320))
at_ports(UDP, P_LISP, lisp, (4341, 4342))
at_ports(UDP, P_HSRP, hsrp, (1985, 2029))
at_ports(UDP, P_BFD, bfd, (3784, 3785, 4784, 6784, 7784))
at_ports(BOTH, P_LDP, ldp, (646,))
at_ports(BOTH, P_DLEP, dlep, (854,))
at_ports(UDP, P_CAPWAP, capwap, (5246, 5247))
at_ports(UDP, P_UBNTAC2, ubiquiti, (10001,))
at_ports(UDP, P_CPHA, check_point, (8116,))
at_ports(TCP, P_LOTUSNOTES, lotus_notes, (1352,))
at_ports(UDP, P_EAQ, eaq, (6000,))
at_any(UDP, P_RADIUS, radius)
