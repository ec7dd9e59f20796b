"""Mobile and fixed networks among themselves."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16


cdef Answer gtp(const Sight *s, Found *out) noexcept nogil:
    """3GPP TS 29.281, 5.1; 29.274, 5.1 (control); 29.060, 6 (version 0); 32.295, 6.1 (charging): a version, the bits that
    are the same in each, the length of what is behind the header."""
    cdef uint32_t version = byte_at(s, 0) >> 5
    cdef uint32_t rest = s.wire - be16(s, 2)
    if s.n < (6 if to_or_from(s, 3386) else 8) or version > 2 or s.data[1] == 0:
        return NO
    if to_or_from(s, 3386) and s.data[0] & 0x10 == 0:
        if s.data[0] & 0x0E != 0x0E or rest != 6 and rest != 20:
            return NO
    elif version == 2:
        if s.data[0] & 0x03 or rest != 4 and not (s.data[0] & 0x10 and 4 < rest < s.wire):      # another one behind it
            return NO
    elif s.data[0] & (0x18 if version else 0x1E) != (0x10 if version else 0x1E) or rest != (8 if version else 20):
        return NO
    if to_or_from(s, 3386) and s.data[0] & 0x10 == 0:
        out.app = P_GTPPRIME
    elif to_or_from(s, 2123) or to_or_from(s, 3386) and s.data[1] != 255:       # version 0 has one port for all it has
        out.app = P_GTPC
    return YES


cdef Answer pfcp(const Sight *s, Found *out) noexcept nogil:
    """3GPP TS 29.244, 7.2.2: version 1, two bits that are 0, a message's type, the length of the rest, behind which another
    may follow (FO); messages of sessions have these' number (S)."""
    cdef uint32_t end = be16(s, 2) + 4
    if s.n < 8 or s.data[0] & 0xF8 != 0x20 or end > s.wire or end != s.wire and not s.data[0] & 4:
        return NO
    if s.data[0] & 1:
        return yes(50 <= s.data[1] <= 59 and end >= 16)
    return yes(1 <= s.data[1] <= 15)


cdef Answer diameter(const Sight *s, Found *out) noexcept nogil:
    """RFC 6733, 3: version 1, a length in fours, four flags that are 0, a command, then an AVP."""
    cdef uint32_t length = be32(s, 0) & 0xFFFFFF
    cdef uint32_t command = be32(s, 4) & 0xFFFFFF
    if s.n < 28 or length < 28 or length & 3 or length > 1 << 16 or s.data[4] & 0x0F:
        return NO
    if not (257 <= command <= 330 or 8388600 <= command <= 8388740):
        return NO
    return yes(to_or_from(s, 3868) or 0 < be32(s, 20) < 1200 and byte_at(s, 24) & 0x1F == 0
               and 8 <= (be32(s, 24) & 0xFFFFFF) <= length - 20)


cdef bint strings(Cursor *c, int count) noexcept nogil:
    """Passes that many C-octet strings (SMPP 5.0, 3.1.1): text that a zero ends."""
    cdef uint8_t byte
    while count and c.p != NULL:
        byte = u8(c)
        if byte == 0:
            count -= 1
        elif not is_print(byte):
            return False
    return alive(c)


cdef bint smpp_body(const Sight *s, uint32_t command, uint32_t length) noexcept nogil:
    """SMPP 5.0, 4.1.1 and 4.2: what the commands with a body of their own begin with, within their length."""
    cdef Cursor c = over(s.data + 16, length - 16)
    if command in (1, 2, 9):                    # bind: system's id, password, type; interface, ton, npi; addresses
        if not strings(&c, 3):
            return False
        skip(&c, 3)
        return strings(&c, 1) and left(&c) == 0
    if command in (3, 7, 8):                    # query, replace, cancel: an id; what it came from
        return strings(&c, 2 if command == 8 else 1) and u8(&c) <= 6 and u8(&c) <= 18 and strings(&c, 1)
    if not strings(&c, 1) or u8(&c) > 6 or u8(&c) > 18 or not strings(&c, 1):       # service; from: ton, npi, address
        return False
    if command == 33:                           # submit_multi: how many it is for
        return u8(&c) > 0
    if u8(&c) > 6 or u8(&c) > 18 or not strings(&c, 1):                             # to: the same
        return False
    if command == 259:                          # data_sm: class, delivery, coding, then optional parameters
        skip(&c, 3)
        return alive(&c)
    if command in (4, 5):                       # submit, deliver: class, protocol, priority; two times; four; the text
        skip(&c, 3)
        if not strings(&c, 2):
            return False
        skip(&c, 4)
        skip(&c, u8(&c))
        return alive(&c)
    return command in (273, 274)                # broadcast


cdef bint answer_names(const Sight *s, uint32_t length) noexcept nogil:
    """Whether a response's body begins with a name of its message or system, and optional parameters follow (4.8.4)."""
    cdef Cursor c = over(s.data + 16, length - 16)
    if be32(s, 4) & 0x7FFFFFFF in (3, 33):      # query, submit_multi: numbers follow
        return strings(&c, 1)
    return strings(&c, 1) and (left(&c) == 0 or u16(&c) != 0)


cdef Answer smpp(const Sight *s, Found *out) noexcept nogil:
    """SMPP 5.0, 3.2: length, a command, a status, a sequence number."""
    cdef uint32_t length = be32(s, 0)
    cdef uint32_t command = be32(s, 4)
    if s.n < 16 or not 16 <= length <= 70000 or command & 0x7FFFFE00 or command & 0x7FFFFFFF > 0x113:
        return NO
    if command & 0x80000000U:
        return yes((length <= s.n or command & 0x7FFFFFFF == 3) and be32(s, 8) < 0x600 and be32(s, 12) < 0x80000000U
                   and (command & 0x7FFFFFFF or be32(s, 8)) and (length == 16 or length > s.n or answer_names(s, length)))
    if be32(s, 8) or be32(s, 12) == 0 or length > s.n:
        return NO
    if command in (6, 21):                      # unbind, enquire_link
        return yes(length == 16)
    return yes(command in (1, 2, 9, 3, 4, 5, 7, 8, 33, 259, 273, 274) and smpp_body(s, command, length))


cdef Answer megaco(const Sight *s, Found *out) noexcept nogil:
    """RFC 3525, B.2: the version, then the sender, in long or short text of whatever case, behind white space or none;
    D.2: over TCP in a TPKT (RFC 1006, 6).

    An authentication header may stand before it.
    """
    cdef uint32_t at = 4 if s.proto == TCP and be16(s, 0) == 0x0300 else 0
    cdef uint32_t end = at + 4
    cdef Sight text
    while at < end and byte_at(s, at) in (c' ', c'\t', c'\r', c'\n'):
        at += 1
    if at >= s.n:
        return NO
    text = behind(s, at)
    if lower(text.data[0]) == c'a':
        return yes((says(&text, b"au=0x", 5) or says(&text, b"authentication=0x", 17))
                   and (contains(&text, b"MEGACO/", 7, 256) or contains(&text, b"!/", 2, 256)))
    return yes(says(&text, b"megaco/", 7) or has(&text, 0, b"!/", 2) and c'1' <= byte_at(&text, 2) <= c'4'
               and byte_at(&text, 3) in (c' ', c'\r', c'\n') and (is_print(byte_at(&text, 4)) or byte_at(&text, 4) == c'\n'))


cdef void open_length(Cursor *c) noexcept nogil:
    """X.690, 8.1.3: a length, or that it is not told yet."""
    if left(c) > 0 and c.p[0] == 0x80:
        skip(c, 1)
    else:
        ber_length(c)


cdef Answer megaco_binary(const Sight *s, Found *out) noexcept nogil:
    """RFC 3525, A.3 in BER: a sequence, the message [1] behind an authentication header [0] or none: a version [0] of 1 to
    4, then the sender [1], a choice of [0] to [4] or a domain's name [1]; over TCP in a TPKT."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t tag
    if s.proto == TCP:
        if u8(&c) != 3:
            return NO
        skip(&c, 3)
    if u8(&c) != 0x30:
        return NO
    open_length(&c)
    tag = u8(&c)
    if tag == 0xA0:
        skip(&c, ber_length(&c))
        tag = u8(&c)
    open_length(&c)
    if tag != 0xA1 or u8(&c) != 0x80 or u8(&c) != 1 or not 1 <= u8(&c) <= 4 or u8(&c) != 0xA1:
        return NO
    open_length(&c)
    return yes(u8(&c) & 0xD8 == 0x80 and alive(&c))


cdef Answer mgcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3435, 3.2: a verb of four letters, a number, an endpoint, the version; 3.3: a code and a number."""
    if mentions(s, b" mgcp 1.0", 9) or mentions(s, b" mgcp 0.1", 9):
        return YES
    if not (to_or_from(s, 2427) or to_or_from(s, 2727)) or s.n < 5:
        return NO
    return yes(is_digit(s.data[0]) and is_digit(s.data[1]) and is_digit(s.data[2]) and s.data[3] == c' '
               and is_digit(s.data[4]))


cdef Answer h225(const Sight *s, Found *out) noexcept nogil:
    """H.225.0, 7.2 in TPKT (RFC 1006, 6): Q.931 with a call reference of two bytes, a message's type, H.323's own."""
    if s.n < 10:
        return MORE if s.n < 5 and to_or_from(s, 1720) and s.data[0] == 3 else NO
    if s.data[1] != 0 or s.data[4] != 8 or s.data[5] != 2 or be16(s, 2) < 10:
        return NO
    return yes(s.data[8] in (0x01, 0x02, 0x03, 0x05, 0x07, 0x0D, 0x5A, 0x62, 0x6E, 0x7B, 0x7D))


cdef Answer h245(const Sight *s, Found *out) noexcept nogil:
    """H.245 in TPKT: a request to tell capabilities (0x0270 0x0106 0008817500…: its protocol is itu-t 0 8 245)."""
    return yes(s.n >= 14 and be16(s, 0) == 0x0300 and be16(s, 2) <= 4096
               and contains(s, b"\x06\x00\x08\x81\x75\x00", 6, 16))


cdef Answer ras(const Sight *s, Found *out) noexcept nogil:
    """H.225.0, RAS: its protocol's identifier (itu-t 0 8 2250 0, a version) stands near the front.

    Messages without it are of nothing but packed bits: its port names these.
    """
    return yes(contains(s, b"\x06\x00\x08\x91\x4a\x00", 6, 24))


cdef bint skinny_body(const Sight *s, uint32_t id, uint32_t n) noexcept nogil:
    """What a phone's message has behind its number, n bytes: a register and a request for a token (0x29) the phone's name, an alarm
    a severity and text, capabilities 16 bytes for each; others a few numbers."""
    if id == 0x01 or id == 0x29:
        return n >= 24 and printable(s, 12, 3)
    if id == 0x20:
        return n >= 12 and le32(s, 12) <= 10 and printable(s, 16, 3)
    if id == 0x10:
        return 1 <= le32(s, 12) <= 18 and n >= 4 + 16 * le32(s, 12)
    if id in (0x04, 0x22, 0x23, 0x2A, 0x2B, 0x2D, 0x30, 0x34, 0x43, 0x44):
        return n >= 4
    return n <= 28


cdef Answer skinny(const Sight *s, Found *out) noexcept nogil:
    """Cisco's SCCP: the length less 8, a version, a message's id, all little-endian; phones' ids are low, the others' above."""
    cdef uint32_t length = le32(s, 0)
    cdef uint32_t id = le32(s, 8)
    if s.n < 12 or not 4 <= length <= 4096 or le32(s, 4) > 24:
        return NO
    if not (id <= 0x60 or id in (0x8000, 0x8100, 0x8101) if s.from_opener else 0x81 <= id <= 0x0160):
        return NO
    if s.n < length + 8:
        return MORE
    if s.from_opener and id <= 0x60 and not skinny_body(s, id, length - 4):
        return NO
    return yes(s.n == length + 8 or le32(s, length + 12) == le32(s, 4) and 4 <= le32(s, length + 8) <= 4096)


cdef bint iax_subclass(const Sight *s) noexcept nogil:
    """RFC 5456, 8.2 to 8.4: whether a full frame that is no control of IAX' own has a subclass of its kind: a digit, a codec (a bit,
    or its number), what happens to a call, none."""
    cdef uint8_t subclass = s.data[11]
    cdef uint8_t kind = s.data[10]
    if kind == 1 or kind == 12:
        return s.wire == 12 and is_print(subclass)
    if kind == 2:
        return s.wire > 12 and (0x80 <= subclass < 0xC0 or subclass & (subclass - 1) == 0) and subclass != 0
    if kind == 4:
        return s.wire == 12 and 1 <= subclass <= 20
    return (kind == 5 or kind == 10) and s.wire == 12


cdef Answer iax(const Sight *s, Found *out) noexcept nogil:
    """RFC 5456, 8.1.1: a full frame: F bit, call numbers, type, subclass; the first is IAX control, number 0;
    whoever sends it has given the call a number."""
    cdef uint8_t kind = byte_at(s, 10)
    if s.n < 12 or not s.data[0] & 0x80 or be16(s, 0) == 0x8000:
        return NO
    if kind == 6:
        return yes(1 <= s.data[11] <= 40 and (s.n == 12 or s.n >= 14 and 1 <= s.data[12] <= 55
                                              and byte_at(s, 13) + 14 <= s.wire))
    return yes((s.data[8] > 0 or s.data[9] > 0) and iax_subclass(s))


cdef Answer iax_begins(const Sight *s, Found *out) noexcept nogil:
    """RFC 5456, 6 on another port: NEW, REGREQ, POKE to nobody yet, number 0, elements (8.6) that fill the datagram."""
    cdef uint32_t at = 12
    if s.n < 12 or s.n != s.wire or not s.data[0] & 0x80 or be32(s, 0) & 0x7FFFFFFF <= 0xFFFF or be16(s, 2):
        return NO
    if be16(s, 8) or s.data[10] != 6 or s.data[11] not in (0x01, 0x0D, 0x1E):
        return NO
    while at + 2 <= s.n and 1 <= s.data[at] <= 56:
        at += 2 + s.data[at + 1]
    return yes(at == s.n and (at > 12 or s.data[11] == 0x1E))


cdef Answer bfcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 8855, 5.1: version 1 or 2, a primitive of 1 to 18, the length in fours, a conference, who, an attribute."""
    cdef uint8_t version = byte_at(s, 0) >> 5
    cdef uint32_t end = 4 * be16(s, 2) + 12
    if s.n < 12 or not 1 <= version <= 2 or s.data[0] & 0x07 or not 1 <= s.data[1] <= 18:
        return NO
    if end != (s.wire if s.proto == UDP else s.n) and (s.proto == UDP or byte_at(s, end) >> 5 != version
                                                       or be32(s, end + 4) != be32(s, 4)):      # a stream goes on
        return NO
    if s.data[1] > 13 and (version == 1 or s.proto == TCP):     # for transports that lose messages
        return NO
    if be16(s, 2) == 0:                         # queries, Hello, Goodbye and what acknowledges them
        return yes(s.data[1] in (5, 7, 8, 10, 11, 14, 15, 16, 17) and be32(s, 4) != 0 and be16(s, 8) != 0 and be16(s, 10) != 0
                   and (be32(s, 4) < 1 << 24 or agreed(s, 0xBF000000U | be32(s, 4) & 0xFFFFFF)))
    return yes(s.n >= 14 and 1 <= s.data[12] >> 1 <= 18 and 2 <= s.data[13] <= 4 * be16(s, 2))


at_first(BOTH, P_MEGACO, megaco, b"M!Ama \t\r\n")
at_first(TCP, P_MEGACO, megaco, b"\x03")
at_first(UDP, P_MEGACO, megaco_binary, b"\x30")
at_first(TCP, P_MEGACO, megaco_binary, b"\x03")
at_first(BOTH, P_MGCP, mgcp, b"ACDEMNR0123456789acdemnr")
at_first(TCP, P_DIAMETER, diameter, b"\x01")
at_first(TCP, P_H323, h225, b"\x03")
at_first(TCP, P_H323, h245, b"\x03")
at_first(TCP, P_SMPP, smpp, b"\x00")
at_first(UDP, P_H323, ras, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")
at_first(BOTH, P_BFCP, bfcp, b"\x20\x28\x30\x38\x40\x48\x50\x58")
at_ports(UDP, P_GTP, gtp, (2123, 2152, 3386))
at_ports(UDP, P_PFCP, pfcp, (8805,))
at_ports(TCP, P_CISCOSKINNY, skinny, (2000, 2443))
at_ports(UDP, P_IAX, iax, (4569,))
at_first(UDP, P_IAX, iax_begins, bytes(range(0x80, 0x100)))
