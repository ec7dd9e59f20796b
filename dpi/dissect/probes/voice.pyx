"""Calls and streams: how they are set up, how they get through, what they carry.

Whose call it is can often be told from the attributes that a program adds to STUN; the numbers above 0x3FFF are those
that whoever wants may take (RFC 8489, 18.3), and each program has taken its own.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8, u16
from dpi.dissect.dtls cimport dtls_client_hello


cdef enum:
    MESSAGE_MAX = 1500      # bytes of STUN over TCP that are waited for
    STUN_PATIENCE = 6       # of a side, after which a STUN flow is not waited for a realm or DTLS any more


cdef uint16_t stun_app(uint16_t attribute, const uint8_t *value, uint16_t n) noexcept nogil:
    """Whose attribute it is: Meta's for WhatsApp's calls, Microsoft's (MS-TURN, 2.2 and MS-ICE2, 2.2), Zoom's."""
    if 0x4000 <= attribute <= 0x4007:
        return P_WHATSAPPCALL
    if attribute in (0x8054, 0x8070) and n == 4 and value[0] == 0 and value[1] == 0:
        return P_SKYPETEAMSCALL
    if attribute in (0x8008, 0x8050, 0x8055, 0x8056, 0x8057, 0x8058, 0x805A, 0x8037, 0x8038, 0x8039, 0x8090, 0x8095):
        return P_SKYPETEAMSCALL
    if attribute in (0x24DF, 0x3802):
        return P_SKYPETEAMSCALL
    if attribute in (0x0101, 0x0103):
        return P_ZOOM
    if attribute == 0xFF03:
        return P_GOOGLECALL
    return 0


cdef bint stun_attributes(const Sight *s, uint32_t at, uint32_t end, Found *out) noexcept nogil:
    """REALM (14.9) tells who runs the server, SOFTWARE (14.14) what it is; False: they do not fit."""
    cdef Cursor c = over(s.data + at, end - at)
    cdef uint16_t kind, n
    cdef const uint8_t *value
    cdef int _
    for _ in range(24):
        if left(&c) == 0:
            return True
        kind = u16(&c)
        n = u16(&c)
        value = take(&c, n)
        if value == NULL:
            return False
        if kind == 0x0014:
            set_host(out, value, n)
        elif kind == 0x8022:
            set_agent(out, value, n)
        if out.app == 0:
            out.app = stun_app(kind, value, n)
        skip(&c, min(<Py_ssize_t>(4 - (n & 3) & 3), left(&c)))
    return True


cdef bint of_microsoft(const Sight *s, uint32_t at) noexcept nogil:
    """MS-TURN, 2.2.2.1: no cookie in the header yet, but as the first attribute."""
    return be32(s, at + 20) == 0x000F0004 and be32(s, at + 24) == 0x72C64BC6


cdef Answer stun_at(const Sight *s, uint32_t at, Found *out) noexcept nogil:
    """RFC 8489, 5: two zero bits, a length in fours, the magic cookie."""
    cdef uint16_t kind = be16(s, at)
    cdef uint32_t length = be16(s, at + 2)
    cdef uint32_t end = at + 20 + length
    if s.n < at + 20 or kind & 0xC000 or length & 3 or s.proto == UDP and s.wire < end:
        return NO
    if of_microsoft(s, at):
        out.app = P_SKYPETEAMSCALL
    elif be32(s, at + 4) != 0x2112A442:
        return NO
    stun_attributes(s, at + 20, end if end < s.n else s.n, out)
    if 0x0800 <= kind <= 0x0805:            # not of RFC 8489: what WhatsApp sends to its relays
        out.app = P_WHATSAPPCALL
    return YES


cdef Answer stun(const Sight *s, Found *out) noexcept nogil:
    """The same over UDP and TCP; over TCP there may be a length before it (RFC 4571, 2; MS-TURN, 2.1.4: and a kind)."""
    cdef uint32_t at = 0
    if s.proto == TCP and be32(s, 4) != 0x2112A442 and be32(s, 6) == 0x2112A442 and be16(s, 4) + 20 == be16(s, 0):
        at = 2
    elif s.proto == TCP and 2 <= s.data[0] <= 3 and byte_at(s, 1) == 0 and be16(s, 6) + 20 == be16(s, 2):
        at = 4
    if stun_at(s, at, out) != YES:
        return NO
    if s.proto == TCP and out.app == 0 and out.host_len == 0 and s.n == s.wire < at + 20 + be16(s, at + 2) <= MESSAGE_MAX:
        return MORE
    out.unfinished = out.app == 0 and out.host_len == 0 and s.turn < STUN_PATIENCE
    return YES


cdef Answer turn_multiplexed(const Sight *s, Found *out) noexcept nogil:
    """Microsoft's relays: channel 0xFF10, the length, a session of 8 bytes, then STUN or what is relayed."""
    cdef uint32_t n = be16(s, 2)
    if be16(s, 0) != 0xFF10 or n <= 8 or (n + 4 != s.wire if s.proto == UDP else n + 4 > s.n):
        return NO
    if stun_at(s, 12, out) != YES and (s.n < 13 or be32(s, 4) == 0 and be32(s, 8) == 0):
        return NO
    out.app = P_SKYPETEAMSCALL
    return YES


cdef Answer stun_classic(const Sight *s, Found *out) noexcept nogil:
    """RFC 3489, 11.1: no cookie yet: a kind that there is, an identity drawn at random, attributes that fill the datagram.

    Away from its port it is told by its answer, or by being sent again (9.3): either has the same identity.
    """
    cdef uint16_t kind = be16(s, 0)
    cdef uint32_t length = be16(s, 2)
    if s.n < 20 or length + 20 != s.wire or s.n != s.wire or length & 3:
        return NO
    if kind not in (0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112, 0x0003, 0x0103, 0x0113, 0x0004, 0x0115, 0x0017):
        return NO
    if not (to_or_from(s, 3478) or drawn(s, 4, 16)):
        return NO
    if length == 0:
        if kind != 1 or (be32(s, 4) ^ be32(s, 8)) == 0:
            return NO
    elif not 1 <= (be16(s, 20) & 0x7FFF) <= 0x60 or not stun_attributes(s, 20, s.n, out):
        return NO
    return yes(to_or_from(s, 3478) or agreed(s, 0x03000000 | (be32(s, 4) ^ be32(s, 8) ^ be32(s, 12) ^ be32(s, 16)) >> 8))


cdef Answer dtls(const Sight *s, Found *out) noexcept nogil:
    """RFC 9147, 4.1 and RFC 6347, 4.1: type, version, epoch and number, length: records fill the datagram."""
    cdef uint16_t version = be16(s, 1)
    cdef uint32_t n = be16(s, 11)
    if s.n < 13 or version not in (0xFEFF, 0xFEFD, 0x0100) or n + 13 > s.wire or n == 0 or be16(s, 3) > 255:
        return NO
    if be16(s, 3) == 0 and be16(s, 5):      # of a handshake that many records are not sent
        return NO
    if n + 13 < s.wire and n + 16 <= s.n and be16(s, n + 14) != version and s.data[n + 13] & 0xE0 != 0x20:
        return NO                           # what follows is another record, perhaps with a short header (RFC 9147, 4)
    out.unfinished = dtls_client_hello(s.data, s.n, out) == MORE
    return YES


cdef Answer sip(const Sight *s, Found *out) noexcept nogil:
    """RFC 3261, 7: the version ends the first line of a request and begins that of a reply; 7.5: empty lines before it."""
    cdef Sight line = behind_line_ends(s, 8)
    return yes(has(&line, 0, b"SIP/2.0 ", 8) or mentions(&line, b" sip/2.0", 8))


cdef Answer rtsp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2326, 6.1 and 7.1; RFC 7826 has version 2.0."""
    return yes(has(s, 0, b"RTSP/", 5) or mentions(s, b" rtsp/1.0", 9) or mentions(s, b" rtsp/2.0", 9))


cdef Answer rtmp(const Sight *s, Found *out) noexcept nogil:
    """Adobe RTMP 1.0, 5.2: C0 with version 3, C1 of 1536 bytes: a time, zero or a player's version, then random bytes.

    A client waits for S1 then; a server goes on with S2.
    """
    cdef bint here = to_or_from(s, 1935)
    if s.n < 9:
        return MORE if here else NO
    if s.n > 1537 and (s.from_opener or be32(s, 5)) and not here:
        return NO
    if here and s.n >= 200:
        return yes(be32(s, 5) == 0 or s.data[5] >= 9)       # players' versions begin there
    if not here and (be32(s, 1) and be32(s, 5) or s.n >= 200 and not drawn(s, 9, 191)):
        return NO
    return MORE if s.n < 1537 else YES


cdef Answer mpeg_ts(const Sight *s, Found *out) noexcept nogil:
    """ISO/IEC 13818-1, 2.4.3.2: packets of 188 bytes, each of which begins with 0x47.

    Most senders put whole ones into a datagram; some fill it up with whatever of the next still fits.  With less than four
    in it, two datagrams whose first packets follow each other are asked for: a program's number, a count of four bits.
    """
    cdef uint32_t i = 188
    cdef uint32_t mark = 0x47000000 | (be16(s, 1) & 0x1FFF) << 8 | byte_at(s, 3) & 15
    cdef uint32_t before = s.mine[0] if s.mine != NULL else 0
    if s.wire < 188 or s.wire > 1504:
        return NO
    while i < s.n:
        if s.data[i] != 0x47:
            return NO
        i += 188
    if s.wire % 188:
        return yes(s.n > 752)
    if s.wire >= 752:
        return YES
    if s.data[1] & 0x80 or s.data[3] & 0x30 == 0 or before and before >> 24 != 0x47 or s.mine == NULL:
        return NO
    s.mine[0] = mark
    return yes(mark >> 8 == before >> 8 and 1 <= ((mark - before) & 15) <= s.wire // 188)


cdef Answer mpeg_ts_stream(const Sight *s, Found *out) noexcept nogil:
    """The same over TCP: four packets in a row, none of them marked as broken."""
    cdef uint32_t i = 0
    while i <= 3 * 188:
        if i + 1 >= s.n:
            return MORE if i > 188 else NO      # two packets that begin so are hardly anything else
        if s.data[i] != 0x47 or s.data[i + 1] & 0x80:
            return NO
        i += 188
    return YES


cdef bint rtp_header(const uint8_t *data, uint32_t n) noexcept nogil:
    """RFC 3550, 5.1: version 2, a payload type that is in use (RFC 3551, 6), an extension that fits."""
    cdef Cursor c = over(data, n)
    cdef uint8_t first = u8(&c)
    cdef uint8_t kind = u8(&c) & 0x7F
    if n < 13 or first >> 6 != 2 or 35 <= kind < 96 or kind in (1, 2, 19, 20, 21, 22, 23, 24, 27, 29, 30):
        return False
    skip(&c, 10 + 4 * (first & 0x0F))
    if first & 0x10:
        skip(&c, 2)
        skip(&c, 4 * u16(&c))
    return alive(&c)


cdef Answer rtp(const Sight *s, Found *out) noexcept nogil:
    """Two of the same source from one side, the second's number right behind the first's (RFC 3550, A.1)."""
    cdef uint32_t mark
    cdef uint16_t sequence = be16(s, 2)
    cdef uint16_t before
    if s.mine == NULL or s.n < 13 or be32(s, 8) == 0 or not rtp_header(s.data, s.n):
        return NO
    # 1 bit that there was one, 15 of the source, 16 of the number
    mark = 0x80000000U | ((be16(s, 8) ^ be16(s, 10)) & 0x7FFF) << 16 | sequence
    if s.mine[0] & 0x80000000U and (s.mine[0] ^ mark) >> 16 == 0:
        before = <uint16_t>s.mine[0]
        if 1 <= <uint16_t>(sequence - before) <= 3:
            return YES
    if s.mine[0] == 0 or s.mine[0] & 0x80000000U:
        s.mine[0] = mark
    return NO


cdef Answer rtp_framed(const Sight *s, Found *out) noexcept nogil:
    """RFC 4571, 2: over TCP each has its length before it; two of them with the same source."""
    cdef uint32_t n = be16(s, 0)
    if s.n < 15 or n < 13 or not rtp_header(s.data + 2, min(n, s.n - 2)):
        return NO
    if s.n < n + 16:
        return MORE if s.n >= n + 2 or n <= 1500 else NO
    return yes(be16(s, n + 2) >= 12 and be32(s, n + 12) == be32(s, 10) and
               <uint16_t>(be16(s, n + 6) - be16(s, 4)) <= 1)


cdef Answer rtcp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3550, 6.4 and 6.1: a report as long as its blocks, then another kind, SRTCP's tail, or nothing."""
    cdef uint32_t n = 4 * (be16(s, 2) + 1)
    cdef uint32_t rest = s.wire - n
    if s.n < 8 or s.data[0] & 0x20 or s.data[1] not in (200, 201) or n > s.wire:
        return NO
    if n != (28 if s.data[1] == 200 else 8) + 24 * <uint32_t>(s.data[0] & 0x1F):
        return NO
    if n + 4 <= s.n and s.data[n] >> 6 == 2 and 200 <= s.data[n + 1] <= 207:
        return YES
    return yes(rest == 0 or rest in (4, 10, 14, 18))    # RFC 3711, 3.4: an index of 4 and a tag


cdef Answer rtcp_others(const Sight *s, Found *out) noexcept nogil:
    """RFC 3550, 6.6 and 6.7, RFC 4585, 6.1: what is no report, alone or in a row that fills the datagram; of one source."""
    cdef uint32_t at = 0
    cdef uint32_t packets = 0
    while at + 8 <= s.n:
        if s.data[at] >> 6 != 2 or not 200 <= s.data[at + 1] <= 207 or be32(s, at + 4) != be32(s, 4):
            return NO
        at += 4 * (be16(s, at + 2) + 1)
        packets += 1
    if packets == 0 or at != s.wire:
        return NO
    if s.data[1] == 204 and s.n >= 12 and printable(s, 8, 4):       # APP has a name
        return YES
    return yes(packets >= 2 or agreed(s, 0x2A000000 | be32(s, 4) & 0xFFFFFF))


cdef Answer sd_rtn(const Sight *s, Found *out) noexcept nogil:
    """Agora's network: a hello with the name of the node that is wanted."""
    cdef uint32_t n = le16(s, 17)
    if s.n < 20 or s.data[6] != 0x21 or not has(s, 12, b"\x04SNI", 4):
        return NO
    if n and n <= s.n - 19:
        set_host(out, s.data + 19, n)
    return YES


cdef Answer mumble(const Sight *s, Found *out) noexcept nogil:
    """Mumble's ping: 12 bytes of 0 and a number, answered by 24 with the same number behind the version."""
    cdef uint32_t number = be32(s, 8) & 0xFFFFFF
    if s.n < 12 or be32(s, 8) == 0:
        return NO
    return yes(s.wire == 12 and be32(s, 0) == 0 and answered(s, 0x0D000000 | number, 0x0E000000 | number)
               or s.wire == 24 and be16(s, 0) == 1 and answered(s, 0x0E000000 | number, 0x0D000000 | number))


cdef Answer teamspeak(const Sight *s, Found *out) noexcept nogil:
    """TeamSpeak 3's first packets, either way; TeamSpeak 2's magic and kinds of packets."""
    if has(s, 0, b"TS3INIT1", 8):
        return YES
    return yes(s.n >= 20 and s.data[0] == 0xF4 and s.data[1] == 0xBE and 0 < s.data[2] <= 4 and s.data[3] == 0
               and be32(s, 4) == 0 or s.n >= 16 and be16(s, 0) == 0xF4BE and le16(s, 2) in (1, 2, 3))


cdef Answer teamspeak_query(const Sight *s, Found *out) noexcept nogil:
    """TeamSpeak's query interfaces greet, version 3's with a line that ends the other way round."""
    return yes(not s.from_opener and (has(s, 0, b"TS3\n\r", 5) or has(s, 0, b"[TS]\r\n", 6)))


cdef Answer teamspeak_list(const Sight *s, Found *out) noexcept nogil:
    """TeamSpeak 3's list of servers: version 1, a sequence with the high bit of a byte set, an opcode of 1 to 4."""
    return yes(s.n >= 4 and s.data[0] == 1 and s.data[1] & 0x80 and s.data[2] & 0x80 and 1 <= s.data[3] <= 8)


at_first(BOTH, P_SIP, sip, b"SABCIMNOPRUTabcimnoprsut\r\n")
at_first(TCP, P_RTSP, rtsp, b"RDASPTOGdaprsto")
at_first(TCP, P_RTMP, rtmp, b"\x03")
at_first(BOTH, P_STUN, stun, bytes(range(64)))
at_first(BOTH, P_STUN, turn_multiplexed, b"\xff")
at_first(UDP, P_DTLS, dtls, b"\x14\x15\x16\x17\x18\x19")
at_first(UDP, P_STUN, stun_classic, b"\x00\x01")
at_first(UDP, P_MPEGTS, mpeg_ts, b"\x47")
at_first(TCP, P_MPEGTS, mpeg_ts_stream, b"\x47")
at_first(UDP, P_MUMBLE, mumble, b"\x00")
at_first(BOTH, P_TEAMSPEAK, teamspeak, b"T\xf4")
at_first(TCP, P_TEAMSPEAK, teamspeak_query, b"T[")
at_first(UDP, P_RTCP, rtcp, bytes(range(0x80, 0xC0)))
at_first(UDP, P_RTCP, rtcp_others, bytes(range(0x80, 0xC0)))
at_first(UDP, P_RTP, rtp, bytes(range(0x80, 0xC0)))
at_first(TCP, P_RTP, rtp_framed, b"\x00\x01\x02\x03\x04\x05")
at_ports(UDP, P_TEAMSPEAK, teamspeak_list, (2008, 2010))
at_any(UDP, P_SDRTN, sd_rtn)
