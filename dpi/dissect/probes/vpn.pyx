"""Tunnels, and resolvers that hide what they are asked."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef enum:
    BY_SIZES = 0x53000000   # beside a size, in a side's word
    SIZES_TURNS = 3         # payloads of a side before one that still counts
    SIZES_MOST = 148        # bytes; what is longer need not be looked through


cdef Answer wireguard(const Sight *s, Found *out) noexcept nogil:
    """WireGuard whitepaper, 5.4: type, three zeros, lengths that are fixed; a handshake's mac2 is zeros but under load.

    Behind the type is what was drawn at random: an index, a key or a nonce.  Data alone, a cookie, and a handshake under
    load need the port or two messages with the same receiver's index: the one of who opened, or that of data before.
    """
    cdef bint at_its_port = to_or_from(s, 51820)
    cdef uint32_t opens = 0x04000000 | le32(s, 4) >> 8
    if s.n < 16 or s.data[1] or s.data[2] or s.data[3] or not drawn(s, 4, 4):
        return NO
    if s.data[0] == 4:
        # Keys are given up after 180 s (6.1), so the counter, little-endian, stays below 2^26 up to 4 Gbit/s.
        if s.wire < 32 or s.wire & 15 or be32(s, 12) or s.data[11] > 3 or s.n >= 48 and not drawn(s, 16, 32):
            return NO
        return yes(at_its_port or agreed(s, opens))
    if s.wire != (148 if s.data[0] == 1 else 92 if s.data[0] == 2 else 64) or not drawn(s, 4, 28):
        return NO
    if s.data[0] == 3:
        return yes(at_its_port or agreed(s, opens))
    if at_its_port or s.n < s.wire or zeros(s, s.wire - 16, 16):
        return YES
    if s.data[0] == 2:
        return yes(agreed(s, 0x04000000 | le32(s, 8) >> 8))
    return yes(agreed(s, opens))


cdef enum:
    EARLY = 0x0F000000


cdef uint32_t *HMACS = [0, 16, 20, 28, 32, 48, 64]      # bytes before a packet's id: none with tls-crypt


cdef Answer openvpn(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: opcode and key id, session id, then with no HMAC: no acks, packet id 0.

    A client's first packet is P_CONTROL_HARD_RESET_CLIENT_V2 (7) or _V3 (10), a server's _SERVER_V2 (8), key id 0.
    With an HMAC (tls-auth) or encrypted (tls-crypt) the rest cannot be read but for a low packet id and a time of this
    age behind it (8.1). With tls-crypt-v2 OpenVPN 2.6 begins to count at EARLY, to say that it can send its key again.
    A reset carries nothing, so its length is known: behind the time are a number of acks, 0, or 1 with the number and the
    other's session, and a packet id; an answer may have six bytes of what it offers; _V3 has the wrapped key and its length.
    """
    cdef uint8_t opcode = byte_at(s, 0)
    cdef uint32_t hmac, number, rest
    cdef int i
    if s.n < 14 or s.turn > 2 or not drawn(s, 1, 8):        # a session's number
        return NO
    if opcode == 0x38 and s.wire == 14 and be32(s, 9) == 0 and s.data[13] == 0:
        return YES
    if opcode == 0x40 and s.wire == 26 and s.data[9] == 1 and be32(s, 22) == 0:
        return YES
    for i in range(7):
        hmac = HMACS[i]
        if s.wire < 17 + (hmac if hmac else 32):
            continue
        rest = s.wire - 17 - (hmac if hmac else 32)     # with tls-crypt an HMAC of 32 bytes stands behind the time
        if opcode == 0x38 and rest != 5 or opcode == 0x40 and rest not in (5, 11, 17, 23):
            continue
        if opcode == 0x50 and (rest < 5 + 34 or s.n == s.wire and be16(s, s.n - 2) + 5 != rest):
            continue
        number = be32(s, 9 + hmac)
        if number > EARLY:
            number -= EARLY
        if s.n >= 17 + hmac and 1 <= number <= 8 and 0x40000000 < be32(s, 13 + hmac) < 0x90000000U:
            return YES
    return NO


cdef bint numbered(const Sight *s) noexcept nogil:
    """Whether a control packet has a low number behind what it acknowledges, or before a time, as openvpn() says."""
    cdef uint32_t at = 10
    cdef int i
    if s.data[9] <= 8:
        at += 4 * s.data[9] + (8 if s.data[9] else 0)
        if at == s.wire or be32(s, at) < 256 and at + 4 <= s.wire:
            return True
    for i in range(7):
        at = 9 + HMACS[i]
        if s.n >= at + 8 and be32(s, at) & ~<uint32_t>EARLY < 256 and 0x40000000 < be32(s, at + 4) < 0x90000000U:
            return True
    return False


cdef Answer openvpn_data(const Sight *s, Found *out) noexcept nogil:
    """A connection joined later: of control (4, 5, 7, 8, 10) the session, drawn at random, of data (9) the peer, a small
    number or ones, is the same twice."""
    cdef uint32_t opcode = byte_at(s, 0) >> 3
    if s.n < 14 or opcode not in (4, 5, 7, 8, 9, 10):
        return NO
    if opcode == 9:
        return yes((s.data[1] == 0 or be32(s, 0) & 0xFFFFFF == 0xFFFFFF) and agreed(s, be32(s, 0) | 0x0F000000))
    return yes(s.data[0] & 7 <= 1 and drawn(s, 1, 8) and be32(s, 1) != be32(s, 5) and numbered(s)
               and agreed(s, be32(s, 1) | 0x0F000000))


cdef Answer openvpn_tcp(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: the packet's length, then as over UDP; the length is of one of a reset's."""
    cdef Sight inner = s[0]
    cdef uint32_t n = be16(s, 0)
    if s.n < 3 or n < 14 or s.data[2] not in (0x38, 0x40, 0x50):
        return NO
    if s.n < n + 2:
        return MORE if drawn(s, 3, min(s.n - 3, 8)) else NO
    inner.data += 2
    inner.n = inner.wire = n
    inner.turn = 0
    if openvpn(&inner, out) == YES:
        return YES
    return yes(s.n == n + 2 and n in (42, 46, 54, 58, 66, 78, 86, 90, 98, 118)
               and (to_or_from(s, 443) or to_or_from(s, 1194)))


cdef Answer esp(const Sight *s) noexcept nogil:
    """RFC 4303, 2: an association's number above 255, a sequence from 1 on, words; two of an association if it runs."""
    cdef uint32_t mark = 0x80000000U | (le32(s, 0) & 0x7FFF) << 16 | be16(s, 6)
    if s.wire < 32 or s.wire % 4 or s.n < 8 or be32(s, 0) < 256 or be32(s, 4) == 0 or s.mine == NULL:
        return NO
    if be32(s, 4) <= 16 and drawn(s, 0, 4) and drawn(s, 8, 24):
        return YES
    if (s.mine[0] ^ mark) >> 16 == 0 and 1 <= <uint16_t>(mark - s.mine[0]) <= 64:
        return YES
    s.mine[0] = mark
    return NO


cdef Answer ike(const Sight *s, Found *out) noexcept nogil:
    """RFC 7296, 3.1 on 500; on 4500 behind four zeros, or ESP (RFC 3948, 2), or one byte of keepalive."""
    cdef uint32_t at = 0
    if to_or_from(s, 4500):
        if s.wire == 1 and s.data[0] == 0xFF:
            return YES
        if be32(s, 0):
            return esp(s)
        at = 4
    return yes(s.n > at + 18 and s.data[at + 17] in (0x10, 0x20)
               and (be32(s, at + 24) + at == s.wire or s.n < at + 28 and s.n < s.wire))


cdef Answer isakmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 7296, 3.1 on another port: a first message, whose length is that of the datagram."""
    return yes(s.n >= 28 and be32(s, 8) == 0 and be32(s, 12) == 0 and s.data[17] in (0x10, 0x20) and be32(s, 20) == 0
               and be32(s, 24) == s.wire and s.data[18] in (2, 4, 34) and be32(s, 0))


cdef Answer pptp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2637, 2: length, message type 1, the magic cookie."""
    return yes(s.n >= 12 and be16(s, 2) == 1 and be32(s, 4) == 0x1A2B3C4D and 1 <= be16(s, 8) <= 15)


cdef Answer l2tp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2661, 3.1: a control message: T, L and S bits, version 2, the length; or data: reserved bits, a tunnel, PPP."""
    cdef uint32_t flags = be16(s, 0)
    cdef uint32_t at = 2
    if flags & 0x34FF != 2:
        return NO
    if flags & 0x8000:
        return yes(s.n >= 12 and flags & 0x4B00 == 0x4800 and 12 <= be16(s, 2) <= s.wire)
    if flags & 0x4000:                          # its length
        if not 6 <= be16(s, 2) <= s.wire:
            return NO
        at = 4
    if be16(s, at) == 0 or be16(s, at + 2) == 0:        # a tunnel and a session
        return NO
    at += 8 if flags & 0x0800 else 4            # sequence numbers
    if flags & 0x0200:                          # an offset
        at += 2 + be16(s, at)
    if be16(s, at) == 0xFF03:                   # RFC 1662, 3.1
        at += 2
    # RFC 1661, 2: a protocol's number, the first byte even, the last odd; one of a single byte where that is agreed.
    if at + 1 > s.n:
        return NO
    return yes(s.data[at] in (0x00, 0x80, 0xC0, 0xC2) and byte_at(s, at + 1) & 1 or s.data[at] in (0x21, 0x57, 0x3D, 0xFD))


cdef Answer tinc(const Sight *s, Found *out) noexcept nogil:
    """tinc's ID: request 0, a node's name, protocol 17 and perhaps a minor version; METAKEY (1) follows from either."""
    cdef uint32_t i = 2
    if not has(s, 0, b"0 ", 2):
        return MORE if s.n < 2 else NO
    while i < s.n and i < 66 and (is_digit(s.data[i]) or c'a' <= lower(s.data[i]) <= c'z' or s.data[i] in (c'_', c'^')):
        i += 1
    if i == 2 or i == 66:
        return NO
    if s.n < i + 4:
        return MORE
    return yes(has(s, i, b" 17\n", 4) or has(s, i, b" 17.", 4))


cdef Answer softether(const Sight *s, Found *out) noexcept nogil:
    """SoftEther's NAT traversal: one letter, an answer with an address, or a pack of named values."""
    cdef uint32_t n = be32(s, 4)
    if s.data[0] == c'I':
        return yes(has(s, 0, b"IP=", 3) and contains(s, b",PORT=", 6, 24))
    if s.data[0] == c'A':
        return yes(s.wire == 1 and (to_or_from(s, 5004) or to_or_from(s, 5005)))
    return yes(s.n >= 32 and 1 <= be32(s, 0) <= 64 and 4 <= n <= 32 and s.n > n + 8 and printable(s, 8, n - 1)
               and be32(s, 7 + n) <= 4 and 1 <= be32(s, 11 + n) <= 64)


cdef Answer cisco_vpn(const Sight *s, Found *out) noexcept nogil:
    """Cisco's IPsec over UDP: the magic of its keepalive, both ports 10000."""
    return yes(be32(s, 0) == 0xFE577E2BU)


cdef Answer fastd(const Sight *s, Found *out) noexcept nogil:
    """fastd's handshake (its documentation, protocol): 1, 0, the length of the rest, big-endian; records, little-endian, that
    fill it, of which the first is its kind (1 to 3).  From version 22 on also behind a control header of L2TPv3 (RFC 3931)."""
    cdef uint32_t start = 12 if has(s, 0, b"\xc8\3\0\x0c\0\0\0\0\0\0\0\0", 12) else 0
    cdef uint32_t at = start + 4
    if not has(s, start, b"\1\0", 2) or be16(s, start + 2) + at != s.wire or not has(s, at, b"\0\0\1\0", 4):
        return NO
    if not 1 <= byte_at(s, at + 4) <= 3:
        return NO
    while at + 4 <= s.n:
        if le16(s, at) > 32:
            return NO
        at += 4 + le16(s, at + 2)
    return yes(at == s.wire or at < s.wire and s.n < s.wire or at > s.n and at <= s.wire)


cdef Answer tailscale(const Sight *s, Found *out) noexcept nogil:
    """Tailscale's disco: `TS` and a speech balloon in UTF-8."""
    return starts(s, b"TS\xf0\x9f\x92\xac", 6)


cdef Answer ultrasurf(const Sight *s, Found *out) noexcept nogil:
    """The first eight bytes of its own protocol."""
    return yes(be32(s, 0) == 0xCC1C3041U and be32(s, 4) == 0x5BA43866)


cdef Answer dnscrypt(const Sight *s, Found *out) noexcept nogil:
    """DNSCrypt, version 2, 7: an answer begins with the resolvers' magic; 9: certificates are asked for as TXT of
    2.dnscrypt-cert.… on the resolver's own port.  Over TCP the length is before both.
    """
    cdef uint32_t at = 2 if s.proto == TCP else 0
    if has(s, at, b"r6fnvWj8", 8):
        return yes(s.wire >= 48)
    return yes(be16(s, at + 4) == 1 and has(s, at + 12, b"\x012\x0ddnscrypt-cert", 16))


cdef Answer avast_secure_dns(const Sight *s, Found *out) noexcept nogil:
    """A query's header with a name of this service behind it."""
    cdef const char *name = b"securedns"
    cdef uint32_t i
    if s.n < 34 or be32(s, 11) != 0x00013209:
        return NO
    for i in range(9):                          # in whatever case: it is varied on purpose
        if lower(s.data[15 + i]) != <uint8_t>name[i]:
            return NO
    return YES


cdef Answer zerotier(const Sight *s, Found *out) noexcept nogil:
    """ZeroTier's HELLO: the sender's address in the header, the verb, a version, and the address again in its identity."""
    return yes(s.n >= 112 and s.data[27] & 0x1F == 1 and 4 <= s.data[28] <= 64 and s.data[46] <= 1
               and has(s, 41, <const char *>s.data + 13, 5) and not zeros(s, 41, 5))


cdef Answer nebula(const Sight *s, Found *out) noexcept nogil:
    """Nebula's handshake, its first message and the answer: version and kind, 0, the other's number, how many of ours."""
    if s.n < 48 or s.data[1] > 2 or be16(s, 2) or be32(s, 8):
        return NO
    return yes(be32(s, 12) == 1 and be32(s, 4) == 0 or be32(s, 12) == 2 and be32(s, 4) != 0)


cdef Answer n2n(const Sight *s, Found *out) noexcept nogil:
    """n2n: a version, a TTL, flags with the kind of packet, the community's name up to 16 bytes and zeros.  Version 1 has the
    kind first, a name that one zero ends, and after two hardware addresses the kind of an internet address."""
    cdef uint32_t i = 4
    if s.data[0] == 1:
        while i < 20 and is_print(byte_at(s, i)) and s.data[i] != c' ':
            i += 1
        return yes(s.n >= 70 and 4 < i < 20 and s.data[i] == 0 and 1 <= s.data[1] <= 4 and s.data[2] <= 2
                   and s.data[3] <= 1 and s.data[32] == 2)
    if s.n < 24 or not 1 <= s.data[1] <= 16 or s.data[2] or s.data[3] & 0x1F == 0 or s.data[3] & 0x1F > 14:
        return NO
    while i < 20 and is_print(s.data[i]) and s.data[i] != c' ':
        i += 1
    return yes(i > 4 and zeros(s, i, 20 - i) and (i <= 16 or to_or_from(s, 7654)))


cdef Answer yggdrasil(const Sight *s, Found *out) noexcept nogil:
    """Yggdrasil's peers, where they are not within TLS: "meta", then a length and its version first, or 0 and 4."""
    if s.n < 10:
        return starts(s, b"meta", 4) if s.n < 4 else NO
    return yes(has(s, 0, b"meta", 4) and (be16(s, 4) < 512 and be16(s, 6) == 0 and be16(s, 8) == 2 or be16(s, 4) == 4))


cdef Answer by_handshake(const Sight *s, Found *out) noexcept nogil:
    """VPNs whose bytes were scrambled and whose sizes were not.

    WireGuard (whitepaper, 5.4): 148 bytes, answered by 92.  OpenVPN: a reset, without or with one of the usual
    digests or tls-crypt, an answer that has 12 bytes more (whom it acknowledges), then the client's acknowledgement, 8
    more than its reset.  All must be like noise, and come first but for what is sent again.
    """
    cdef uint32_t client
    if s.mine == NULL or s.turn > SIZES_TURNS or s.wire > SIZES_MOST or not drawn(s, 0, s.n) or printable(s, 0, s.n):
        return NO
    if s.from_opener and s.turn == 0:
        if s.wire in (14, 42, 54, 86, 148) and s.mine[0] == 0:
            s.mine[0] = BY_SIZES | s.wire
        return NO
    client = (s.mine[0] if s.from_opener else s.theirs[0]) ^ BY_SIZES
    if client > 148:
        return NO
    out.by_sizes = 1
    if not s.from_opener:
        if client == 148:
            return yes(s.wire == 92)
        if s.wire == client + 12 and s.mine[0] == 0:
            s.mine[0] = BY_SIZES | s.wire
        return NO
    if client == 148 or s.theirs[0] != BY_SIZES | client + 12 or s.wire != client + 8:
        return NO
    out.label = P_OPENVPN
    return YES


at_first(TCP, P_OPENVPN, openvpn_tcp, b"\x00\x01\x02\x03\x04")
at_first(TCP, P_PPTP, pptp, b"\x00")
at_first(TCP, P_TINC, tinc, b"0")
at_first(TCP, P_ULTRASURF, ultrasurf, b"\xcc")
at_first(UDP, P_WIREGUARD, wireguard, b"\x01\x02\x03\x04")
at_first(UDP, P_SOFTETHER, softether, b"\x00IA")
at_first(UDP, P_CISCOVPN, cisco_vpn, b"\xfe")
at_first(UDP, P_FASTD, fastd, b"\x01\xc8")
at_first(UDP, P_TAILSCALE, tailscale, b"T")
at_first(UDP, P_OPENVPN, openvpn, b"\x38\x40\x50")
at_first(UDP, P_NEBULAVPN, nebula, b"\x10")
at_first(UDP, P_N2N, n2n, b"\x01\x02\x03")
at_first(TCP, P_YGGDRASIL, yggdrasil, b"m")
at_ports(UDP, P_IPSEC, ike, (500, 4500))
at_ports(UDP, P_L2TP, l2tp, (1701,))
at_ports(UDP, P_OPENVPN, openvpn_data, (1194,))
at_any(UDP, P_AVASTSECUREDNS, avast_secure_dns)
at_any(BOTH, P_DNSCRYPT, dnscrypt)
at_any(UDP, P_IPSEC, isakmp)
at_any(UDP, P_ZEROTIER, zerotier)
at_any(UDP, P_WIREGUARD, by_handshake)
