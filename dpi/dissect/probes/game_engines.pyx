"""What many games share: engines, their libraries for connections, questions to servers, platforms."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, UDP, at_any, at_first
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16


cdef Answer enet(const Sight *s, Found *out) noexcept nogil:
    """ENet 1.3, a connect: no peer yet, a time, a check sum or none, the command, no sessions, limits, channels.

    At a port of its servers (20010 to 20500) it is War Thunder's.
    """
    cdef uint32_t at = 8 if s.wire == 56 else 4
    if 20010 <= s.dport <= 20500:
        out.label = P_GAIJINENTERTAINMENT
    return yes(s.n == s.wire == at + 48 and be16(s, 0) == 0x8FFF and be32(s, at) == 0x82FF0001U
               and be16(s, at + 6) == 0xFFFF and 576 <= be32(s, at + 8) <= 4096 and 1 <= be32(s, at + 16) <= 255)


cdef Answer cry_network(const Sight *s, Found *out) noexcept nogil:
    """CryEngine: the length less 10, a connection's start: fields that are fixed among zeros."""
    return yes(s.n >= 26 and byte_at(s, 0) + 10 == s.wire and be16(s, 1) == 0 and zeros(s, 5, 11)
               and be32(s, 16) == 0x01000000 and be32(s, 20) == 0x07000000 and be16(s, 24) == 0x0307)


cdef Answer epic_games(const Sight *s, Found *out) noexcept nogil:
    """Unreal Engine's stateless handshake: a client's has neither time nor cookie yet, an answer has one bit more."""
    if s.mine == NULL or s.n < 5:
        return NO
    if be32(s, 0) & 0x08 == 0:
        if s.n >= 34 and s.mine[0] == 0 and be32(s, 0) != 0 and zeros(s, 10, 24):
            s.mine[0] = be32(s, 0) | 0x08
        return NO
    return yes(s.n >= 20 and s.theirs[0] == be32(s, 0))


cdef uint32_t behind_texts(const Sight *s, uint32_t at, int count) noexcept nogil:
    """Where that many texts, each with a zero behind it, end; 0 where they are none.  One that is cut ends them."""
    while at < s.n and count:
        if s.data[at] == 0:
            count -= 1
        elif s.data[at] < 0x20 and s.data[at] not in (1, 9, 10, 13):    # 1: a name's colour
            return 0
        at += 1
    return at if count == 0 or s.n < s.wire else 0


cdef bint asked_in_words(const Sight *s) noexcept nogil:
    """The same queries as Half-Life's first servers take them: one word, with a zero behind it or not."""
    cdef uint32_t n = s.n - (byte_at(s, s.n - 1) == 0)
    return s.n == s.wire and (n == 11 and (has(s, 4, b"details", 7) or has(s, 4, b"players", 7))
                              or n == 9 and has(s, 4, b"rules", 5) or n == 14 and has(s, 4, b"infostring", 10))


cdef Answer source_engine(const Sight *s, Found *out) noexcept nogil:
    """Valve's server queries: A2S_INFO, PLAYER, RULES and what answers them: a version and texts, or a list."""
    cdef uint8_t kind = byte_at(s, 4)
    cdef uint32_t at
    cdef int i
    if be32(s, 0) != 0xFFFFFFFFU:
        return NO
    if has(s, 4, b"TSource Engine Query\0", 21) or kind in (c'U', c'V') and s.wire == 9:
        return YES
    if asked_in_words(s):
        return YES
    if s.wire == 5 and s.n == 5:                # a challenge is asked for as of old; a ping
        return yes(kind == c'W' or kind == c'i')
    if kind == c'j':                            # … and its answer
        return yes(s.wire == 6 and byte_at(s, 5) == 0 or s.wire == 20 and has(s, 5, b"00000000000000\0", 15))
    if kind == c'A' and s.wire == 9:            # a challenge
        return yes(not s.from_opener or 27000 <= s.sport <= 27050)
    if s.wire <= 20:
        return NO
    if kind == c'I':                            # name, map, folder, game; ten bytes, of which two are letters
        at = behind_texts(s, 6, 4)
        return yes(at and (at + 7 > s.n and s.n < s.wire or lower(byte_at(s, at + 5)) in (c'd', c'l', c'p')
                           and lower(byte_at(s, at + 6)) in (c'l', c'w', c'm', c'o')))
    if kind == c'D':                            # how many; each a number, the name, points and seconds
        at = 6
        for i in range(byte_at(s, 5)):
            at = behind_texts(s, at + 1, 1)
            if at == 0 or at >= s.n:
                return yes(at and i > 0)        # it is cut
            at += 8
        return yes(byte_at(s, 5) and at == s.wire)
    if kind == c'm':                            # as of old: the address, name, map, folder, game
        return yes(is_digit(byte_at(s, 5)) and contains(s, b":", 1, 28) and behind_texts(s, 5, 5))
    return yes(kind == c'E' and byte_at(s, 6) == 0 and byte_at(s, 5) and is_print(byte_at(s, 7)) and behind_texts(s, 7, 2))


cdef Answer half_life(const Sight *s, Found *out) noexcept nogil:
    """Half-Life 2: a challenge that ends in three zeros of text, from either side; whoever asks for it says more.  Of
    Half-Life, whose server is meant (Steam's, Valve's)."""
    if be32(s, 0) == 0xFFFFFFFFU and (has(s, 4, b"qconnect0x", 10) or s.wire == 20 and has(s, 4, b"q", 1) and has(s, 9, b"0000000000\0", 11)
                                      or has(s, 4, b"getchallenge steam", 18) or has(s, 4, b"getchallenge valve", 18)):
        return YES
    return yes(s.n >= 20 and s.n == s.wire and be32(s, 0) == 0xFFFFFFFFU and be32(s, s.n - 4) == 0x30303000
               and agreed(s, 0x30303000))


cdef Answer steam(const Sight *s, Found *out) noexcept nogil:
    """Steam's connections over UDP; in-home streaming looks for machines; its master servers are asked for games' (a region,
    an address where to go on, a filter), and list them."""
    if s.data[0] == c'1':
        return yes(is_digit(byte_at(s, 2)) and contains(s, b".", 1, 6) and contains(s, b":", 1, 18)
                   and (contains(s, b"\0\\", 2, 28) or contains(s, b"\0\0", 2, 28)))
    return yes(has(s, 0, b"VS01", 4) or be32(s, 0) == 0xFFFFFFFFU and (be32(s, 4) == 0x214C5FA0 or be16(s, 4) == 0x660A
               and s.wire % 6 == 0 and s.wire > 6))


cdef Answer steam_relay(const Sight *s, Found *out) noexcept nogil:
    """Steam Datagram Relay measures delay."""
    return yes(s.wire >= 100 and has(s, 2, b"sdping", 6))


cdef Answer rcon(const Sight *s, Found *out) noexcept nogil:
    """Valve's remote console: the length of the rest, a number, 3 for a login, the password, its end, once or twice."""
    cdef uint32_t end = s.n - (2 if byte_at(s, s.n - 2) == 0 else 1)
    return yes(s.from_opener and 14 <= s.n <= 256 and le32(s, 0) + 4 == s.n and le32(s, 8) == 3
               and s.data[s.n - 1] == 0 and end > 12 and printable(s, 12, end - 12))


cdef const char *RAKNET = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"


cdef Answer raknet(const Sight *s, Found *out) noexcept nogil:
    """RakNet: the magic of what is said before a connection, at the place that its kind has it."""
    cdef uint8_t kind = s.data[0]
    if kind == 0x01 or kind == 0x02:
        return yes(has(s, 9, RAKNET, 16))
    if kind == 0x1C:
        return yes(has(s, 17, RAKNET, 16))
    if kind == 0x19:
        return yes(has(s, 2, RAKNET, 16))
    return yes(has(s, 1, RAKNET, 16))


cdef Answer raknet_frames(const Sight *s, Found *out) noexcept nogil:
    """RakNet: a set of frames whose lengths, in bits, add up to the datagram; the first sets have low numbers."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t flags, reliability
    cdef uint32_t bits
    cdef int frames = 0
    if s.n != s.wire or s.n < 8:
        return NO
    skip(&c, 1)
    if byte_at(s, 3) or byte_at(s, 2) > 1:      # its number, 24 bits, little-endian
        return NO
    skip(&c, 3)
    while left(&c) > 0 and frames < 32:
        flags = u8(&c)
        reliability = flags >> 5
        if flags & 0x0F:
            return NO
        bits = u16(&c)
        if bits == 0 or bits & 7:
            return NO
        if 2 <= reliability <= 4 or reliability >= 6:
            skip(&c, 3)
        if reliability == 1 or reliability == 4:
            skip(&c, 3)
        if reliability == 1 or reliability == 3 or reliability == 4 or reliability == 7:
            skip(&c, 4)
        if flags & 0x10:
            skip(&c, 10)
        skip(&c, bits >> 3)
        frames += 1
    return yes(alive(&c) and frames >= 1 and (frames > 1 or byte_at(s, 2) == 0))


cdef Answer photon(const Sight *s, Found *out) noexcept nogil:
    """Photon, as Toca Boca's games use it: a connect of a peer that has no number yet; a measurement of its own."""
    if s.n >= 13 and be32(s, 0) == 0x7D7D7D7D and be32(s, 4) == 0x7D7D7D7D and s.data[s.n - 1] != 0x7D:
        return YES
    return yes(s.n >= 24 and be32(s, 0) == 0xFFFF0001U and be32(s, 12) == 0x02FF0104
               or s.n >= 32 and be16(s, 0) < 256 and 1 <= be16(s, 2) <= 3 and be32(s, 12) in (0x01FF0000, 0x01000000)
               and be32(s, 16) == 0x14)


cdef Answer yojimbo(const Sight *s, Found *out) noexcept nogil:
    """netcode 1.02: a request for a connection: type 0, the version."""
    return yes(has(s, 0, b"\0NETCODE ", 9))


cdef Answer kcp(const Sight *s, Found *out) noexcept nogil:
    """KCP: a conversation, a command of 81 to 84, …, a length; segments that fill the datagram.  kcp-go's may have what
    corrects errors before them: a number, 0xF1 (data), the length of the rest.

    One without data fixes too little alone, so two of the same conversation are asked for.
    """
    cdef uint32_t start = 8 if le16(s, 4) == 0xF1 and le16(s, 6) + 6 == s.n else 0
    cdef uint32_t at = start
    cdef uint32_t n
    cdef int _
    if s.n < start + 24 or s.n != s.wire:
        return NO
    for _ in range(64):
        if s.n - at < 24 or not 81 <= s.data[at + 4] <= 84 or be32(s, at) != be32(s, start):
            return NO
        n = le32(s, at + 20)
        if n > s.n - at - 24 or n and s.data[at + 4] != 81:
            return NO
        at += 24 + n
        if at == s.n and le32(s, start + 12) < 1 << 24 and le32(s, start + 16) < 1 << 24:
            return yes(s.n > 24 or agreed(s, 0x4B000000 | be32(s, start) >> 8))
    return NO


cdef Answer i3d(const Sight *s, Found *out) noexcept nogil:
    """i3D.net's voice for games: RTP with an extension (RFC 8285, 4.2) and a source that is always the same."""
    return yes(s.n >= 74 and be16(s, 0) in (0x9078, 0x9067) and be32(s, 8) == 0x0003CFA9 and be32(s, 12) == 0xBEDE0003U)


cdef Answer quake(const Sight *s, Found *out) noexcept nogil:
    """Quake's engines and their descendants: what is said beside a connection: ones and a command, or what answers it."""
    if has(s, 5, b"QUAKE\0", 6):                # the first Quake: flags and the length, a connection or information
        return yes(be16(s, 0) == 0x8000 and be16(s, 2) == s.wire and 1 <= s.data[4] <= 2)
    if has(s, 2, b"getInfo\0", 8) or has(s, 2, b"infoResponse\0", 13) or has(s, 2, b"getServers\0", 11):    # Doom 3
        return yes(be16(s, 0) == 0xFFFF)
    if be32(s, 0) != 0xFFFFFFFFU:
        return NO
    if has(s, 4, b"getchallenge", 12):          # Valve's GoldSrc, which says whose it is
        return yes((s.n > 17 or s.n == s.wire) and byte_at(s, 17) not in (c'v', c's'))
    return yes(has(s, 4, b"getinfo", 7) or has(s, 4, b"infoResponse\n", 13) or has(s, 4, b"getstatus", 9)
               or has(s, 4, b"status ", 7) or has(s, 4, b"status\n", 7) or has(s, 4, b"status\0", 7)
               or has(s, 4, b"statusResponse\n", 15) or has(s, 4, b"challengeResponse ", 18)
               or has(s, 4, b"getservers", 10) or has(s, 4, b"connect \"\\", 10) or has(s, 4, b"connectResponse", 15)
               or has(s, 4, b"print\n", 6))


cdef Answer gamespy(const Sight *s, Found *out) noexcept nogil:
    """GameSpy's queries: of text; or of 0xFEFD, a challenge or a question, a number that comes back behind its kind."""
    if s.data[0] == c'\\':
        return yes(has(s, 0, b"\\status\\", 8) or has(s, 0, b"\\info\\", 6) or has(s, 0, b"\\basic\\", 7)
                   or has(s, 0, b"\\gamename\\", 10) or has(s, 0, b"\\hostname\\", 10))
    if be16(s, 0) == 0xFEFD and byte_at(s, 2) in (0, 9) and 7 <= s.n == s.wire <= 15:
        agreed(s, 0xFD000000U | be32(s, 3) & 0xFFFFFF)
        return NO
    return yes(s.data[0] in (0, 9) and s.n >= 6 and s.theirs != NULL
               and s.theirs[0] == (0xFD000000U | be32(s, 1) & 0xFFFFFF))


at_first(UDP, P_HALFLIFE2, half_life, b"\xff")
at_first(UDP, P_STEAM, steam, b"V\xff1")
at_first(UDP, P_SOURCEENGINE, source_engine, b"\xff")
at_first(UDP, P_RAKNET, raknet, b"\x01\x02\x05\x06\x07\x08\x09\x11\x12\x14\x19\x1c")
at_first(UDP, P_RAKNET, raknet_frames, bytes(range(0x80, 0x90)))
at_first(UDP, P_TOCABOCA, photon, b"\x7d\xff\x00")
at_first(UDP, P_YOJIMBO, yojimbo, b"\x00")
at_first(UDP, P_I3D, i3d, b"\x90")
at_first(UDP, P_ENET, enet, b"\x8f")
at_first(UDP, P_QUAKE, quake, b"\xff\x80")
at_first(UDP, P_GAMESPY, gamespy, b"\\\xfe\x00\x09")
at_any(TCP, P_RCON, rcon)
at_any(UDP, P_STEAMDATAGRAMRELAY, steam_relay)
at_any(UDP, P_CRYNETWORK, cry_network)
at_any(UDP, P_KCP, kcp)
at_any(UDP, P_EPICGAMES, epic_games)
