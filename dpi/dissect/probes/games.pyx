"""Games, each by what is its own."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8


cdef Answer activision(const Sight *s, Found *out) noexcept nogil:
    """Call of Duty among players: 29 bytes that come back with another first byte."""
    if s.wire != 29 or s.n < 12 or s.data[1] != 2 or s.data[2] or s.data[0] not in (0x0C, 0x0D):
        return NO
    return yes(agreed(s, 0xC0000000U | be32(s, 8) & 0xFFFFFF))


cdef Answer among_us(const Sight *s, Found *out) noexcept nogil:
    """Hazel's hello, number 1: the game's version is year · 25000 + month · 1800 + day · 50."""
    return yes(s.n > 8 and s.data[0] == 8 and be16(s, 1) == 1 and s.data[3] == 0
               and 50425000 <= le32(s, 4) < 51000000)


cdef Answer cod_mobile(const Sight *s, Found *out) noexcept nogil:
    """A measurement of delay; a player's outfit in clear."""
    if s.data[0] == 0xCE and s.wire > 300:
        return yes(contains(s, b"LOC_PREFAB_LOADOUTNAME", 22, 1500))
    return yes(s.wire == 12 and has(s, 8, b"ping", 4) and to_or_from(s, 7500))


cdef Answer gaijin(const Sight *s, Found *out) noexcept nogil:
    """What a start of War Thunder tells of itself."""
    return yes((has(s, 0, b"app.start", 9) or has(s, 0, b"app.stage", 9) or has(s, 0, b"embeddedupdater.", 16))
               and contains(s, b",env=", 5, 128))


cdef Answer genshin(const Sight *s, Found *out) noexcept nogil:
    """HoYoverse's handshake before KCP: connect or its answer, and the magic at its end."""
    if s.wire != 20 or s.n < 20:
        return NO
    return yes(be32(s, 0) == 0xFF and be32(s, 16) == 0xFFFFFFFFU or be32(s, 0) == 0x145 and be32(s, 16) == 0x14514545
               or be32(s, 0) == 0x194 and be32(s, 16) == 0x19419494)


cdef Answer genshin_tcp(const Sight *s, Found *out) noexcept nogil:
    """1, the length of what is there, both of 32 bits, and the game's number."""
    return yes(s.n >= 17 and be32(s, 0) == 0x01000000 and fills(s, s.data[4], 10, 4) and be32(s, 10) == 0xAEC675E1U)


cdef Answer blizzard_udp(const Sight *s, Found *out) noexcept nogil:
    """Heroes of the Storm: 14 bytes, then 0x4000 and flags, the same in two datagrams."""
    return yes(s.n >= 20 and be16(s, 14) & 0xFFEF == 0x4000 and agreed(s, 0x40000000))


cdef Answer starcraft(const Sight *s, Found *out) noexcept nogil:
    """StarCraft II's login at Battle.net."""
    return yes(s.n >= 10 and 0x40 <= s.data[0] <= 0x4F and be32(s, 1) == 0x00000A66 and s.data[5] == 0x02
               and be32(s, 6) == 0x0AED2D66)


cdef Answer starcraft_udp(const Sight *s, Found *out) noexcept nogil:
    """A measurement of delay to every region's server: 9, and a number that comes back behind 10."""
    if s.wire != 2 or s.n < 2:
        return NO
    return yes(s.data[0] == 9 and answered(s, 0x09000000 | s.data[1], 0x0A000000 | s.data[1])
               or s.data[0] == 10 and answered(s, 0x0A000000 | s.data[1], 0x09000000 | s.data[1]))


cdef Answer world_of_warcraft(const Sight *s, Found *out) noexcept nogil:
    """The connection's greeting; a logon challenge with the game's name; of old the world's own challenge."""
    if has(s, 0, b"WORLD OF WARCRAFT CONNECTION", 28) or has(s, 2, b"WORLD OF WARCRAFT CONNECTION", 28):
        return YES
    if not s.from_opener:                       # SMSG_AUTH_CHALLENGE
        return yes(s.data[0] == 0 and s.n >= 8 and be16(s, 0) + 2 == s.n and be16(s, 2) == 0xEC01)
    return yes(s.data[0] == 0 and has(s, 4, b"WoW\0", 4) and le16(s, 2) + 4 == s.n)


cdef Answer wild_rift(const Sight *s, Found *out) noexcept nogil:
    """Wild Rift: a measurement that ends in a text; a connect of 69 bytes that is answered by 359."""
    if s.wire == 22 and s.n == 22:
        return yes(be32(s, 0) == 0x0102C841 and be32(s, 18) == 0x41304231)
    return yes(s.wire == 69 and be32(s, 0) == 0x04000000 and answered(s, 0x0404A000, 0x1004A000)
               or s.wire == 359 and be32(s, 0) == 0x10000000 and answered(s, 0x1004A000, 0x0404A000))


cdef Answer maplestory(const Sight *s, Found *out) noexcept nogil:
    """The server's greeting: a length, a version, a minor one as text of digits, two vectors, a locale, of late a zero.

    Korea's has all of its version in the text, of up to seven digits.
    """
    cdef uint32_t minor = le16(s, 4)
    cdef uint32_t i
    if s.from_opener or minor > 7 or le16(s, 0) + 2 != s.n or not 0x20 <= le16(s, 2) < 0x200:
        return NO
    if s.n != 15 + minor and (s.n != 16 + minor or s.data[15 + minor]):
        return NO
    for i in range(minor):
        if not is_digit(s.data[6 + i]):
            return NO
    return yes(1 <= s.data[14 + minor] <= 9)


cdef Answer nintendo(const Sight *s, Found *out) noexcept nogil:
    """Pia among consoles: its magic, then a version or the flag of an encrypted packet."""
    return yes(s.n > 24 and be32(s, 0) == 0x32AB9864 and s.data[4] & 0x7F <= 31)


cdef Answer prudp(const Sight *s, Found *out) noexcept nogil:
    """PRUDP of Nintendo's NEX (kinnay's NintendoClients).  Version 1: the magic, options' length, the payload's (little-
    endian), behind a header of 30 bytes, as often as there is room; version 0: streams of the kind A, how a connection
    begins (SYN, an acknowledgement is needed, or is this), no session, signature and number yet, a check sum."""
    cdef uint32_t end = 30 + byte_at(s, 3) + le16(s, 4)
    if s.data[0] == 0xEA:
        return yes(s.n >= 30 and be16(s, 0) == 0xEAD0 and s.data[2] == 1 and (end == s.wire or end < s.wire and be16(s, end) == 0xEAD0))
    if s.wire != 16 or s.n < 16 or s.data[1] & 0xF0 != 0xA0 or s.data[3]:
        return NO
    return yes(zeros(s, 4, 11) if s.data[2] == 0x40 else s.data[2] == 0x10 and zeros(s, 4, 7))


cdef Answer netease(const Sight *s, Found *out) noexcept nogil:
    """NetEase's games: a measurement of 12 bytes; two magics of connections."""
    if s.wire == 12 and s.n == 12:
        return yes(s.data[0] == 1 and le16(s, 2) == 0x01D0 and be32(s, 8) == 0x00010101)
    return yes(s.n >= 30 and (be32(s, 0) == 0xB3AF8DE8U or be32(s, 0) == 0x0708080C))


cdef Answer path_of_exile(const Sight *s, Found *out) noexcept nogil:
    """The first message: kind 3, a number, 2, the character's name, a tail that is fixed."""
    return yes(25 < s.n < 64 and be16(s, 0) == 3 and s.data[6] == 0 and be16(s, 7) == 0x0200
               and be32(s, s.n - 8) == 0 and be32(s, s.n - 4) == 0x40000001)


cdef Answer riot_games(const Sight *s, Found *out) noexcept nogil:
    """Riot's measurements: what they end in."""
    if s.n < 16 or s.n != s.wire:
        return NO
    return yes(be32(s, s.n - 8) == 0xAAAAAAAAU and be32(s, s.n - 4) == 0xBBBBBBBBU
               or s.n == 53 and be32(s, 45) == 0x3CB11F2D and be32(s, 49) == 0xEA23460CU)


cdef Answer tencent_games(const Sight *s, Found *out) noexcept nogil:
    """Tencent's connectors (TCLS, GCloud): magic, a header's length, a version."""
    if s.n <= 24:
        return NO
    if be16(s, 0) == 0 and be16(s, 4) == 0x7801 and s.n < be16(s, 2) + 4:
        return MORE
    return yes(be32(s, 0) == 0x3366000B and be16(s, 4) == 0x000B
               or be32(s, 0) == 0x4366AA00 and be32(s, 12) == 0x10E68601
               or be32(s, 0) == 0xAA000000U and be32(s, 10) == 0x10E68601
               or be16(s, 0) == 0 and be16(s, 4) == 0x7801 and fills(s, be16(s, 2) + 4, 4, 2))


cdef Answer elder_scrolls(const Sight *s, Found *out) noexcept nogil:
    """The Elder Scrolls Online: the length, and somewhere the realm."""
    cdef uint32_t end = be32(s, 0) + 4
    if not 600 <= end <= 1500:
        return NO
    if s.n < end:
        return MORE
    return yes(contains(s, b"eso.live", 8, 1500) or contains(s, b"\x8b\x78\x9c\x01", 4, 1500))


cdef Answer minetest(const Sight *s, Found *out) noexcept nogil:
    """Minetest (Luanti): the protocol's number, a peer, one of three channels, a kind of packet."""
    return yes(s.n >= 8 and be32(s, 0) == 0x4F457403 and s.data[6] <= 2 and s.data[7] <= 3)


cdef bint teeworlds_query(const Sight *s, uint32_t at) noexcept nogil:
    return be32(s, at) == 0xFFFFFFFFU and (has(s, at + 4, b"gie3", 4) or has(s, at + 4, b"inf3", 4)
                                           or has(s, at + 4, b"iext", 4) or has(s, at + 4, b"iex+", 4)
                                           or has(s, at + 4, b"gief", 4))


cdef Answer teeworlds(const Sight *s, Found *out) noexcept nogil:
    """Teeworlds and DDNet: a server is asked what it is (0.6, DDNet's own, 0.7); a connection with DDNet's token."""
    if s.data[0] == 0x10:
        return yes(has(s, 4, b"TKEN", 4) and be16(s, 0) == 0x1000 and s.data[2] == 0 and 1 <= s.data[3] <= 2)
    if s.data[0] == 0xFF:
        return yes(be32(s, 2) == 0xFFFFFFFFU and teeworlds_query(s, 6))
    return yes(teeworlds_query(s, 6 if has(s, 0, b"xe", 2) else 9))


cdef Answer bzflag(const Sight *s, Found *out) noexcept nogil:
    """BZFlag: the client's magic, the server's with its version."""
    return yes(has(s, 0, b"BZFLAG\r\n\r\n", 10)
               or has(s, 0, b"BZFS", 4) and is_digit(byte_at(s, 4)) and is_digit(byte_at(s, 5)))


cdef Answer samp(const Sight *s, Found *out) noexcept nogil:
    """San Andreas Multiplayer: the magic, the server's address and port, a letter."""
    return yes(s.n >= 11 and has(s, 0, b"SAMP", 4) and to_or_from(s, <uint16_t>le16(s, 8)))


cdef uint32_t varint(Cursor *c) noexcept nogil:
    """Seven bits a byte, the lowest first; the cursor dies of more than 32."""
    cdef uint32_t value = 0
    cdef uint32_t shift = 0
    cdef uint8_t byte = 0x80
    while byte & 0x80:
        byte = u8(c)
        if shift > 28 or not alive(c):
            c.p = NULL
            return 0
        value |= <uint32_t>(byte & 0x7F) << shift
        shift += 7
    return value


cdef Answer minecraft(const Sight *s, Found *out) noexcept nogil:
    """Minecraft's handshake: a length, 0, a version, the server's name and port, what is wanted: 1 to 3; of old a ping
    and a kick that answers it."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t length, n
    cdef int before
    cdef const uint8_t *name
    if has(s, 0, b"\xfe\x01\xfa\0\x0b\0M\0C\0|", 11) or has(s, 0, b"\xfe\x01\xfa", 3) and s.dport == 25565:
        return YES
    if not s.from_opener:
        return yes(s.data[0] == 0xFF and has(s, 3, b"\0\xa7\x001\0\0", 6))
    length = varint(&c)
    before = left(&c)
    if u8(&c) != 0:
        return NO
    varint(&c)
    n = varint(&c)
    if not alive(&c) or not 3 <= n <= 255 or n + 3 > <uint32_t>left(&c):
        return NO
    name = take(&c, n)
    skip(&c, 2)
    if not 1 <= u8(&c) <= 3 or <uint32_t>(before - left(&c)) != length:
        return NO
    set_host(out, name, n)
    # What changes the game adds to the name says so behind a zero.
    return yes(out.host_len >= 3 and (out.host_len == n or name[out.host_len] == c'.' and out.host_len + 1 == n
                                      or name[out.host_len] == 0 and (out.host_len + 1 == n or is_print(name[out.host_len + 1]))))


at_first(UDP, P_AMONGUS, among_us, b"\x08")
at_first(UDP, P_GAIJINENTERTAINMENT, gaijin, b"ae")
at_first(UDP, P_GENSHINIMPACT, genshin, b"\x00")
at_first(UDP, P_LOLWILDRIFT, wild_rift, b"\x01\x04\x10")
at_first(UDP, P_NINTENDO, nintendo, b"\x32")
at_first(UDP, P_NINTENDO, prudp, b"\xea" + bytes(range(0xA0, 0xB0)))
at_first(UDP, P_NETEASEGAMES, netease, b"\x01\xb3\x07")
at_first(UDP, P_ACTIVISION, activision, b"\x0c\x0d")
at_first(UDP, P_MINETEST, minetest, b"O")
at_first(UDP, P_TEEWORLDS, teeworlds, b"\xff\x10x!")
at_first(UDP, P_SAMP, samp, b"S")
at_first(TCP, P_BZFLAG, bzflag, b"B")
at_first(TCP, P_STARCRAFT, starcraft, bytes(range(0x40, 0x50)))
at_first(TCP, P_WORLDOFWARCRAFT, world_of_warcraft, b"W\x00\x30")
at_first(TCP, P_GENSHINIMPACT, genshin_tcp, b"\x01")
at_first(TCP, P_PATHOFEXILE, path_of_exile, b"\x00")
at_first(TCP, P_TENCENTGAMES, tencent_games, b"\x00\x33\x43\xaa")
at_first(TCP, P_TESONLINE, elder_scrolls, b"\x00")
at_first(TCP, P_MAPLESTORY, maplestory, bytes(range(13, 22)))
at_first(UDP, P_CODMOBILE, cod_mobile, b"\xce")
at_ports(UDP, P_CODMOBILE, cod_mobile, (7500,))
at_ports(UDP, P_STARCRAFT, starcraft_udp, (1119,))
at_ports(UDP, P_HEROESOFTHESTORM, blizzard_udp, (1119, 3724))
at_any(TCP, P_MINECRAFT, minecraft)
at_any(UDP, P_RIOTGAMES, riot_games)
