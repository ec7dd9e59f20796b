"""Things at home, and what vendors speak to their own clouds."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef bint tplink_json(const Sight *s, uint32_t at, uint32_t end) noexcept nogil:
    """Each byte is the key of the next, from 171 on: it begins as `{"` or `{}` and all of it is text, up to its end."""
    cdef uint8_t key = 171
    cdef uint32_t i
    if s.n < at + 2 or s.data[at] != 0xD0 or s.data[at + 1] not in (0xF2, 0xAD):
        return False
    if s.n < at + 16 and not to_or_from(s, 9999):
        return False
    for i in range(at, min(min(s.n, end), at + 64)):
        if not is_print(s.data[i] ^ key) and s.data[i] ^ key not in (9, 10, 13):
            return False
        key = s.data[i]
    return True


cdef Answer tplink(const Sight *s, Found *out) noexcept nogil:
    """TP-Link's smart home: JSON under a running key; over TCP behind its length."""
    if s.proto == UDP:
        return yes(tplink_json(s, 0, s.n))
    return yes(be32(s, 0) <= 1 << 16 and tplink_json(s, 4, 4 + be32(s, 0)))


cdef Answer tplink_discovery(const Sight *s, Found *out) noexcept nogil:
    """TP-Link's newer discovery: version 2, a kind, an operation, the length behind a header of 16, flags, 0."""
    return yes(s.n >= 16 and be16(s, 0) == 0x0200 and 1 <= be16(s, 2) <= 2 and be16(s, 4) + 16 == s.wire
               and s.data[7] == 0)


cdef Answer art_net(const Sight *s, Found *out) noexcept nogil:
    """Art-Net 4: light over IP: the name, which ends."""
    return yes(has(s, 0, b"Art-Net\0", 8))


cdef Answer sacn(const Sight *s, Found *out) noexcept nogil:
    """ANSI E1.31, 5: a preamble of 16 and none behind, then the name of ACN packets."""
    return yes(be32(s, 0) == 0x00100000 and has(s, 4, b"ASC-E1.17\0\0\0", 12))


cdef Answer wake_on_lan(const Sight *s, Found *out) noexcept nogil:
    """AMD's Magic Packet: six times ones, 16 times a MAC address."""
    cdef uint32_t i
    if s.n < 102 or not has(s, 0, b"\xff\xff\xff\xff\xff\xff", 6) or has(s, 6, b"\xff\xff\xff\xff\xff\xff", 6):
        return NO
    for i in range(12, 102):
        if s.data[i] != s.data[i - 6]:
            return NO
    return YES


cdef Answer tuya(const Sight *s, Found *out) noexcept nogil:
    """Tuya's local protocol: the prefix, a sequence, a command, a length; the suffix where it is all there."""
    if s.n < 16:
        return NO
    if be32(s, 0) == 0x00006699:
        return yes(be32(s, 14) <= s.n + 4096)
    return yes(be32(s, 0) == 0x000055AA and be32(s, 8) <= 0x40 and be32(s, 12) <= s.n + 4096)


cdef Answer spotify(const Sight *s, Found *out) noexcept nogil:
    """Spotify's discovery; its connection to an access point: version 4, the length, a hello of protobuf."""
    if s.proto == UDP:
        return yes(has(s, 0, b"SpotUdp", 7))
    return yes(s.n >= 16 and be16(s, 0) == 0x0004 and be32(s, 2) == s.n and s.data[6] == 0x52 and s.data[8] == 0x50)


cdef Answer tivo(const Sight *s, Found *out) noexcept nogil:
    """TiVo Connect: fields in lines, the first is the method."""
    cdef uint32_t i
    cdef const char *key = b"tivoconnect="
    if s.n < 12:
        return NO
    for i in range(12):
        if lower(s.data[i]) != <uint8_t>key[i]:
            return NO
    return YES


cdef Answer avast(const Sight *s, Found *out) noexcept nogil:
    """Avast's network of antivirus clients: the magic, the length."""
    return yes(s.n >= 6 and has(s, 0, b"NOSA", 4) and be16(s, 4) <= s.n)


cdef Answer alibaba_cloud(const Sight *s, Found *out) noexcept nogil:
    """Alibaba Cloud's long connections: the magic, the length of what follows."""
    if s.n < 8:
        return MORE if s.n >= 4 and be32(s, 0) == 0xCEFABEBAU else NO
    return yes(be32(s, 0) == 0xCEFABEBAU)


cdef Answer nest(const Sight *s, Found *out) noexcept nogil:
    """Nest's log sink (Weave over TCP): the length, flags, version 1 and an exchange, little-endian."""
    return yes(s.n >= 8 and fills(s, le16(s, 0) + 2, 2, 2) and s.data[2] & 0xEF == 0 and s.data[3] & 0xF0 == 0x10)


cdef Answer ookla(const Sight *s, Found *out) noexcept nogil:
    """Speedtest's own protocol: a client says HI, with its identity or without, a server HELLO with its version."""
    if s.from_opener:
        return yes(s.n == 3 and has(s, 0, b"HI\n", 3) or s.n == 40 and has(s, 0, b"HI ", 3) and s.data[11] == c'-')
    return yes(has(s, 0, b"HELLO 2.", 8) or has(s, 0, b"HELLO 3.", 8))


cdef Answer iqiyi(const Sight *s, Found *out) noexcept nogil:
    """PPStream among peers: the program's name somewhere."""
    return yes(100 < s.wire < 400 and contains(s, b"PPStream", 8, 400))


cdef Answer miio(const Sight *s, Found *out) noexcept nogil:
    """Xiaomi's miIO among devices at home: the magic, the length of all, 0 or, in a hello, ones."""
    return yes(s.n >= 32 and be16(s, 0) == 0x2131 and be16(s, 2) == s.wire and be32(s, 4) in (0, 0xFFFFFFFFU))


cdef Answer lifx(const Sight *s, Found *out) noexcept nogil:
    """LIFX: the length of all, protocol 1024, addressable (tagged or not), …, 8 that are reserved, a type, 0."""
    return yes(s.n >= 36 and le16(s, 0) == s.wire and le16(s, 2) & 0xDFFF == 0x1400 and le16(s, 32) < 0x0400
               and be16(s, 34) == 0)


cdef Answer esphome(const Sight *s, Found *out) noexcept nogil:
    """ESPHome's API: 0, a length, a type (hello and its answer), protobuf: a client's name, a version, 1; or 1, a length, Noise:
    an empty frame and a handshake's of 48 bytes behind a 0, what a server is called."""
    cdef uint32_t end = byte_at(s, 1) + 3
    cdef uint32_t i = 4
    if be16(s, 0) == 0x0100 and s.from_opener:
        return yes(s.n == 3 and s.data[2] == 0 or has(s, 2, b"\0\1\0\x31\0", 5))
    if be16(s, 0) == 0x0100:
        while is_print(byte_at(s, i)):
            i += 1
        return yes(i > 4 and s.data[3] == 1 and (i == be16(s, 1) + 3 or i < s.n and s.data[i] == 0))
    if s.n < 5 or s.data[0] or s.data[1] >= 0x80 or end > s.n or s.n > end and s.data[end]:
        return NO
    if s.from_opener:
        return yes(s.data[2] == 1 and s.data[3] == 0x0A and printable(s, 5, min(<uint32_t>s.data[4], end - 5)))
    return yes(s.data[2] == 2 and has(s, 3, b"\x08\1", 2))


cdef Answer mpd(const Sight *s, Found *out) noexcept nogil:
    """The music player daemon's greeting with its version."""
    return yes(not s.from_opener and has(s, 0, b"OK MPD ", 7))


at_first(TCP, P_OOKLA, ookla, b"H")
at_first(TCP, P_AVAST, avast, b"N")
at_first(TCP, P_ALICLOUD, alibaba_cloud, b"\xce")
at_first(BOTH, P_TIVOCONNECT, tivo, b"Tt")
at_first(BOTH, P_TUYALP, tuya, b"\x00")
at_first(BOTH, P_SPOTIFY, spotify, b"S\x00")
at_first(UDP, P_TPLINKSHP, tplink, b"\xd0")
at_first(TCP, P_TPLINKSHP, tplink, b"\x00")
at_first(UDP, P_ARTNET, art_net, b"A")
at_first(UDP, P_SACN, sacn, b"\x00")
at_first(UDP, P_WAKEONLAN, wake_on_lan, b"\xff")
at_first(UDP, P_XIAOMI, miio, b"\x21")
at_first(TCP, P_MPD, mpd, b"O")
at_ports(UDP, P_TPLINKSHP, tplink_discovery, (20002, 20004))
at_ports(UDP, P_LIFX, lifx, (56700,))
at_ports(TCP, P_ESPHOME, esphome, (6053,))
at_ports(TCP, P_NESTLOGSINK, nest, (11095,))
at_any(UDP, P_IQIYI, iqiyi)
