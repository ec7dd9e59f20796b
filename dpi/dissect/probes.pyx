"""Protocols that are told by their first bytes: one table of small functions, tried in order.

A probe looks at what one side of a flow has sent so far and says YES, NO, or MORE where what is there is a
beginning of its protocol.  It holds no state and keeps no bytes.  To add one: a function, a row in TABLE, a test.
What makes a probe worth having is how many bits it fixes; those that fix few stand further down and also ask for
the registered port, because a chance match names a flow wrongly and for good.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp, memcpy, memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.dtls cimport dtls_client_hello
from dpi.dissect.protocols cimport *
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8, u16, u32
from dpi.wire.packet cimport IP_TCP, IP_UDP


cdef struct Row:
    uint8_t proto
    uint16_t label
    Probe probe


# Tools

cdef Answer starts(const Sight *s, const char *text, uint32_t n) noexcept nogil:
    """YES where the data begins with the text, MORE where it is as yet too short to tell."""
    if s.n >= n:
        return YES if memcmp(s.data, text, n) == 0 else NO
    return MORE if memcmp(s.data, text, s.n) == 0 else NO


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c | 0x20 if c'A' <= c <= c'Z' else c


cdef bint mentions(const Sight *s, const char *word, uint32_t n) noexcept nogil:
    """Whether the lower-case word occurs in the first line, in whatever case; the line must begin like text."""
    cdef uint32_t i, j
    cdef uint32_t end = s.n if s.n < 512 else 512
    if end and not 0x20 <= s.data[0] < 0x7F:
        return False
    for i in range(end):
        if s.data[i] == c'\n':
            return False
        j = 0
        while j < n and i + j < end and lower(s.data[i + j]) == <uint8_t>word[j]:
            j += 1
        if j == n:
            return True
    return False


cdef inline bint to_or_from(const Sight *s, uint16_t port) noexcept nogil:
    return s.sport == port or s.dport == port


cdef void set_host(Found *out, const uint8_t *text, uint32_t n) noexcept nogil:
    """A name in lower case without its last dot; whatever is not printable ends it."""
    cdef uint32_t i = 0
    while i < n and i < 255 and 0x20 < text[i] < 0x7F:
        out.host[i] = <char>lower(text[i])
        i += 1
    if i and out.host[i - 1] == c'.':
        i -= 1
    out.host[i] = 0
    out.host_len = <uint16_t>i


cdef void set_agent(Found *out, const uint8_t *text, uint32_t n) noexcept nogil:
    """One line of printable text."""
    cdef uint32_t i = 0
    while i < n and i < 127 and 0x20 <= text[i] < 0x7F:
        out.agent[i] = <char>text[i]
        i += 1
    out.agent[i] = 0


# Text protocols over TCP

cdef Answer ssh(const Sight *s, Found *out) noexcept nogil:
    """RFC 4253, 4.2: both sides begin with their version."""
    cdef Answer answer = starts(s, b"SSH-", 4)
    if answer == YES:
        set_agent(out, s.data, s.n)
    return answer


cdef Answer smtp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5321, 4.2 and 4.1.1.1: the server's greeting with its name, or the client's EHLO."""
    cdef uint32_t i = 4
    if not s.from_opener and starts(s, b"220", 3) == YES and s.n > 4:
        if not (mentions(s, b"smtp", 4) or to_or_from(s, 25) or to_or_from(s, 587)) or mentions(s, b"ftp", 3):
            return NO
        while i < s.n and s.data[i] > 0x20:
            i += 1
        if memchr(s.data + 4, c'.', i - 4) != NULL:
            set_host(out, s.data + 4, i - 4)
        return YES
    if s.from_opener and (starts(s, b"EHLO ", 5) == YES or starts(s, b"HELO ", 5) == YES):
        return YES
    return NO


cdef Answer ftp(const Sight *s, Found *out) noexcept nogil:
    """RFC 959, 5.4: 220 and whatever the server calls itself; the client says who it is."""
    if not s.from_opener and starts(s, b"220", 3) == YES:
        return YES if mentions(s, b"ftp", 3) or to_or_from(s, 21) else NO
    if s.from_opener and to_or_from(s, 21):
        return YES if starts(s, b"USER ", 5) == YES or starts(s, b"AUTH TLS", 8) == YES else NO
    return NO


cdef Answer pop3(const Sight *s, Found *out) noexcept nogil:
    """RFC 1939, 4: the greeting is a positive reply."""
    if s.from_opener:
        return YES if to_or_from(s, 110) and (starts(s, b"CAPA", 4) == YES or starts(s, b"USER ", 5) == YES) else NO
    return starts(s, b"+OK ", 4) if to_or_from(s, 110) or mentions(s, b"pop", 3) else NO


cdef Answer imap(const Sight *s, Found *out) noexcept nogil:
    """RFC 9051, 7.1: an untagged OK or PREAUTH greets."""
    if starts(s, b"* OK", 4) == YES or starts(s, b"* PREAUTH", 9) == YES:
        return YES if mentions(s, b"imap", 4) or to_or_from(s, 143) else NO
    return MORE if s.n < 4 and starts(s, b"* OK", 4) == MORE else NO


cdef Answer irc(const Sight *s, Found *out) noexcept nogil:
    """RFC 1459, 4.1: registration; servers may speak first."""
    if s.from_opener and (starts(s, b"NICK ", 5) == YES or starts(s, b"CAP LS", 6) == YES):
        return YES
    return YES if starts(s, b":", 1) == YES and mentions(s, b" notice ", 8) else NO


cdef Answer xmpp(const Sight *s, Found *out) noexcept nogil:
    """RFC 6120, 4.2."""
    if s.n and s.data[0] != c'<':
        return NO
    if mentions(s, b"<stream:stream", 14) or mentions(s, b"jabber:client", 13):
        return YES
    return MORE if s.n < 64 and starts(s, b"<?xml", 5) != NO else NO


cdef Answer rtsp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2326, 6.1 and 7.1."""
    return YES if starts(s, b"RTSP/", 5) == YES or mentions(s, b" rtsp/1.0", 9) else NO


cdef Answer sip(const Sight *s, Found *out) noexcept nogil:
    """RFC 3261, 7: the version ends the first line of a request and begins that of a reply."""
    return YES if starts(s, b"SIP/2.0 ", 8) == YES or mentions(s, b" sip/2.0", 8) else NO


cdef Answer telnet(const Sight *s, Found *out) noexcept nogil:
    """RFC 854: option negotiation comes first: IAC, WILL … DONT, an option that is registered."""
    if s.n < 3:
        return MORE if s.n == 0 or s.data[0] == 0xFF else NO
    return YES if s.data[0] == 0xFF and 0xFA <= s.data[1] <= 0xFE and s.data[2] < 50 else NO


cdef Answer vnc(const Sight *s, Found *out) noexcept nogil:
    """RFC 6143, 7.1.1."""
    return starts(s, b"RFB 00", 6)


cdef Answer rsync(const Sight *s, Found *out) noexcept nogil:
    """The daemon's greeting (rsyncd, csprotocol.txt)."""
    return starts(s, b"@RSYNCD:", 8)


cdef Answer git(const Sight *s, Found *out) noexcept nogil:
    """gitprotocol-pack(5): a pkt-line with the service's name."""
    if s.n < 12:
        return MORE if s.n < 4 and s.from_opener and to_or_from(s, 9418) else NO
    return YES if memcmp(s.data + 4, b"git-", 4) == 0 and memchr(s.data + 8, c'-', 8 if s.n >= 16 else 4) else NO


cdef Answer resp(const Sight *s, Found *out) noexcept nogil:
    """Redis serialization protocol: a command is an array of bulk strings."""
    cdef uint32_t i = 1
    if s.n < 1 or s.data[0] != c'*':
        return NO
    while i < s.n and i < 6 and c'0' <= s.data[i] <= c'9':
        i += 1
    if i + 3 > s.n:
        return MORE
    return YES if i > 1 and memcmp(s.data + i, b"\r\n$", 3) == 0 else NO


# Binary protocols over TCP

cdef Answer rdp(const Sight *s, Found *out) noexcept nogil:
    """MS-RDPBCGR, 2.2.1.1: X.224 connection request or confirm in a TPKT (RFC 1006, 6)."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint16_t length
    if u8(&c) != 3 or u8(&c) != 0:
        return NO if s.n >= 2 or alive(&c) else MORE
    length = u16(&c)
    if u8(&c) + 5 != length or length < 11:
        return NO if alive(&c) else MORE
    if (u8(&c) & 0xE0) != 0xC0:             # 0xE0 request, 0xD0 confirm
        if (s.n >= 6 and (s.data[5] & 0xF0) == 0xE0) is False:
            return NO if alive(&c) else MORE
    if to_or_from(s, 3389):
        return YES
    skip(&c, 5)
    if length >= 19 and left(&c) >= 8 and memcmp(c.p, b"Cookie: ", 8) == 0:
        return YES
    if u8(&c) in (1, 2) and u8(&c) <= 0x1F and u16(&c) == 0x0800:    # RDP_NEG_REQ, RDP_NEG_RSP
        return YES if alive(&c) else NO
    return NO


cdef Answer mysql(const Sight *s, Found *out) noexcept nogil:
    """Protocol::HandshakeV10: length, sequence 0, version 10, the server's version as text."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t length
    if s.from_opener:
        return NO
    length = u8(&c)
    length |= <uint32_t>u8(&c) << 8
    length |= <uint32_t>u8(&c) << 16
    if not 20 <= length <= 400 or u8(&c) != 0 or u8(&c) != 10:
        return NO
    if left(&c) < 5 or not (c'0' <= c.p[0] <= c'9' and memchr(c.p, c'.', 3) != NULL):
        return NO
    set_agent(out, c.p, <uint32_t>left(&c))
    return YES


cdef Answer postgres(const Sight *s, Found *out) noexcept nogil:
    """PostgreSQL, 54.7: StartupMessage 3.0, SSLRequest, GSSENCRequest, CancelRequest."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t length = u32(&c)
    cdef uint32_t code = u32(&c)
    if not s.from_opener or not alive(&c):
        return NO
    if length == 8 and (code == 80877103 or code == 80877104) or length == 16 and code == 80877102:
        return YES
    return YES if code == 0x00030000 and length == s.n and left(&c) > 5 and memcmp(c.p, b"user", 5) == 0 else NO


cdef Answer mqtt(const Sight *s, Found *out) noexcept nogil:
    """MQTT 5.0, 3.1: CONNECT, its length of up to four bytes, the protocol's name."""
    cdef Cursor c = over(s.data, s.n)
    cdef int i = 0
    cdef uint16_t n
    if u8(&c) != 0x10:
        return NO
    while i < 4 and u8(&c) & 0x80:
        i += 1
    n = u16(&c)
    if left(&c) < 6:
        return NO if alive(&c) and n not in (4, 6) else MORE
    return YES if n == 4 and memcmp(c.p, b"MQTT", 4) == 0 or n == 6 and memcmp(c.p, b"MQIsdp", 6) == 0 else NO


cdef Answer amqp(const Sight *s, Found *out) noexcept nogil:
    """AMQP 0-9-1, 4.2.2; 1.0, 2.2."""
    if s.n < 8:
        return MORE if starts(s, b"AMQP", 4) != NO else NO
    return YES if memcmp(s.data, b"AMQP", 4) == 0 and s.data[4] <= 3 else NO


cdef Answer bittorrent(const Sight *s, Found *out) noexcept nogil:
    """BEP 3: the peer wire protocol's handshake."""
    return starts(s, b"\x13BitTorrent protocol", 20)


cdef Answer smb(const Sight *s, uint8_t magic) noexcept nogil:
    cdef Cursor c = over(s.data, s.n)
    if u8(&c) != 0:
        return NO
    skip(&c, 3)
    if left(&c) < 4:
        return MORE if to_or_from(s, 445) or to_or_from(s, 139) else NO
    return YES if c.p[0] == magic and memcmp(c.p + 1, b"SMB", 3) == 0 else NO


cdef Answer smb1(const Sight *s, Found *out) noexcept nogil:
    """MS-CIFS, 2.2.3.1, behind the 4 bytes of direct TCP transport (MS-SMB2, 2.1)."""
    return smb(s, 0xFF)


cdef Answer smb2(const Sight *s, Found *out) noexcept nogil:
    """MS-SMB2, 2.2.1; 0xFD is an encrypted message."""
    return YES if smb(s, 0xFE) == YES or smb(s, 0xFD) == YES else NO


cdef Answer netbios_session(const Sight *s, Found *out) noexcept nogil:
    """RFC 1002, 4.3.2: session request: both names are encoded to 32 bytes."""
    cdef Cursor c = over(s.data, s.n)
    if not to_or_from(s, 139) or u8(&c) != 0x81 or u8(&c) != 0 or u16(&c) != 68:
        return NO
    return YES if u8(&c) == 32 else NO


cdef Answer dcerpc(const Sight *s, Found *out) noexcept nogil:
    """DCE 1.1 RPC, 12.6.3: version 5.0, bind or bind_ack, little-endian, the fragment's length."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t kind
    if u8(&c) != 5 or u8(&c) > 1:
        return NO
    kind = u8(&c)
    skip(&c, 1)
    if kind > 19 or u32(&c) != 0x10000000:
        return NO
    return YES if alive(&c) else MORE


cdef Answer ldap(const Sight *s, Found *out) noexcept nogil:
    """RFC 4511, 4.1.1: a sequence of a message id and an operation (bind, search, unbind or their replies)."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t n, op
    if u8(&c) != 0x30:
        return NO
    n = u8(&c)
    if n & 0x80:
        if n > 0x84:
            return NO
        skip(&c, n & 0x7F)
    if u8(&c) != 2:
        return NO
    n = u8(&c)
    if not 1 <= n <= 4:
        return NO
    skip(&c, n)
    op = u8(&c)
    if not alive(&c):
        return MORE if to_or_from(s, 389) else NO
    if op in (0x60, 0x61, 0x63, 0x64, 0x65):
        return YES
    return YES if op in (0x42, 0x77, 0x78) and (to_or_from(s, 389) or to_or_from(s, 3268)) else NO


cdef Answer bgp(const Sight *s, Found *out) noexcept nogil:
    """RFC 4271, 4.1: 16 bytes of ones, the length, the type."""
    cdef uint32_t i
    for i in range(s.n if s.n < 16 else 16):
        if s.data[i] != 0xFF:
            return NO
    if s.n < 19:
        return MORE if s.n else NO
    return YES if s.data[16] <= 16 and 1 <= s.data[18] <= 5 else NO


cdef Answer rtmp(const Sight *s, Found *out) noexcept nogil:
    """Adobe RTMP 1.0, 5.2: C0 with version 3, C1 of 1536 bytes whose second word is zero."""
    if s.n < 9:
        return MORE if s.n and s.data[0] == 3 and to_or_from(s, 1935) else NO
    if s.data[0] != 3:
        return NO
    if not to_or_from(s, 1935) and s.n < 1537:
        return NO
    return YES if memcmp(s.data + 5, b"\0\0\0\0", 4) == 0 or to_or_from(s, 1935) else NO


cdef Answer http2(const Sight *s, Found *out) noexcept nogil:
    """RFC 9113, 3.4: the client's preface."""
    return starts(s, b"PRI * HTTP/2.0\r\n\r\n", 18)


cdef Answer openvpn_tcp(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: the packet's length, then as over UDP."""
    cdef Sight inner = s[0]
    if s.n < 3 or (<uint32_t>s.data[0] << 8 | s.data[1]) > s.n - 2:
        return NO
    inner.data += 2
    inner.n = inner.wire = <uint32_t>s.data[0] << 8 | s.data[1]
    return openvpn(&inner, out)


cdef Answer mongodb(const Sight *s, Found *out) noexcept nogil:
    """MongoDB wire protocol: a little-endian header: length, ids, an opcode in use."""
    cdef uint32_t length, opcode
    if s.n < 16:
        return NO
    memcpy(&length, s.data, 4)
    memcpy(&opcode, s.data + 12, 4)
    if s.data[3] or s.data[2] > 2 or length < 21:
        return NO
    opcode = s.data[12] | <uint32_t>s.data[13] << 8 | <uint32_t>s.data[14] << 16 | <uint32_t>s.data[15] << 24
    if opcode == 2013 or opcode == 2012 or opcode == 2004:
        return YES if memcmp(s.data + 8, b"\0\0\0\0", 4) == 0 or to_or_from(s, 27017) else NO
    return NO


# Over UDP

cdef Answer stun(const Sight *s, Found *out) noexcept nogil:
    """RFC 8489, 5: two zero bits, a length in fours, the magic cookie; over TCP the same."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint16_t kind = u16(&c)
    cdef uint16_t length = u16(&c)
    if kind & 0xC000 or length & 3 or u32(&c) != 0x2112A442 or left(&c) < 12:
        return NO
    if s.proto == IP_UDP and s.wire < length + 20:
        return NO
    stun_host(s, out)
    return YES


cdef void stun_host(const Sight *s, Found *out) noexcept nogil:
    """The REALM (14.9) tells who runs the server, SOFTWARE (14.14) what it is."""
    cdef Cursor c = over(s.data + 20, s.n - 20)
    cdef uint16_t kind, n
    cdef const uint8_t *value
    cdef int _
    for _ in range(16):
        kind = u16(&c)
        n = u16(&c)
        value = take(&c, n)
        if value == NULL:
            return
        if kind == 0x0014:
            set_host(out, value, n)
        elif kind == 0x8022:
            set_agent(out, value, n)
        skip(&c, (4 - (n & 3)) & 3)


cdef Answer dtls(const Sight *s, Found *out) noexcept nogil:
    """RFC 9147, 4.1 and RFC 6347, 4.1: type, version, epoch 0 of a handshake, length within the datagram."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t kind = u8(&c)
    cdef uint16_t version = u16(&c)
    if not 20 <= kind <= 25 or version not in (0xFEFF, 0xFEFD, 0x0100):
        return NO
    skip(&c, 8)
    if <uint32_t>u16(&c) + 13 > s.wire or not alive(&c):
        return NO
    dtls_client_hello(s.data, s.n, out)
    return YES


cdef Answer ntp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5905, 7.3."""
    cdef uint8_t version
    if not to_or_from(s, 123) or s.n < 4 or s.wire < 12:
        return NO
    version = s.data[0] >> 3 & 7
    return YES if 1 <= version <= 4 and (s.wire >= 48 or s.data[0] & 7 >= 6) else NO


cdef Answer dhcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2131, 2 and RFC 2132, 3.14: the host's name is option 12."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t option, n
    cdef const uint8_t *value
    if not 1 <= u8(&c) <= 2:
        return NO
    skip(&c, 235)
    if u32(&c) != 0x63825363:
        return NO
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
    """RFC 8415, 7.2 and 8."""
    if not (to_or_from(s, 546) or to_or_from(s, 547)) or s.n < 4:
        return NO
    return YES if 1 <= s.data[0] <= 23 else NO


cdef Answer ssdp(const Sight *s, Found *out) noexcept nogil:
    """UPnP Device Architecture 2.0, 1.2 and 1.3."""
    if starts(s, b"M-SEARCH * HTTP/1.", 18) == YES or starts(s, b"NOTIFY * HTTP/1.", 16) == YES:
        return YES
    return YES if to_or_from(s, 1900) and starts(s, b"HTTP/1.", 7) == YES else NO


cdef Answer netbios(const Sight *s, Found *out) noexcept nogil:
    """RFC 1002, 4.2 (137: names) and 4.4 (138: datagrams); the name is two letters a byte (RFC 1001, 14.1)."""
    cdef Cursor c = over(s.data, s.n)
    cdef const uint8_t *name
    cdef uint8_t text[16]
    cdef int i
    if to_or_from(s, 137):
        skip(&c, 12)
    elif to_or_from(s, 138):
        if not 0x10 <= u8(&c) <= 0x16:
            return NO
        skip(&c, 13)
    else:
        return NO
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
    return YES


cdef Answer snmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3416, 3: a sequence of the version (0, 1 or 3) and then a community or a header."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t n, version
    if u8(&c) != 0x30:
        return NO
    n = u8(&c)
    if n & 0x80:
        if n > 0x82:
            return NO
        skip(&c, n & 0x7F)
    if u8(&c) != 2 or u8(&c) != 1:
        return NO
    version = u8(&c)
    n = u8(&c)
    if not alive(&c) or version not in (0, 1, 3) or n != (0x30 if version == 3 else 0x04):
        return NO
    return YES if to_or_from(s, 161) or to_or_from(s, 162) else NO


cdef Answer tftp(const Sight *s, Found *out) noexcept nogil:
    """RFC 1350, 5: a request: opcode, file name, mode, both ended by a zero."""
    cdef const uint8_t *end
    cdef const uint8_t *mode
    if s.n < 8 or s.data[0] != 0 or not 1 <= s.data[1] <= 2:
        return NO
    end = <const uint8_t *>memchr(s.data + 2, 0, s.n - 2)
    if end == NULL or end == s.data + 2 or s.data + s.n - end < 6:
        return NO
    mode = end + 1
    if lower(mode[0]) == c'o' and lower(mode[1]) == c'c' and lower(mode[2]) == c't':
        return YES
    return YES if lower(mode[0]) == c'n' and lower(mode[1]) == c'e' and lower(mode[2]) == c't' else NO


cdef Answer wireguard(const Sight *s, Found *out) noexcept nogil:
    """WireGuard whitepaper, 5.4: type, three zeros, and lengths that are fixed."""
    if s.n < 4 or s.data[1] or s.data[2] or s.data[3]:
        return NO
    if s.data[0] == 1:
        return YES if s.wire == 148 else NO
    if s.data[0] == 2:
        return YES if s.wire == 92 else NO
    if s.data[0] == 3:
        return YES if s.wire == 64 else NO
    return YES if s.data[0] == 4 and s.wire >= 32 and s.wire & 15 == 0 and to_or_from(s, 51820) else NO


cdef Answer openvpn(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: opcode and key id, session id, then with no HMAC: no acks, packet id 0.

    A client's first packet is P_CONTROL_HARD_RESET_CLIENT_V2 (7) or _V3 (10), a server's _SERVER_V2 (8), key id 0.
    With an HMAC (tls-auth) or tls-crypt the rest cannot be read, and the registered port has to agree.
    """
    if s.n < 14 or s.data[0] not in (0x38, 0x40, 0x50) or s.turn > 1:
        return NO
    if s.data[0] == 0x38 and s.wire == 14 and memcmp(s.data + 9, b"\0\0\0\0\0", 5) == 0:
        return YES
    if s.data[0] == 0x40 and s.wire == 26 and s.data[9] == 1:
        return YES
    return YES if to_or_from(s, 1194) or to_or_from(s, 443) and s.wire in (42, 54, 66, 78, 86) else NO


cdef Answer dht(const Sight *s, Found *out) noexcept nogil:
    """BEP 5: a bencoded dictionary of a query, a reply or an error; 20 bytes of node id."""
    if starts(s, b"d1:ad2:id20:", 12) == YES or starts(s, b"d1:rd2:id20:", 12) == YES:
        return YES
    return YES if starts(s, b"d1:eli20", 8) == YES or starts(s, b"d2:ip", 5) == YES and s.n > 20 else NO


cdef Answer utp(const Sight *s, Found *out) noexcept nogil:
    """BEP 29: a SYN: type 4, version 1, extension 0 or 2, sequence number 1, no ack."""
    if s.n < 20 or s.data[0] != 0x41 or s.turn > 2:
        return NO
    if s.wire == 20 and s.data[1] == 0 and memcmp(s.data + 16, b"\0\1", 2) == 0:
        return YES
    return YES if s.wire == 30 and s.data[1] == 2 and s.data[20] == 0 and s.data[21] == 8 else NO


cdef Answer ike(const Sight *s, Found *out) noexcept nogil:
    """RFC 7296, 3.1 on 500; on 4500 behind four zeros, or ESP (RFC 3948, 2), or one byte of keepalive."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t version
    if to_or_from(s, 4500):
        if s.wire == 1 and s.n == 1 and s.data[0] == 0xFF:
            return YES
        if u32(&c) != 0:
            return YES if s.wire >= 32 and alive(&c) else NO
    elif not to_or_from(s, 500):
        return NO
    skip(&c, 17)
    version = u8(&c)
    return YES if alive(&c) and version in (0x10, 0x20) else NO


cdef Answer radius(const Sight *s, Found *out) noexcept nogil:
    """RFC 2865, 3."""
    if s.n < 20 or (<uint32_t>s.data[2] << 8 | s.data[3]) != s.wire or not 1 <= s.data[0] <= 52:
        return NO
    return YES if (to_or_from(s, 1812) or to_or_from(s, 1813) or to_or_from(s, 1645) or to_or_from(s, 1646)
                   or to_or_from(s, 3799)) else NO


cdef Answer syslog(const Sight *s, Found *out) noexcept nogil:
    """RFC 5424, 6.2.1 and RFC 3164, 4.1.1: a priority of at most 191 in angle brackets."""
    cdef uint32_t i = 1
    cdef uint32_t value = 0
    if s.n < 5 or s.data[0] != c'<':
        return NO
    while i < 4 and c'0' <= s.data[i] <= c'9':
        value = value * 10 + s.data[i] - c'0'
        i += 1
    return YES if i > 1 and s.data[i] == c'>' and value <= 191 and to_or_from(s, 514) else NO


cdef Answer coap(const Sight *s, Found *out) noexcept nogil:
    """RFC 7252, 3: version 1, a token of at most 8 bytes, a code that exists."""
    cdef uint8_t kind
    if s.n < 4 or not (to_or_from(s, 5683) or to_or_from(s, 5684)) or s.data[0] >> 6 != 1 or s.data[0] & 0x0F > 8:
        return NO
    kind = s.data[1] >> 5
    return YES if kind in (0, 2, 4, 5) and s.data[1] & 0x1F < 32 else NO


cdef Answer gtp(const Sight *s, Found *out) noexcept nogil:
    """3GPP TS 29.281, 5.1 and 29.274, 5.1: version 1 or 2, and a length that agrees."""
    cdef uint8_t version
    if s.n < 8 or not (to_or_from(s, 2123) or to_or_from(s, 2152) or to_or_from(s, 3386)):
        return NO
    version = s.data[0] >> 5
    return YES if version <= 2 and (<uint32_t>s.data[2] << 8 | s.data[3]) <= s.wire else NO


cdef Answer teredo(const Sight *s, Found *out) noexcept nogil:
    """RFC 4380, 5.1.1: an IPv6 packet, or an indication before one, to or from 3544."""
    if not to_or_from(s, 3544) or s.n < 40:
        return NO
    return YES if s.data[0] >> 4 == 6 or s.data[0] == 0 and s.data[1] <= 1 else NO


cdef Answer rtcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3550, 6.4: version 2, a report (200, 201), and its length in words."""
    if s.n < 8 or s.data[0] >> 6 != 2 or s.data[1] not in (200, 201):
        return NO
    return YES if 4 * ((<uint32_t>s.data[2] << 8 | s.data[3]) + 1) <= s.wire and s.wire & 3 == 0 else NO


# Here order matters: what fixes more bits comes first.
cdef enum:
    ROWS = 55

cdef Row[ROWS] TABLE
cdef int n_rows = 0


cdef int row(uint8_t proto, uint16_t label, Probe function) except -1:
    global n_rows
    if n_rows == ROWS:
        raise ValueError("ROWS is too small")
    TABLE[n_rows].proto = proto
    TABLE[n_rows].label = label
    TABLE[n_rows].probe = function
    n_rows += 1
    return 0


row(IP_TCP, P_SSH, ssh)
row(IP_TCP, P_HTTP2, http2)
row(IP_TCP, P_BITTORRENT, bittorrent)
row(IP_TCP, P_RSYNC, rsync)
row(IP_TCP, P_VNC, vnc)
row(IP_TCP, P_AMQP, amqp)
row(IP_TCP, P_MQTT, mqtt)
row(IP_TCP, P_POSTGRESQL, postgres)
row(IP_TCP, P_MYSQL, mysql)
row(IP_TCP, P_SMBV1, smb1)
row(IP_TCP, P_SMBV23, smb2)
row(IP_TCP, P_NETBIOS, netbios_session)
row(IP_TCP, P_BGP, bgp)
row(IP_TCP, P_DCERPC, dcerpc)
row(IP_TCP, P_RDP, rdp)
row(IP_TCP, P_STUN, stun)
row(IP_TCP, P_SIP, sip)
row(IP_TCP, P_RTSP, rtsp)
row(IP_TCP, P_GIT, git)
row(IP_TCP, P_JABBER, xmpp)
row(IP_TCP, P_MONGODB, mongodb)
row(IP_TCP, P_LDAP, ldap)
row(IP_TCP, P_FTPCONTROL, ftp)
row(IP_TCP, P_SMTP, smtp)
row(IP_TCP, P_IMAP, imap)
row(IP_TCP, P_POP3, pop3)
row(IP_TCP, P_IRC, irc)
row(IP_TCP, P_RESP, resp)
row(IP_TCP, P_RTMP, rtmp)
row(IP_TCP, P_OPENVPN, openvpn_tcp)
row(IP_TCP, P_TELNET, telnet)

row(IP_UDP, P_STUN, stun)
row(IP_UDP, P_DTLS, dtls)
row(IP_UDP, P_DHCP, dhcp)
row(IP_UDP, P_SSDP, ssdp)
row(IP_UDP, P_BITTORRENT, dht)
row(IP_UDP, P_SIP, sip)
row(IP_UDP, P_WIREGUARD, wireguard)
row(IP_UDP, P_NTP, ntp)
row(IP_UDP, P_NETBIOS, netbios)
row(IP_UDP, P_SNMP, snmp)
row(IP_UDP, P_LDAP, ldap)
row(IP_UDP, P_TFTP, tftp)
row(IP_UDP, P_DHCPV6, dhcpv6)
row(IP_UDP, P_RADIUS, radius)
row(IP_UDP, P_IPSEC, ike)
row(IP_UDP, P_SYSLOG, syslog)
row(IP_UDP, P_COAP, coap)
row(IP_UDP, P_GTP, gtp)
row(IP_UDP, P_TEREDO, teredo)
row(IP_UDP, P_RTCP, rtcp)
row(IP_UDP, P_OPENVPN, openvpn)
row(IP_UDP, P_BITTORRENT, utp)


cdef uint16_t probe(const Sight *s, Found *out, Answer *answer) noexcept nogil:
    """The label of the first probe that says YES, else 0; `answer` is MORE where one of them wants more."""
    cdef int i
    cdef Answer each
    answer[0] = NO
    if s.n == 0:
        answer[0] = MORE
        return 0
    for i in range(n_rows):
        if TABLE[i].proto != s.proto:
            continue
        each = TABLE[i].probe(s, out)
        if each == YES:
            answer[0] = YES
            return TABLE[i].label
        if each == MORE:
            answer[0] = MORE
    return 0


def probe_bytes(bytes data, *, proto, sport=40000, dport=40001, from_opener=True, turn=0, wire=None):
    """(label number, answer, host, agent) for the first bytes of a side, or for a datagram."""
    cdef Sight s
    cdef Found found
    cdef Answer answer = NO
    cdef uint8_t *block = block_of(data)
    cdef uint16_t label
    memset(&found, 0, sizeof(found))
    s.data, s.n = block, <uint32_t>len(data)
    s.wire = s.n if wire is None else wire
    s.proto, s.sport, s.dport, s.from_opener, s.turn = proto, sport, dport, from_opener, turn
    try:
        label = probe(&s, &found, &answer)
        return label, ("no", "more", "yes")[answer], found.host.decode("latin-1"), found.agent.decode("latin-1")
    finally:
        free(block)
