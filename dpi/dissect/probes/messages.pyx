"""Messages between programs: remote calls, agents, and what is exchanged in a trade's own form."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8, u32


cdef Answer dcerpc(const Sight *s, Found *out) noexcept nogil:
    """DCE 1.1 RPC, 12.6.3: version 5.0 or 5.1, a kind, numbers' form (14.1), the fragment's length."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t form
    if u8(&c) != 5 or u8(&c) > 1:
        return NO if s.n > 1 else MORE
    if u8(&c) > 19:
        return NO
    skip(&c, 1)
    form = u32(&c)
    if form != 0x10000000 and form != 0:        # little-endian, or big; ASCII, IEEE
        return NO if alive(&c) else MORE
    if s.n < 12:
        return MORE
    if form:
        return yes(le16(s, 8) >= 16)
    # Many a message has zeros there: first or last of a call, a length as it is usual, the verifier's within it.
    return yes(s.data[3] & 3 != 0 and 16 <= be16(s, 8) <= 8192 and be16(s, 10) + 16 <= be16(s, 8))


# PROFINET's interfaces DEA0000?-6C97-11D1-8271-00A02442DF7D, but their first four bytes (IEC 61158-6-10)
cdef const char *PROFINET = b"\x97\x6c\xd1\x11\x82\x71\x00\xa0\x24\x42\xdf\x7d"


cdef Answer dcerpc_udp(const Sight *s, Found *out) noexcept nogil:
    """DCE 1.1 RPC, 12.5.2.1: version 4, a kind, data representation, 80 bytes and the length of the body."""
    cdef bint little = byte_at(s, 4) >> 4 == 1
    if s.n < 80 or s.data[0] != 4 or s.data[1] > 10 or s.data[5] > 3 or s.data[6] or s.data[4] & 0xEF:
        return NO
    if (le16(s, 74) if little else be16(s, 74)) + 80 > s.wire:
        return NO
    if has(s, 28, PROFINET, 12) or has(s, 12, PROFINET, 12):
        out.app = P_PROFINETIO
    return yes(out.app != 0 or to_or_from(s, 135) or (le16(s, 74) if little else be16(s, 74)) + 80 == s.wire)


cdef Answer corba(const Sight *s, Found *out) noexcept nogil:
    """CORBA 3.3, part 2, 9.4.1: GIOP 1.0 to 1.3, a message type of at most 7."""
    if s.proto == UDP and has(s, 0, b"MIOP\x10", 5):       # 11.3: over multicast
        return YES
    if s.n < 8:
        return starts(s, b"GIOP\x01", 5) if s.n < 5 else MORE
    return yes((has(s, 0, b"GIOP\x01", 5) or has(s, 0, b"ZIOP\x01", 5)) and s.data[5] <= 3 and s.data[7] <= 7)


cdef Answer java_rmi(const Sight *s, Found *out) noexcept nogil:
    """Java RMI, 10.2: the magic, version 2, one of three protocols."""
    if s.n < 7:
        return starts(s, b"JRMI\0\x02", 6) if s.n < 6 else MORE
    return yes(has(s, 0, b"JRMI\0", 5) and 1 <= s.data[5] <= 2 and 0x4B <= s.data[6] <= 0x4D)


cdef Answer java_object(const Sight *s, Found *out) noexcept nogil:
    """Java Object Serialization, 6.4.2: the magic, version 5, a new object and its class, one of RMI's."""
    return yes(has(s, 0, b"\xac\xed\0\x05sr", 6) and has(s, 8, b"java.rmi.", 9))


cdef bint thrift_name(const Sight *s, uint32_t at) noexcept nogil:
    """The strict binary form: version 1, a kind, the method's name with its length."""
    cdef uint32_t n = be32(s, at + 4)
    return (be16(s, at) == 0x8001 and be16(s, at + 2) in (1, 2, 3, 4) and 1 <= n <= 128 and
            printable(s, at + 8, n))


cdef bint thrift_compact(const Sight *s, uint32_t at) noexcept nogil:
    """The compact form: its mark, a kind and version 1, a sequence of up to five bytes, the method's name with its length."""
    cdef uint32_t name = at + 3
    cdef uint8_t n
    if byte_at(s, at) != 0x82 or byte_at(s, at + 1) & 0x1F != 1 or not 0x21 <= byte_at(s, at + 1) <= 0x81:
        return False
    while byte_at(s, name - 1) & 0x80 and name < at + 7:
        name += 1
    n = byte_at(s, name)
    return byte_at(s, name - 1) & 0x80 == 0 and 3 <= n <= 64 and printable(s, name + 1, n)


cdef bint thrift_json(const Sight *s, uint32_t at) noexcept nogil:
    """The form in JSON: a list of version 1, the method's name, a kind, a sequence, the arguments."""
    cdef uint32_t i = at + 4
    if not has(s, at, b'[1,"', 4):
        return False
    while i < at + 132 and is_print(byte_at(s, i)) and s.data[i] != c'"':
        i += 1
    return i > at + 4 and has(s, i, b'",', 2) and c'1' <= byte_at(s, i + 2) <= c'4' and byte_at(s, i + 3) == c',' and (
        is_digit(byte_at(s, i + 4)))


cdef bint thrift_field(const Sight *s, uint32_t at, uint32_t start) noexcept nogil:
    """A field of a struct, a kind that there is and a number of up to 8 bits; or the end of all (0), which is that of the
    frame that starts the message at 4, or where a bare one's next begins, with a name's length."""
    cdef uint8_t kind = byte_at(s, at)
    if kind == 0:
        return at + 1 == be32(s, 0) + start if start else fills(s, at + 1, 0, 3)
    return kind in (2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15) and at + 3 < s.n and byte_at(s, at + 1) == 0


cdef bint thrift_old(const Sight *s, uint32_t at) noexcept nogil:
    """The binary form of old, without a version: the method's name with its length, a kind, a sequence, the first field."""
    cdef uint32_t n = be32(s, at)
    cdef uint32_t i
    if not 3 <= n <= 64 or s.n < at + n + 10:
        return False
    for i in range(at + 4, at + 4 + n):
        if not (c'a' <= lower(s.data[i]) <= c'z' or is_digit(s.data[i]) or s.data[i] in (c'_', c'.', c':')):
            return False
    i = at + 4 + n
    return 1 <= s.data[i] <= 4 and byte_at(s, i + 1) == 0 and thrift_field(s, i + 5, at)


cdef bint thrift_form(const Sight *s, uint32_t at) noexcept nogil:
    return thrift_name(s, at) or thrift_compact(s, at) or thrift_json(s, at) or thrift_old(s, at)


cdef Answer thrift(const Sight *s, Found *out) noexcept nogil:
    """Thrift's binary, compact and JSON protocols, bare or framed (thrift-binary-protocol.md), or with a header."""
    if thrift_form(s, 0):
        return YES
    if not 4 <= be32(s, 0) <= 1 << 24:
        return NO
    if be32(s, 0) + 4 > s.wire:
        return MORE if s.proto == TCP and thrift_form(s, 4) else NO
    if not fills(s, be32(s, 0) + 4, 4, 2):
        return NO
    if thrift_form(s, 4):
        return YES
    # HeaderFormat.md: a magic, flags, a sequence, the header's size in words, a protocol
    return yes(s.n > 14 and be16(s, 4) == 0x0FFF and be16(s, 6) <= 3 and 4 * be16(s, 12) + 14 <= s.n and byte_at(s, 14) in (0, 2))


cdef Answer thrift_sasl(const Sight *s, Found *out) noexcept nogil:
    """thrift-sasl-spec: a client starts (1) with the length of a mechanism's name (RFC 4422, 3.1: capital letters, digits,
    -, _), behind which is nothing, or another message: 1 starts anew, 2 goes on, 5 ends it."""
    cdef uint32_t n = be32(s, 1)
    cdef uint32_t i
    if not s.from_opener or not 5 <= n <= 20 or s.n < n + 5 or not c'A' <= s.data[5] <= c'Z':
        return NO
    for i in range(5, n + 5):
        if not (c'A' <= s.data[i] <= c'Z' or is_digit(s.data[i]) or s.data[i] in (c'-', c'_')):
            return NO
    return yes(s.n == n + 5 or s.data[n + 5] in (1, 2, 5) and byte_at(s, n + 6) == 0)


cdef Answer zabbix(const Sight *s, Found *out) noexcept nogil:
    """Zabbix's header: the magic, flags: 1 always, 2 compressed, 4 large."""
    if s.n < 5:
        return starts(s, b"ZBXD", 4)
    return yes(has(s, 0, b"ZBXD", 4) and 1 <= s.data[4] <= 7)


cdef Answer gearman(const Sight *s, Found *out) noexcept nogil:
    """Gearman's protocol: the magic, a type of at most 42, the length."""
    if s.n < 12:
        return NO
    return yes((has(s, 0, b"\0REQ", 4) or has(s, 0, b"\0RES", 4)) and be32(s, 4) <= 42)


cdef Answer git(const Sight *s, Found *out) noexcept nogil:
    """gitprotocol-pack(5): a pkt-line with the service's name, or a server's first reference, whose number has 40 digits or 64."""
    cdef uint32_t i
    if s.n < 12:
        return MORE if s.n < 4 and s.from_opener and to_or_from(s, 9418) else NO
    for i in range(4):
        if not (is_digit(s.data[i]) or c'a' <= lower(s.data[i]) <= c'f'):
            return NO
    if has(s, 4, b"git-upload-", 11) or has(s, 4, b"git-receive", 11) or has(s, 4, b"version ", 8):
        return YES
    if s.from_opener or not to_or_from(s, 9418):
        return NO
    i = 4
    while is_digit(byte_at(s, i)) or c'a' <= byte_at(s, i) <= c'f':
        i += 1
    if i == s.n and i < 68:
        return MORE
    return yes(has(s, 4, b"ERR ", 4) or (i == 44 or i == 68) and byte_at(s, i) == c' ')


cdef Answer fix(const Sight *s, Found *out) noexcept nogil:
    """FIX, volume 1: BeginString first, FIX with its version or of whom who made a dialect, then BodyLength."""
    cdef uint32_t i = 2
    if has(s, 0, b"8=FIX.", 6) or has(s, 0, b"8=FIXT.", 7):
        return YES
    while i < 12 and is_print(byte_at(s, i)):
        i += 1
    return yes(has(s, 0, b"8=", 2) and i > 2 and has(s, i, b"\x019=", 3) and is_digit(byte_at(s, i + 3)))


cdef Answer hl7(const Sight *s, Found *out) noexcept nogil:
    """HL7 2.x in MLLP: a vertical tab, then the message's header."""
    return starts(s, b"\x0bMSH|", 5)


cdef Answer someip(const Sight *s, Found *out) noexcept nogil:
    """AUTOSAR SOME/IP, 4.1: message id, length of the rest, request id, version 1, the interface's, type, code."""
    cdef uint32_t n = be32(s, 4)
    cdef uint8_t kind = byte_at(s, 14)
    if s.n < 16 or s.data[12] != 1 or n < 8 or n + 8 > (s.wire if s.proto == UDP else s.n):
        return NO
    if kind & 0x20:                         # a segment: SOME/IP-TP
        kind ^= 0x20
    if kind not in (0, 1, 2, 0x40, 0x41, 0x42, 0x80, 0x81, 0xC0, 0xC1) or s.data[15] > 0x5E:
        return NO
    if be32(s, 0) == 0xFFFF8100U or to_or_from(s, 30490):
        return YES
    return yes(n + 8 == (s.wire if s.proto == UDP else s.n) and be16(s, 0) and be16(s, 2))


cdef Answer rtps(const Sight *s, Found *out) noexcept nogil:
    """DDSI-RTPS 2.5, 8.3.3: the protocol's name, version 2.x, or 1.x of old."""
    return yes((has(s, 0, b"RTPS", 4) or has(s, 0, b"RTPX", 4)) and 1 <= byte_at(s, 4) <= 2 and byte_at(s, 5) < 16)


cdef Answer raft(const Sight *s, Found *out) noexcept nogil:
    """Raft as the C library of Canonical speaks it: type and length, 64 bits each, little-endian."""
    cdef uint32_t kind = le32(s, 0)
    cdef uint32_t length = le32(s, 8)
    if s.n < 24 or not 1 <= kind <= 6 or be32(s, 4) or be32(s, 12) or be32(s, 20):      # first is the term
        return NO
    if kind == 1:                               # entries: five numbers, 16 bytes for each, then what is in them
        return yes(length >= 40 and (length - 40) % 16 == 0 and length <= 1 << 16 and (s.n < 56 or be32(s, 52) == 0
                   and le32(s, 48) == (length - 40) // 16))
    if kind == 5:
        return yes(length >= 16 and length + 16 == s.n)
    return yes(length == 24 or kind != 4 and length == 32 or kind == 3 and length == 40 or kind == 4 and length == 16)


cdef Answer raft_hello(const Sight *s, Found *out) noexcept nogil:
    """The same library's greeting: version 1, the server's id, its address with its length, padded to eights."""
    cdef uint32_t n = le32(s, 16)
    return yes(s.n >= 26 and le32(s, 0) == 1 and be32(s, 4) == 0 and be32(s, 12) == 0 and be32(s, 20) == 0
               and 8 <= n <= 64 and n % 8 == 0 and s.n >= 24 + n and printable(s, 24, 2)
               and contains(s, b":", 1, 24 + n))


cdef Answer rx(const Sight *s, Found *out) noexcept nogil:
    """AFS's RPC: epoch, connection, call, sequence, serial, type, flags, status, security; AFS' ports.

    Elsewhere by a connection's first packet: the first call, its first data, nothing sent before (rx-spec, 2).
    """
    if s.n < 28 or be32(s, 0) == 0 or not 1 <= s.data[20] <= 13 or s.data[23] > 4:
        return NO
    if be32(s, 0) < 0x30000000 and s.data[20] != 8 and s.data[20] != 13:       # a time, but in what programs for debugging ask
        return NO
    if not 7000 <= s.sport <= 7009 and not 7000 <= s.dport <= 7009:
        return yes(s.from_opener and be32(s, 0) > 900000000 and s.data[20] == 1 and s.data[21] & 1
                   and s.data[21] <= 0x2F and be32(s, 8) == 1
                   and be32(s, 12) == 1 and be32(s, 16) == 1 and be16(s, 26) != 0)
    return yes(be32(s, 8) < 1 << 24 and be32(s, 12) < 65536 and be32(s, 16) < 65536 and (be16(s, 26) or s.data[20] in (8, 13)))     # debugging, version


cdef uint32_t varint(Cursor *c) noexcept nogil:
    """Up to ten bytes of seven bits each, the lowest first; what is above 32 bits is not kept."""
    cdef uint32_t value = 0
    cdef uint8_t byte = 0x80
    cdef int i = 0
    while byte & 0x80 and i < 10:
        byte = u8(c)
        if i < 5:
            value |= <uint32_t>(byte & 0x7F) << 7 * i
        i += 1
    if byte & 0x80:
        c.p = NULL
    return value


cdef enum:
    NOT_FIELDS = 0xFFFF


cdef uint32_t text_in_fields(const uint8_t *data, uint32_t n, int depth) noexcept nogil:
    """How many bytes of a Protocol Buffers message are text, NOT_FIELDS where it is no such, to its very end."""
    cdef Cursor c = over(data, n)
    cdef const uint8_t *value
    cdef uint32_t tag, length, i, inside
    cdef uint32_t text = 0
    while left(&c) > 0:
        tag = varint(&c)
        if tag >> 3 == 0 or tag >> 3 > 2047:
            return NOT_FIELDS
        if tag & 7 == 0:
            varint(&c)
        elif tag & 7 == 1:
            skip(&c, 8)
        elif tag & 7 == 5:
            skip(&c, 4)
        elif tag & 7 == 2:
            length = varint(&c)
            value = take(&c, length)
            if value == NULL:
                return NOT_FIELDS
            i = 0
            while i < length and is_print(value[i]):
                i += 1
            inside = i
            if i < length:
                inside = text_in_fields(value, length, depth - 1) if depth else NOT_FIELDS
            if inside >= 3 and inside != NOT_FIELDS:
                text += inside
        else:
            return NOT_FIELDS
    return text if alive(&c) else NOT_FIELDS


cdef Answer protobuf(const Sight *s, Found *out) noexcept nogil:
    """Protocol Buffers, encoding, with nothing before it: from field 1, 2 or 3 to the very end, a quarter of it text."""
    cdef uint32_t text
    if s.n < 16 or s.n > 8192 or s.data[0] & 7 > 2 or not 8 <= s.data[0] < 0x20:
        return NO
    text = text_in_fields(s.data, s.n - (s.data[s.n - 1] == c'\n'), 3)     # messages in lines end so
    return yes(text != NOT_FIELDS and text >= 12 and 4 * text >= s.n)


cdef Answer dtn(const Sight *s, Found *out) noexcept nogil:
    """RFC 9174, 4.2 and RFC 7242, 4.1: a contact header; over UDP the bundle itself (RFC 9171, 4.1), of version 7."""
    if s.proto == UDP:
        return yes(s.n >= 3 and s.data[0] == 0x9F and 0x88 <= s.data[1] <= 0x8B and s.data[2] == 7)
    if s.n < 5:
        return starts(s, b"dtn!", 4) if s.n < 4 else MORE if has(s, 0, b"dtn!", 4) else NO
    return yes(has(s, 0, b"dtn!", 4) and 3 <= s.data[4] <= 4)


cdef Answer pgm(const Sight *s, Found *out) noexcept nogil:
    """RFC 3208, 8 and 9: PGM in UDP, whose port it repeats, the source's where it goes back to the source: data of the
    length that it says; SPM, NAKs and their answers with IPv4 addresses, requests for an SPM with nothing."""
    cdef uint32_t options = 0
    cdef uint8_t kind = byte_at(s, 4)
    cdef uint32_t back = kind == 8 or kind == 9 or kind == 12
    if s.n < 16 or be16(s, 0 if back else 2) != s.dport or s.data[5] & 0x3E:
        return NO
    if kind == 12:                      # SPMR
        return yes(s.wire == 16 and s.data[5] == 0 and be16(s, 14) == 0)
    if kind == 4 or kind == 5:          # ODATA, RDATA
        if s.data[5] & 1:
            if be16(s, 24) != 4:        # OPT_LENGTH
                return NO
            options = be16(s, 26)
        return yes(s.wire >= 24 and 24 + options + be16(s, 14) == s.wire)
    if s.n < 36:
        return NO
    if kind == 0:                       # SPM
        return yes(be16(s, 14) == 0 and be32(s, 28) == 0x10000)
    return yes(8 <= kind <= 10 and be16(s, 14) == 0 and be32(s, 20) == 0x10000 and be32(s, 28) == 0x10000)


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


at_first(TCP, P_DTN, dtn, b"d")
at_first(TCP, P_DCERPC, dcerpc, b"\x05")
at_first(UDP, P_DCERPC, dcerpc_udp, b"\x04")
at_first(BOTH, P_CORBA, corba, b"GMZ")
at_first(TCP, P_JRMI, java_rmi, b"J")
at_first(TCP, P_JRMI, java_object, b"\xac")
at_first(TCP, P_ZABBIX, zabbix, b"Z")
at_first(TCP, P_GEARMAN, gearman, b"\x00")
at_first(TCP, P_GIT, git, b"0123456789abcdefABCDEF")
at_first(TCP, P_FIX, fix, b"8")
at_first(TCP, P_HL7, hl7, b"\x0b")
at_first(UDP, P_RTPS, rtps, b"R")
at_first(BOTH, P_THRIFT, thrift, b"\x80\x82\x00[")
at_first(TCP, P_THRIFT, thrift_sasl, b"\x01")
at_first(TCP, P_RAFT, raft, b"\x01\x02\x03\x04\x05\x06")
at_first(TCP, P_RAFT, raft_hello, b"\x01")
at_first(TCP, P_NETTCP, net_tcp, b"\x00")
at_first(TCP, P_NETREMOTING, net_remoting, b".")
at_ports(UDP, P_RX, rx, range(7000, 7010))
at_ports(UDP, P_DTN, dtn, (4556,))
at_any(UDP, P_RX, rx)
at_any(UDP, P_PGM, pgm)
at_any(BOTH, P_SOMEIP, someip)
at_any(TCP, P_PROTOBUF, protobuf)
