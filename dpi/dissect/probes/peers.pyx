"""Peer to peer: files, coins, blocks."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer bittorrent(const Sight *s, Found *out) noexcept nogil:
    """BEP 3: the peer wire protocol's handshake; BEP 14: local discovery, over UDP."""
    if s.proto == UDP:
        return yes(has(s, 0, b"BT-SEARCH * HTTP/1.", 19) or has(s, 0, b"\x13BitTorrent protocol", 20))
    return starts(s, b"\x13BitTorrent protocol", 20)


cdef Answer peer_messages(const Sight *s, Found *out) noexcept nogil:
    """BEP 3, joined in the middle: a piece or a request of 16 KiB, the latter also behind word of what the peer has."""
    cdef uint32_t at = 9 if be32(s, 0) == 5 and byte_at(s, 4) == 4 else 0
    cdef uint32_t n = be32(s, at)
    if s.n >= at + 17 and n == 13 and s.data[at + 4] == 6:
        return yes(be32(s, at + 13) == 16384 and be32(s, at + 9) & 0x3FFF == 0)
    return yes(s.n >= 13 and n == 16393 and s.data[4] == 7 and be32(s, 9) & 0x3FFF == 0)


cdef Answer dht(const Sight *s, Found *out) noexcept nogil:
    """BEP 5: a bencoded dictionary of a query, a reply or an error; 20 bytes of node id."""
    if has(s, 0, b"d1:ad2:id20:", 12) or has(s, 0, b"d1:rd2:id20:", 12) or has(s, 0, b"d1:eli20", 8):
        return YES
    if has(s, 0, b"d2:ip", 5):
        return yes(contains(s, b"1:rd2:id20:", 11, 64) or contains(s, b"1:eli", 5, 64))
    return yes(has(s, 0, b"d1:ad", 5) and contains(s, b"2:id20:", 7, 64) or has(s, 0, b"d1:rd", 5)
               and contains(s, b"2:id20:", 7, 64))


cdef enum:                  # packets that an acknowledgement may be from the last one seen of the other side
    UTP_BEHIND = 32
    UTP_AHEAD = 16


cdef Answer utp(const Sight *s, Found *out) noexcept nogil:
    """BEP 29: a SYN: type 4, version 1, extension 0 or 2, sequence number 1 (some: any), no ack; or what answers it."""
    cdef uint32_t id, ahead
    if s.n < 20:
        return NO
    if s.data[0] == 0x41:
        if s.wire == 20 and s.data[1] == 0 and (be16(s, 16) == 1 or be32(s, 8) == 0 and be16(s, 18) == 0):
            return YES
        if s.wire == 30 and s.data[1] == 2 and s.data[20] == 0 and s.data[21] == 8:
            return YES
    # Else both sides must have numbers next to each other (the connection's identity, of the one who opened it plus 1),
    # and what one acknowledges be near to what the other sent last; a window is far below what its field can hold.
    if s.data[0] & 0x0F != 1 or s.data[0] > 0x41 or s.data[1] > 2 or s.mine == NULL or s.data[1] == 1 and s.n < 26:
        return NO
    if be32(s, 4) == 0x2112A442 or s.data[12]:  # STUN's responses look like it
        return NO
    if s.data[1] == 1 and (byte_at(s, 20) or byte_at(s, 21) & 3 or byte_at(s, 21) == 0):
        return NO
    id = be16(s, 2)
    if id < 4 or be32(s, 4) < 1 << 16:          # drawn at random, and a time in microseconds: not small numbers
        return NO
    ahead = (be16(s, 18) - (s.theirs[0] >> 16) + UTP_BEHIND) & 0xFF
    if s.theirs[0] >> 24 == 0x41 and <uint16_t>(s.theirs[0] - id) in (1, 0xFFFF) and ahead <= UTP_BEHIND + UTP_AHEAD:
        return YES
    if s.mine[0] == 0 or s.mine[0] >> 24 == 0x41:
        s.mine[0] = 0x41000000 | (be16(s, 16) & 0xFF) << 16 | id
    return NO


cdef Answer tracker(const Sight *s, Found *out) noexcept nogil:
    """BEP 15: connect: the protocol's magic, action 0."""
    return yes(s.wire >= 16 and be32(s, 0) == 0x00000417 and be32(s, 4) == 0x27101980 and be32(s, 8) == 0)


cdef Answer tracker_announce(const Sight *s, Found *out) noexcept nogil:
    """BEP 15, joined later: action 1, the identity of a client (BEP 20: -XX1234-), an event of 0 to 3."""
    return yes(s.wire >= 98 and be32(s, 8) == 1 and byte_at(s, 36) == c'-' and byte_at(s, 43) == c'-'
               and printable(s, 37, 6) and be32(s, 80) <= 3)


cdef Answer vuze_dht(const Sight *s, Found *out) noexcept nogil:
    """Vuze's own DHT: a request is a connection with its first bit set, an action (1024 on, even), a transaction.

    The reply has the action's next, the transaction, then the connection, so each side is needed.
    """
    cdef uint32_t action = be32(s, 8)
    if s.mine == NULL or s.n < 17:
        return NO
    if s.data[0] & 0x80:
        if s.n >= 24 and 1024 <= action <= 1038 and not action & 1 and s.mine[0] == 0:
            s.mine[0] = 0x5D000000 | be32(s, 12) & 0xFFFFFF
        return NO
    action = be32(s, 0)
    return yes(1024 < action < 1040 and action & 1 and s.theirs[0] == (0x5D000000 | be32(s, 4) & 0xFFFFFF)
               and s.data[8] & 0x80)


cdef Answer gnutella(const Sight *s, Found *out) noexcept nogil:
    """Gnutella 0.6: the greeting; a push; over UDP gtk-gnutella's fragments."""
    if s.proto == TCP:
        return yes(has(s, 0, b"GNUTELLA ", 9) or has(s, 0, b"GNUTELLA/", 9) or has(s, 0, b"GIV ", 4)
                   or has(s, 0, b"PUSH guid:", 10) or has(s, 0, b"\n\nPUSH", 6))
    # Semi-reliable UDP: magic, flags, sequence, fragment, how many (0: an ACK)
    if has(s, 0, b"GND", 3) or has(s, 0, b"GTA", 3):
        return yes(s.n >= 8 and s.data[6] and (s.data[7] == 0 or s.data[6] <= s.data[7]))
    return NO


cdef Answer gnutella_message(const Sight *s, Found *out) noexcept nogil:
    """Gnutella 0.4, 2: 16 bytes of identity, a type, time to live and hops that add up to little, the length."""
    cdef uint8_t kind = byte_at(s, 16)
    if s.n < 23 or le32(s, 19) + 23 != s.wire or byte_at(s, 17) + byte_at(s, 18) > 15 or not drawn(s, 0, 16):
        return NO
    if kind == 0x44:                            # gtk-gnutella's DHT: version 0.0
        return yes(be16(s, 17) == 0)
    if kind not in (0x00, 0x01, 0x02, 0x30, 0x31, 0x40, 0x80, 0x81):
        return NO
    # A modern servent marks its identities: byte 8 is 0xFF, byte 15 is 0 (0.6, 2.2.1).
    if s.data[8] == 0xFF and s.data[15] == 0:
        return YES
    return yes(kind or s.data[17] == 1 and s.data[18] == 0)


cdef bint kad_message(const Sight *s, uint32_t opcode) noexcept nogil:
    """Kad's opcodes (eMule's opcodes.h), each of its own length, or with a version of the program."""
    if opcode == 0x00 or opcode == 0x01 or opcode == 0x10 or opcode == 0x18:
        return s.wire == 27 or opcode <= 1 and s.wire == 2
    if opcode == 0x11 or opcode == 0x19:
        return s.wire >= 22 and 1 <= byte_at(s, 20) <= 16
    if opcode == 0x20 or opcode == 0x21:
        return s.wire >= 35
    if opcode in (0x22, 0x33, 0x34, 0x35, 0x3B, 0x43, 0x44, 0x45, 0x4B):
        return s.wire >= 19
    if opcode == 0x50 or opcode == 0x53 or opcode == 0x58:
        return s.wire == (4 if opcode == 0x50 else 21 if opcode == 0x53 else 6)
    return opcode in (0x08, 0x09, 0x28, 0x29, 0x60, 0x61, 0x62)


cdef Answer kademlia(const Sight *s, Found *out) noexcept nogil:
    """eMule over UDP: a marker of the network, an opcode of it."""
    cdef uint32_t opcode = byte_at(s, 1)
    cdef bint known = False
    if s.data[0] == 0xE4:
        known = kad_message(s, opcode)
    elif s.data[0] == 0xC5:
        known = 0x90 <= opcode <= 0x94
    elif s.data[0] == 0xE3:
        known = (opcode == 0x96 and s.wire == 6 or opcode == 0x97 and s.wire >= 14 or opcode == 0xA2 and s.wire == 6
                 or opcode == 0x9A and s.wire % 16 == 2)
    else:
        known = opcode in (0x08, 0x09, 0x28, 0x29) and s.wire >= 10
    return yes(known and (to_or_from(s, 4672) or to_or_from(s, 4665) or agreed(s, 0x0D000000 | s.data[0])))


cdef Answer edonkey(const Sight *s, Found *out) noexcept nogil:
    """eDonkey and eMule: a marker, the length, an opcode; of a HELLO or a login the hash and what is behind it."""
    cdef uint32_t n = le32(s, 1)
    cdef uint8_t opcode = byte_at(s, 5)
    if s.n < 6 or n < 1 or n > 1 << 20:
        return NO
    if s.data[0] == 0xE3 and opcode == 0x01:
        return yes(n >= 26 and (byte_at(s, 6) == 0x10 and s.n >= 23 or n + 5 == s.n))
    if s.n < n + 5 or s.n > n + 5 and not (byte_at(s, n + 5) in (0xE3, 0xC5, 0xD4) and 1 <= le32(s, n + 6) <= 1 << 20):
        return NO
    if s.data[0] == 0xE3:
        return yes(opcode in (0x4C, 0x58, 0x59, 0x4F, 0x50, 0x14, 0x16, 0x19, 0x34, 0x38, 0x40, 0x46, 0x47, 0x51, 0x52,
                              0x54, 0x55, 0x5B, 0x5C))
    return yes(opcode in (0x01, 0x02, 0x40, 0x60, 0x81, 0x82, 0x83, 0x84, 0x92, 0x93))


cdef Answer bitcoin(const Sight *s, Found *out) noexcept nogil:
    """Bitcoin's and its cousins' messages: the network's magic, a command padded with zeros to 12, a length."""
    cdef uint32_t i = 4
    if s.n < 24:
        return NO
    while i < 16 and (c'a' <= s.data[i] <= c'z' or is_digit(s.data[i])):
        i += 1
    if i < 7:
        return NO
    while i < 16:
        if s.data[i]:
            return NO
        i += 1
    if be32(s, 0) not in (0xF9BEB4D9U, 0x0B110907, 0xFABFB5DAU, 0x0A03CF40, 0xFBC0B6DBU, 0xC0C0C0C0U, 0xE3E1F3E8U,
                          0xF9BEB4FEU, 0x24E92764, 0xBF0C6BBDU, 0xFCC1B7DCU, 0x1C163F28):       # BIP 94
        return NO
    return yes(le32(s, 16) <= 1 << 25)


cdef Answer ethereum_discovery(const Sight *s, Found *out) noexcept nogil:
    """devp2p, discv4: a hash, a signature whose recovery byte is 0 or 1, a type of 1 to 6, an RLP list of the rest."""
    cdef uint32_t head = byte_at(s, 98)
    cdef uint32_t end = 0
    if s.n < 101 or s.wire > 1280 or s.data[96] > 1 or not 1 <= s.data[97] <= 6:
        return NO
    if 0xC0 < head < 0xF8:
        end = head - 0xC0 + 99
    elif head == 0xF8 and s.data[99] >= 56:
        end = s.data[99] + 100
    elif head == 0xF9 and be16(s, 99) >= 256:
        end = be16(s, 99) + 101
    if end == 0 or end > s.wire:                # there may be more behind it (EIP-8)
        return NO
    return yes(to_or_from(s, 30303) or end == s.wire and agreed(s, 0x0E000000))


cdef Answer ethereum_rlpx(const Sight *s, Found *out) noexcept nogil:
    """devp2p, RLPx (EIP-8): the length of the greeting, then a public key, uncompressed; Ethereum's ports."""
    if 300 < be16(s, 0) + 2 < 1100 and byte_at(s, 2) == 0x04 and s.n < be16(s, 0) + 2:
        return MORE
    return yes(300 < s.n < 1100 and byte_at(s, 2) == 0x04 and be16(s, 0) + 2 == s.n or s.n == 307 and s.data[0] == 0x04)


cdef Answer monero(const Sight *s, Found *out) noexcept nogil:
    """Levin: the signature, a length of 64 bits, whether an answer is wanted, a command, flags, version 1."""
    if s.n < 8:
        return starts(s, b"\x01\x21\x01\x01\x01\x01\x01\x01", 8)
    return yes(has(s, 0, b"\x01\x21\x01\x01\x01\x01\x01\x01", 8))


cdef bint quoted(const Sight *s, const char *text, uint32_t n) noexcept nogil:
    return contains(s, text, n, 1400)


cdef Answer stratum(const Sight *s, Found *out) noexcept nogil:
    """What miners tell their pool: Stratum's methods, or a login with a wallet and the program's name."""
    if quoted(s, b'"mining.', 8) or quoted(s, b'"eth_submit', 11) or quoted(s, b'"eth_getWork"', 13):
        return YES
    if quoted(s, b'"login"', 7) and quoted(s, b'"agent"', 7) and quoted(s, b'"pass"', 6):
        return YES
    return yes(quoted(s, b'"job_id"', 8) and (quoted(s, b'"blob"', 6) or quoted(s, b'"target"', 8) or quoted(s, b'"nonce"', 7))
               or quoted(s, b'"method":"keepalived"', 21) or quoted(s, b'"worker":', 9) and quoted(s, b'"eth1.0"', 8))


cdef Answer jsonrpc(const Sight *s, Found *out) noexcept nogil:
    """JSON-RPC 2.0, 4: an object, or several, that says so; or after the header of a language server's base protocol.
    1.0, 1.1: a request has three members.

    What is asked for may show that it is a miner's, so the rest of a short one is waited for.
    """
    if s.data[0] == c'C' and not has(s, 0, b"Content-Length: ", 16):
        return NO
    if contains(s, b'"jsonrpc"', 9, 512):
        if not contains(s, b'"2.0"', 5, 512) and not contains(s, b'"1.0"', 5, 512):
            return NO
    elif s.data[0] != c'{' or not contains(s, b'"method"', 8, 512) or not contains(s, b'"params"', 8, 512) or (
            not contains(s, b'"id"', 4, 512)):
        return NO
    return MORE if s.n < 512 and s.n == s.wire and s.data[s.n - 1] not in (c'}', c']', c'\n') else YES


cdef Answer nano(const Sight *s, Found *out) noexcept nogil:
    """Nano's header: `R` and the network, versions that do not fall, a type of at most 15, flags."""
    return yes(s.n >= 8 and s.data[0] == c'R' and s.data[1] in (c'A', c'B', c'C', c'X') and 17 <= s.data[4] <= s.data[3]
               and s.data[3] <= s.data[2] and s.data[2] <= 30 and 2 <= s.data[5] <= 15)


cdef Answer zug(const Sight *s, Found *out) noexcept nogil:
    """The consensus of Casper's nodes: the length, then what is always the same."""
    return yes(s.n >= 5 and be16(s, 0) == s.wire and has(s, 2, b"UG\x10", 3))


cdef Answer direct_connect(const Sight *s, Found *out) noexcept nogil:
    """Direct Connect: NMDC's commands that come first, from hub and peer; ADC's SUP of either (ADC, 5.3.2)."""
    return yes(has(s, 0, b"$Lock ", 6) or has(s, 0, b"$MyNick ", 8) or has(s, 0, b"$ValidateNick ", 14)
               or has(s, 0, b"$Supports ", 10) or has(s, 0, b"HSUP AD", 7) or has(s, 0, b"ISUP AD", 7)
               or has(s, 0, b"CSUP AD", 7))


cdef Answer soulseek(const Sight *s, Found *out) noexcept nogil:
    """Soulseek: a length, little-endian as all numbers; login with user, password and version; or whose peer this is and
    for what: messages, a file, the distributed search."""
    cdef uint32_t user, at
    if s.n < 18 or not 14 <= le32(s, 0) <= s.n - 4:
        return NO
    if s.data[4] == 1 and le32(s, 4) == 1:
        user = le32(s, 8)
        at = 12 + user
        return yes(1 <= user <= 64 and printable(s, 12, user) and le32(s, at) <= 64
                   and printable(s, at + 4, le32(s, at)) and 100 <= le32(s, at + 4 + le32(s, at)) < 1000)
    user = le32(s, 5)
    return yes(s.data[4] == 1 and le32(s, 0) == 14 + user and printable(s, 9, user) and le32(s, 9 + user) == 1
               and s.data[13 + user] in (c'P', c'F', c'D'))


cdef bint tox_size(const Sight *s) noexcept nogil:
    """Whether it is as long as its kind: pings, questions for nodes, and up to four nodes of IPv4 or IPv6 in an answer."""
    cdef uint32_t four
    if s.data[0] != 4:
        return s.wire == (82 if s.data[0] <= 1 else 113 if s.data[0] == 2 else 0)
    for four in range(5):
        if s.wire >= 82 + 39 * four and (s.wire - 82 - 39 * four) % 51 == 0 and (s.wire - 82 - 39 * four) // 51 <= 4 - four:
            return True
    return False


cdef Answer tox(const Sight *s, Found *out) noexcept nogil:
    """Tox' datagrams (The Tox Reference): a kind, each of its own size; here also cookies, discovery, a bootstrap's version."""
    cdef uint32_t kind = s.data[0]
    return yes(tox_size(s) or s.wire == (145 if kind == 0x18 else 161 if kind == 0x19 else 33 if kind == 0x21 else
                                         78 if kind == 0xF0 else 0))


cdef Answer tox_elsewhere(const Sight *s, Found *out) noexcept nogil:
    """Away from its port two of a side's, which have its key behind the kind."""
    return yes(s.n >= 33 and tox_size(s) and drawn(s, 1, 32) and agreed(s, be32(s, 1)))


cdef Answer libp2p(const Sight *s, Found *out) noexcept nogil:
    """multistream-select 1.0: either side says so first, in a line with its length."""
    return yes(has(s, 0, b"\x13/multistream/1.0.0\n", 20))


at_first(BOTH, P_BITTORRENT, bittorrent, b"\x13B")
at_first(UDP, P_BITTORRENT, dht, b"d")
at_first(UDP, P_BITTORRENT, tracker, b"\x00")
at_first(TCP, P_BITTORRENT, peer_messages, b"\x00")
at_first(BOTH, P_GNUTELLA, gnutella, b"G\nP")
at_first(TCP, P_EDONKEY, edonkey, b"\xe3\xc5\xd4")
at_first(UDP, P_EDONKEY, kademlia, b"\xe3\xe4\xe5\xc5")
at_first(TCP, P_BITCOIN, bitcoin, b"\xf9\x0b\xfa\x0a\xfb\xc0\xe3\x24\xbf\xfc\x1c")
at_first(TCP, P_MONERO, monero, b"\x01")
at_first(TCP, P_MINING, stratum, b"{")
at_first(TCP, P_JSONRPC, jsonrpc, b"{[C")
at_first(TCP, P_NANO, nano, b"R")
at_first(UDP, P_ZUG, zug, b"\x00\x01\x02\x03\x04\x05")
at_first(UDP, P_BITTORRENT, utp, b"\x01\x11\x21\x31\x41")
at_first(UDP, P_BITTORRENT, vuze_dht, b"\x00" + bytes(range(0x80, 0x100)))
at_first(UDP, P_TOX, tox_elsewhere, b"\x00\x01\x02\x04")
at_first(TCP, P_DIRECTCONNECT, direct_connect, b"$HIC")
at_first(TCP, P_LIBP2P, libp2p, b"\x13")
at_ports(TCP, P_ETHEREUM, ethereum_rlpx, range(30300, 30306))
at_ports(UDP, P_TOX, tox, (33445,))
at_any(UDP, P_ETHEREUM, ethereum_discovery)
at_any(UDP, P_GNUTELLA, gnutella_message)
at_any(UDP, P_BITTORRENT, tracker_announce)
at_any(TCP, P_SOULSEEK, soulseek)
