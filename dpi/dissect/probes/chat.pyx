"""Messengers."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef enum:
    SOURCE_MAX = 128        # bytes of a server's name or of nick!user@host
    TAGS_MAX = 1024         # … of tags that stand before it; the specification has more, which hardly anybody uses


cdef bint irc_reply(const Sight *s) noexcept nogil:
    """RFC 2812, 2.4: the source, a number of three digits and whom it is for, or who said what to whom."""
    cdef uint32_t i = 1
    while i < s.n and i < SOURCE_MAX and is_print(s.data[i]) and s.data[i] != c' ':
        i += 1
    if i < 4 or byte_at(s, i) != c' ':
        return False
    if has(s, i, b" PRIVMSG ", 9) or has(s, i, b" NOTICE ", 8) or has(s, i, b" JOIN ", 6) or has(s, i, b" MODE ", 6):
        return True
    if has(s, i, b" QUIT :", 7) or has(s, i, b" PART #", 7) or has(s, i, b" NICK :", 7) or has(s, i, b" TOPIC #", 8):
        return True
    return (is_digit(byte_at(s, i + 1)) and is_digit(byte_at(s, i + 2)) and is_digit(byte_at(s, i + 3))
            and byte_at(s, i + 4) == c' ' and is_print(byte_at(s, i + 5)))


cdef Answer irc(const Sight *s, Found *out) noexcept nogil:
    """RFC 1459, 4.1: registration, in whatever case; servers may speak first; what is said in a channel (4.4).  IRCv3's tags
    may stand before it (Message Tags), a gateway's word (WebIRC)."""
    cdef Sight message
    cdef uint32_t i = 1
    if s.data[0] == c':':
        return yes(irc_reply(s))
    if s.data[0] == c'@':
        while i < s.n and i < TAGS_MAX and s.data[i] > 0x20:
            i += 1
        if i < 4 or not has(s, i, b" :", 2) or not contains(s, b"=", 1, i):
            return MORE if i == s.n and i < TAGS_MAX and to_or_from(s, 6667) else NO
        message = behind(s, i + 1)
        return yes(irc_reply(&message))
    if has(s, 0, b"WEBIRC ", 7):
        return yes(s.from_opener)
    if s.from_opener and (says(s, b"nick ", 5) or says(s, b"cap ls", 6) or says(s, b"cap req :", 9)
                          or says(s, b"user ", 5) and mentions(s, b" :", 2)
                          or says(s, b"pass ", 5) and (contains(s, b"\nNICK ", 6, 256) or contains(s, b"\nnick ", 6, 256))):
        return YES
    return yes(says(s, b"notice ", 7) and mentions(s, b" :", 2) or says(s, b"privmsg #", 9) or says(s, b"join #", 6)
               or has(s, 0, b"PING :", 6) or not s.from_opener and has(s, 0, b"ERROR :", 7))


cdef bint stanza(const Sight *s) noexcept nogil:
    """RFC 6120, 8: a stanza of a stream joined later: at a port of XMPP's, or with two of the attributes that all have (8.1)."""
    cdef uint32_t end = 0
    if not (has(s, 0, b"<iq ", 4) or has(s, 0, b"<message ", 9) or has(s, 0, b"<presence", 9)):
        return False
    if to_or_from(s, 5222) or to_or_from(s, 5223) or to_or_from(s, 5269):
        return True
    while end < s.n and end < 512 and s.data[end] != c'>':
        end += 1
    return (contains(s, b" type=", 6, end) + contains(s, b" id=", 4, end) + contains(s, b" to=", 4, end)
            + contains(s, b" from=", 6, end)) >= 2


cdef Answer xmpp(const Sight *s, Found *out) noexcept nogil:
    """RFC 6120, 4.2."""
    cdef uint32_t end = min(s.n, <uint32_t>512)
    if stanza(s):
        return YES
    if contains(s, b"<stream:stream", 14, end) or contains(s, b"jabber:client", 13, end):
        return YES
    if contains(s, b"urn:ietf:params:xml:ns:xmpp", 27, end):
        return YES
    return MORE if s.n < 64 and starts(s, b"<?xml", 5) != NO else NO


cdef Answer oicq(const Sight *s, Found *out) noexcept nogil:
    """QQ's own protocol: 2, a version of the client, a command, a sequence, who; 3 ends it."""
    cdef uint16_t command = be16(s, 3)
    if s.n < 11 or command == 0 or command > 0x00B5 and command not in (0x03F7, 0x0836, 0x0825, 0x0839):
        return NO
    return yes(be16(s, 1) == 0x3B0B or s.n == s.wire and s.data[s.n - 1] == 3 and to_or_from(s, 8000)
               and be32(s, 7) != 0)


cdef Answer viber(const Sight *s, Found *out) noexcept nogil:
    """Over UDP: a session's number, a kind, 0; two of the same session on Viber's ports."""
    if s.n < 12 or s.data[3] or s.data[2] not in (0x01, 0x03, 0x05, 0x09, 0x0C, 0x0E, 0x11, 0x12, 0x19, 0x1A, 0x1B):
        return NO
    return yes(s.wire == 20 and s.data[2] == 0x09 or s.wire == 12 and s.data[2] == 0x03
               or s.wire == 34 and s.data[2] == 0x19 or s.wire == 20 and s.data[2] == 0x1A
               or agreed(s, 0x0B000000 | be16(s, 0)))


cdef Answer viber_tcp(const Sight *s, Found *out) noexcept nogil:
    """Messages that fill the data, each with its length, little-endian; zeros, or a session's number and what always follows."""
    cdef uint32_t end = 0
    while end < s.n and le16(s, end) >= 11:
        end += le16(s, end)
    if end == 0 or end != s.n:
        return NO
    return yes(be16(s, 6) == 0xFCFF and s.data[9] == 0x80 or s.data[3] == 0 and be16(s, 4) == 0 and not zeros(s, 6, 4) or s.data[7] == 0x80)


cdef Answer viber_session(const Sight *s, Found *out) noexcept nogil:
    """The same on whatever port: the length, a session's number, what always follows."""
    return yes(s.n >= 24 and fills(s, le16(s, 0), 6, 4) and be16(s, 6) == 0xFCFF and 3 <= s.data[8] <= 5 and s.data[9] == 0x80)


cdef Answer whatsapp(const Sight *s, Found *out) noexcept nogil:
    """`ED`, how to reach the edge, or `WA`, both with versions, before the Noise handshake."""
    if s.n < 4:
        return MORE if has(s, 0, b"WA", s.n) or has(s, 0, b"ED\0", s.n) else NO
    if has(s, 0, b"ED\0\x01", 4):
        return YES
    return yes(has(s, 0, b"WA", 2) and 1 <= s.data[2] <= 6 and s.data[3] <= 5
               and (to_or_from(s, 443) or to_or_from(s, 5222) or to_or_from(s, 80)))


cdef bint transported(const Sight *s, bint abridged) noexcept nogil:
    """Whether messages behind what a transport begins with fill the data: with lengths of one byte, in fours, or of four."""
    cdef uint32_t at = 1 if abridged else 4
    cdef uint32_t n
    while at < s.n:
        n = le32(s, at)
        if abridged:
            n = n & 0xFF
            if n == 0x7F:
                n = le32(s, at) >> 8
                at += 3
            n = 4 * n
            at += 1
        else:
            at += 4
        if n == 0 or n > 1 << 24:
            return False
        at += n
    return at == s.n


cdef Answer telegram(const Sight *s, Found *out) noexcept nogil:
    """MTProto's transports: abridged, with a length in fours; intermediate, padded or not, with a length."""
    if s.data[0] == 0xEF:
        if not (to_or_from(s, 443) or to_or_from(s, 80) or to_or_from(s, 5222) or to_or_from(s, 25)) or s.n < 42:
            return NO
        return yes(10 <= s.data[1] <= 0x7F and transported(s, True))
    return yes(s.n >= 12 and (be32(s, 0) == 0xEEEEEEEEU or be32(s, 0) == 0xDDDDDDDDU) and transported(s, False))


cdef bint exchange_of_keys(const Sight *s, uint32_t at) noexcept nogil:
    """MTProto 2.0, Unencrypted Message: no key yet (64 zero bits); req_pq, req_pq_multi or resPQ, which come first."""
    return (s.n >= at + 24 and be32(s, at) == 0 and be32(s, at + 4) == 0
            and le32(s, at + 20) in (0x60469778, 0xBE7E8EF1U, 0x05162463))


cdef Answer telegram_keys(const Sight *s, Found *out) noexcept nogil:
    """On whatever port, of either side, behind what each transport has before a message.

    Full: the length, 0 for the first; abridged: 0xEF, which only a client says, and a length of one byte; intermediate:
    0xEEEEEEEE or 0xDDDDDDDD, which only a client says, and the length.
    """
    if s.data[0] == 0xEF:
        return yes(exchange_of_keys(s, 2))
    return yes(exchange_of_keys(s, 1) and s.data[0] < 0x7F or exchange_of_keys(s, 4) and le32(s, 0) <= 1024
               or exchange_of_keys(s, 8) and le32(s, 0) <= 1024 and be32(s, 4) == 0)


cdef Answer telegram_udp(const Sight *s, Found *out) noexcept nogil:
    """Calls over Telegram's reflectors: a tag of 16 bytes, then twelve of ones (a question), on ports 500 to 600."""
    if s.n < 32 or not (500 <= s.dport <= 600 or 500 <= s.sport <= 600):
        return NO
    return yes(be32(s, 16) == 0xFFFFFFFFU and be32(s, 20) == 0xFFFFFFFFU and be32(s, 24) == 0xFFFFFFFFU
               and be32(s, 0) != 0xFFFFFFFFU)


cdef Answer threema(const Sight *s, Found *out) noexcept nogil:
    """Threema's handshake: the client's 48 bytes, the server's 80, then the client's login of 144 or 191."""
    if not s.from_opener or is_print(s.data[0]) and is_print(byte_at(s, 1)) and is_print(byte_at(s, 2)):
        return NO
    if s.n == 48:
        return MORE
    return yes(s.pushed and s.turn >= 1 and s.n in (192, 239))


cdef Answer imo(const Sight *s, Found *out) noexcept nogil:
    """Its keep-alives with a clock, behind which are zeros."""
    if s.wire == 10:
        return yes(s.n == 10 and be16(s, 0) == 0x0902 and be32(s, 6) == 0)
    return yes(s.wire == 11 and s.n == 11 and be16(s, 0) == 0x0009 and s.data[2] == 0x03 and be32(s, 7) == 0)


cdef Answer line_call(const Sight *s, Found *out) noexcept nogil:
    """LINE's calls: a kind, the length of the rest, or of six bytes in front of it in an answer (0x13); either side does so."""
    if s.n < 8 or s.data[1] not in (0x07, 0x09, 0x12, 0x13, 0x18):
        return NO
    return yes((be16(s, 2) + 4 == s.wire or s.data[1] == 0x13 and be16(s, 2) == 6) and agreed(s, 0x0B600000))


cdef Answer kakaotalk(const Sight *s, Found *out) noexcept nogil:
    """KakaoTalk's LOCO (openkakao): the length of a key that is enciphered by RSA, by which padding, for which cipher, all
    little-endian, then the key."""
    cdef uint32_t n = le32(s, 0)
    if s.n < 12 or n != 128 and n != 256:
        return NO
    return yes(1 <= le32(s, 4) <= 20 and 1 <= le32(s, 8) <= 3 and (n == 256 or le32(s, 4) == 1)
               and (s.n < 76 or drawn(s, 12, 64)))


cdef Answer dingtalk(const Sight *s, Found *out) noexcept nogil:
    """The start of its own encrypted connection."""
    return yes(s.n > 16 and be32(s, 2) == 0x87800100U and be32(s, 6) == 0x01000200)


cdef Answer xiaomi(const Sight *s, Found *out) noexcept nogil:
    """Mi Push: the magic and version 5, the length, a header."""
    return yes(s.n >= 12 and be32(s, 0) == 0xC2FE0005U and be32(s, 4) + 12 <= s.n + 4096 and be16(s, 8) <= 4)


cdef Answer wechat(const Sight *s, Found *out) noexcept nogil:
    """mmtp's long connection: length, a header of 16 bytes, version 1, a command, a sequence."""
    return yes(s.n >= 16 and be32(s, 4) == 0x00100001 and be32(s, 0) >= 16 and be32(s, 0) <= 1 << 22
               and be32(s, 8) < 0x7FFFFFFF and be32(s, 0) <= s.n + 65536)


cdef Answer wechat_tls(const Sight *s, Found *out) noexcept nogil:
    """mmtls: records as TLS has them, of its own version."""
    return yes(s.n >= 9 and s.data[0] in (0x16, 0x19) and be16(s, 1) in (0xF103, 0xF104) and be16(s, 3) <= 16384)


cdef Answer huawei_push(const Sight *s, Found *out) noexcept nogil:
    """A kind, the length of all that is there, 0: what listens on HP's registered port for virtual groups, too."""
    return yes(s.n >= 8 and be16(s, 1) == s.n and s.data[3] == 0 and s.data[0] in (0x16, 0x17))


cdef Answer discord(const Sight *s, Found *out) noexcept nogil:
    """Discord's discovery of one's own address: kind 1 or 2, 70 bytes, …; and its keep-alive."""
    if s.wire == 8:
        return yes(be32(s, 0) == 0x1337CAFE)
    if s.wire != 74 or be16(s, 2) != 70 or s.n < 12:
        return NO
    if be32(s, 4) == 0x0003CFA8:
        out.label = P_I3D
    return yes(be16(s, 0) == 1 and be32(s, 8) == 0 and be32(s, 40) == 0
               or be16(s, 0) == 2 and is_digit(byte_at(s, 8)) and be32(s, 68) == 0)


cdef Answer zephyr(const Sight *s, Found *out) noexcept nogil:
    """Zephyr's notices begin with the version as text."""
    return yes(has(s, 0, b"ZEPH0.", 6))


at_first(TCP, P_IRC, irc, b"NCUPJE:@Wncupj")
at_first(TCP, P_JABBER, xmpp, b"<")
at_first(TCP, P_WHATSAPP, whatsapp, b"WE")
at_first(TCP, P_TELEGRAM, telegram, b"\xef\xee\xdd")
at_first(TCP, P_XIAOMI, xiaomi, b"\xc2")
at_first(TCP, P_KAKAOTALK, kakaotalk, b"\x00\x80")
at_first(TCP, P_DINGTALK, dingtalk, b"\x10")
at_first(TCP, P_WECHAT, wechat_tls, b"\x16\x19")
at_first(TCP, P_WECHAT, wechat, b"\x00")
at_first(UDP, P_ZEPHYR, zephyr, b"Z")
at_first(UDP, P_OICQ, oicq, b"\x02")
at_first(UDP, P_IMO, imo, b"\x00\x09")
at_first(UDP, P_LINECALL, line_call, b"\xb6")
at_first(UDP, P_DISCORD, discord, b"\x00\x13")
at_ports(UDP, P_VIBER, viber, (7985, 7987, 5242, 5243, 4244, 9785))
at_ports(TCP, P_VIBER, viber_tcp, (5242, 5243, 4244, 7985, 7987, 9785))
at_ports(TCP, P_THREEMA, threema, (5222,))
at_ports(TCP, P_HPVIRTGRP, huawei_push, (5223,))
at_any(UDP, P_TELEGRAM, telegram_udp)
at_any(TCP, P_TELEGRAM, telegram_keys)
at_any(TCP, P_VIBER, viber_session)
