"""Tunnels, and resolvers that hide what they are asked."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer wireguard(const Sight *s, Found *out) noexcept nogil:
    """WireGuard whitepaper, 5.4: type, three zeros, lengths that are fixed; data alone needs the port or two of it.

    Behind the type of a handshake's message or a cookie is what was drawn at random: an index, a key or a nonce.
    """
    if s.n < 4 or s.data[1] or s.data[2] or s.data[3] or be32(s, 4) == 0:
        return NO
    if s.data[0] == 1:
        return yes(s.wire == 148 and drawn(s, 4, 28))
    if s.data[0] == 2:
        return yes(s.wire == 92 and drawn(s, 4, 28))
    if s.data[0] == 3:
        return yes(s.wire == 64 and drawn(s, 4, 28))
    if s.wire < 32 or s.wire & 15 or s.n < 16 or be32(s, 12):       # a counter of 64 bits, little-endian
        return NO
    return yes(to_or_from(s, 51820) or agreed(s, 0x04000000 | be32(s, 4) & 0xFFFFFF))


cdef enum:
    EARLY = 0x0F000000


cdef uint32_t *HMACS = [0, 16, 20, 28, 32, 48, 64]      # bytes before a packet's id: none with tls-crypt


cdef Answer openvpn(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: opcode and key id, session id, then with no HMAC: no acks, packet id 0.

    A client's first packet is P_CONTROL_HARD_RESET_CLIENT_V2 (7) or _V3 (10), a server's _SERVER_V2 (8), key id 0.
    With an HMAC (tls-auth) or encrypted (tls-crypt) the rest cannot be read but for a low packet id and a time of this
    age behind it (8.1). With tls-crypt-v2 OpenVPN 2.6 begins to count at EARLY, to say that it can send its key again.
    """
    cdef uint8_t opcode = byte_at(s, 0)
    cdef uint32_t hmac, number
    cdef int i
    if s.n < 14 or s.turn > 2 or not drawn(s, 1, 8):        # a session's number
        return NO
    if opcode == 0x38 and s.wire == 14 and be32(s, 9) == 0 and s.data[13] == 0:
        return YES
    if opcode == 0x40 and s.wire == 26 and s.data[9] == 1 and be32(s, 22) == 0:
        return YES
    for i in range(7):
        hmac = HMACS[i]
        if hmac == 0 and s.wire < 54:           # with tls-crypt come an HMAC of 32 bytes and what is encrypted
            continue
        number = be32(s, 9 + hmac)
        if number > EARLY:
            number -= EARLY
        if s.n >= 17 + hmac and 1 <= number <= 8 and 0x40000000 < be32(s, 13 + hmac) < 0x90000000U:
            return YES
    return NO


cdef Answer openvpn_data(const Sight *s, Found *out) noexcept nogil:
    """A connection joined later: of control (4, 5, 7, 8, 10) the session, of data (9) the peer is the same twice."""
    cdef uint32_t opcode = byte_at(s, 0) >> 3
    if s.n < 14 or opcode not in (4, 5, 7, 8, 9, 10):
        return NO
    return yes(agreed(s, be32(s, 0) | 0x0F000000 if opcode == 9 else be32(s, 1) | 0x0F000000))


cdef Answer openvpn_tcp(const Sight *s, Found *out) noexcept nogil:
    """openvpn-rfc, 3: the packet's length, then as over UDP; the length is of one of a reset's."""
    cdef Sight inner = s[0]
    cdef uint32_t n = be16(s, 0)
    if s.n < 3 or n > s.n - 2 or n < 14 or s.data[2] not in (0x38, 0x40, 0x50):
        return NO
    inner.data += 2
    inner.n = inner.wire = n
    inner.turn = 0
    if openvpn(&inner, out) == YES:
        return YES
    return yes(s.n == n + 2 and n in (42, 46, 54, 58, 66, 78, 86, 90, 98, 118)
               and (to_or_from(s, 443) or to_or_from(s, 1194)))


cdef Answer ike(const Sight *s, Found *out) noexcept nogil:
    """RFC 7296, 3.1 on 500; on 4500 behind four zeros, or ESP (RFC 3948, 2), or one byte of keepalive."""
    cdef uint32_t at = 0
    if to_or_from(s, 4500):
        if s.wire == 1 and s.data[0] == 0xFF:
            return YES
        if be32(s, 0):
            return yes(s.wire >= 32)
        at = 4
    return yes(s.n > at + 18 and s.data[at + 17] in (0x10, 0x20) and (be32(s, at + 24) + at == s.wire or s.n < at + 28))


cdef Answer isakmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 7296, 3.1 on another port: a first message, whose length is that of the datagram."""
    return yes(s.n >= 28 and be32(s, 8) == 0 and be32(s, 12) == 0 and s.data[17] in (0x10, 0x20) and be32(s, 20) == 0
               and be32(s, 24) == s.wire and s.data[18] in (2, 4, 34) and be32(s, 0))


cdef Answer pptp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2637, 2: length, message type 1, the magic cookie."""
    return yes(s.n >= 12 and be16(s, 2) == 1 and be32(s, 4) == 0x1A2B3C4D and 1 <= be16(s, 8) <= 15)


cdef Answer l2tp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2661, 3.1: a control message: T, L and S bits, version 2, the length."""
    return yes(s.n >= 12 and be16(s, 0) & 0xCB0F == 0xC802 and be16(s, 2) <= s.wire or s.n >= 6
               and be16(s, 0) & 0x800F == 0x0002 and s.wire > 8)


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
    return yes(s.n >= 32 and be32(s, 0) <= 64 and 4 <= n <= 32 and s.n > n + 8 and printable(s, 8, n - 1)
               and be32(s, 7 + n) <= 4 and be32(s, 11 + n) <= 64)


cdef Answer cisco_vpn(const Sight *s, Found *out) noexcept nogil:
    """Cisco's IPsec over UDP: the magic of its keepalive, both ports 10000."""
    return yes(be32(s, 0) == 0xFE577E2BU)


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


at_first(TCP, P_OPENVPN, openvpn_tcp, b"\x00\x01\x02\x03\x04")
at_first(TCP, P_PPTP, pptp, b"\x00")
at_first(TCP, P_TINC, tinc, b"0")
at_first(TCP, P_ULTRASURF, ultrasurf, b"\xcc")
at_first(UDP, P_WIREGUARD, wireguard, b"\x01\x02\x03\x04")
at_first(UDP, P_SOFTETHER, softether, b"\x00IA")
at_first(UDP, P_CISCOVPN, cisco_vpn, b"\xfe")
at_first(UDP, P_TAILSCALE, tailscale, b"T")
at_first(UDP, P_OPENVPN, openvpn, b"\x38\x40\x50")
at_ports(UDP, P_IPSEC, ike, (500, 4500))
at_ports(UDP, P_L2TP, l2tp, (1701,))
at_ports(UDP, P_OPENVPN, openvpn_data, (1194,))
at_any(UDP, P_AVASTSECUREDNS, avast_secure_dns)
at_any(BOTH, P_DNSCRYPT, dnscrypt)
at_any(UDP, P_IPSEC, isakmp)
