"""Routers, switches and access points among themselves, and with their clouds."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef enum:
    TZSP_TAGS_MAX = 32      # in front of a packet


cdef bint carries_ip(const Sight *s, uint32_t at) noexcept nogil:
    """Whether an IP packet stands there to the very end."""
    return (byte_at(s, at) >> 4 == 4 and be16(s, at + 2) + at == s.wire
            or byte_at(s, at) >> 4 == 6 and be16(s, at + 4) + at + 40 == s.wire)


cdef uint32_t lisp_address(const Sight *s, uint32_t at) noexcept nogil:
    """Where an address behind its family ends (RFC 9301, 5.1): none, IPv4, IPv6, or LISP's own (RFC 8060, 3); 0: there is none."""
    cdef uint32_t family = be16(s, at)
    cdef uint32_t end = at + 2
    if family == 16387:
        end += 6 + be16(s, at + 6)
        return end if byte_at(s, at + 2) == 0 and byte_at(s, at + 4) <= 20 and end <= s.wire else 0
    end += 0 if family == 0 else 4 if family == 1 else 16
    return end if family <= 2 and end <= s.wire else 0


cdef bint lisp_record(const Sight *s, uint32_t at) noexcept nogil:
    """What an answer or a registration has of a prefix (RFC 9301, 5.4): reserved bits are 0, its length fits its family."""
    return be16(s, at + 10) != 0 and lisp_address(s, at + 10) != 0 and be16(s, at + 6) & 0x07FF == 0 and byte_at(s, at + 5) <= (
        32 if be16(s, at + 10) == 1 else 128)


cdef Answer lisp(const Sight *s, Found *out) noexcept nogil:
    """RFC 9301, 5 (4342: control; RFC 8111, 6 and its draft on NAT: 6, 7), RFC 9300, 5.1 (4341: IP behind 8 bytes)."""
    cdef uint32_t kind = byte_at(s, 0) >> 4
    cdef uint32_t at, _
    if to_or_from(s, 4341):
        return yes(s.n >= 28 and carries_ip(s, 8))
    if kind == 8:                               # another message in IP and UDP (5.8)
        return yes(byte_at(s, 0) & 3 == 0 and carries_ip(s, 4))
    if s.n < 16:
        return yes(s.wire == 12 and s.n == 12 and kind == 2 and be32(s, 0) == 0x20000000)
    if kind == 1:                               # who asks, where to answer (1 to 32), and the prefix that is asked for
        at = lisp_address(s, 12)
        for _ in range((be32(s, 0) >> 8 & 31) + 1):
            at = lisp_address(s, at) if at and be16(s, at) else 0
        return yes(s.data[3] != 0 and at != 0 and byte_at(s, at) == 0 and byte_at(s, at + 1) <= 128
                   and be16(s, at + 2) != 0 and lisp_address(s, at + 2) != 0)
    if kind == 2 or kind == 6:
        return yes(be32(s, 0) & 0x01FFFF00 == 0 and s.data[3] != 0 and lisp_record(s, 12))
    # How it is authenticated (5.6): a key's number, an algorithm, the length of its digest; then records, or a prefix.
    at = 16 + be16(s, 14)
    if s.data[13] > 4 or be16(s, 14) not in (0, 16, 20, 32):
        return NO
    if kind == 7:
        return yes(be32(s, 0) & 0x07FFFFFF == 0 and byte_at(s, at + 4) == 0 and lisp_address(s, at + 6) != 0)
    return yes(3 <= kind <= 5 and s.data[3] != 0 and lisp_record(s, at))


cdef Answer lisp_tcp(const Sight *s, Found *out) noexcept nogil:
    """LISP's reliable transport: a type, the length of the message, a mark at its end."""
    cdef uint32_t n = be16(s, 2)
    return yes(12 <= n <= s.n and be32(s, n - 4) == 0x9FACADE9U)


cdef Answer hsrp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2281, 5: version 0, an opcode, a state, a reserved byte, an address; perhaps a digest of 30 bytes behind it.

    An advertisement (3) has a layout of its own.  Version 2 has a TLV of 40 bytes: version, opcode, state, IP's version.
    """
    if s.n < 16:
        return NO
    if s.data[0] == 0 and s.data[1] == 3:
        return yes(be16(s, 2) == 1 and be16(s, 4) + 6 <= s.wire)
    if s.data[0] == 0:
        return yes(s.data[1] <= 2 and s.data[2] in (0, 1, 2, 4, 8, 16) and s.data[7] == 0 and s.wire in (20, 50)
                   and be32(s, 16) != 0 and (s.data[1] or s.data[3] <= s.data[4] and s.data[4]))       # a hello's and a hold time
    if s.data[0] == 2:                          # the interface's state comes first
        return yes(s.data[1] == 4 and s.wire >= 6)
    return yes(be16(s, 0) == 0x0128 and s.data[2] == 2 and s.data[3] <= 3 and s.data[4] <= 6 and s.data[5] in (4, 6))


cdef Answer bfd(const Sight *s, Found *out) noexcept nogil:
    """RFC 5880, 4.1: version 1, the length, a detection multiplier, a discriminator and an interval that are not zero, one
    bit that is."""
    cdef uint8_t n = byte_at(s, 3)
    if s.n < 24 or s.data[0] >> 5 != 1 or s.data[2] == 0 or be32(s, 4) == 0 or be32(s, 12) == 0 or s.data[1] & 1:
        return NO
    if n != 24 and not (s.data[1] & 4 and 26 <= n <= 60):       # authentication (4.2 to 4.4)
        return NO
    return yes(n == s.wire or n < s.wire and byte_at(s, n) == 0)        # padding (RFC 9764)


cdef Answer bgp(const Sight *s, Found *out) noexcept nogil:
    """RFC 4271, 4.1: 16 bytes of ones, the length, the type."""
    cdef uint32_t i
    for i in range(s.n if s.n < 16 else 16):
        if s.data[i] != 0xFF:
            return NO
    if s.n < 19:
        return MORE
    return yes(s.data[16] <= 16 and 1 <= s.data[18] <= 5)


cdef Answer ldp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5036, 3.1 and 3.5: version 1, the length, an identifier of a router, label space 0, a message's type."""
    cdef uint16_t kind = be16(s, 10) & 0x7FFF
    return yes(s.n >= 18 and be16(s, 0) == 1 and be16(s, 2) + 4 <= s.wire and be16(s, 2) >= 14
               and (kind == 1 or 0x0100 <= kind <= 0x0404))


cdef Answer rip(const Sight *s, Found *out) noexcept nogil:
    """RFC 2453, 4 and RFC 2080, 2.1: a command, a version, zeros, and entries of 20 bytes: the first's family, prefix
    length and metric."""
    if s.n < 24 or not 1 <= s.data[0] <= 2 or be16(s, 2) or (s.wire - 4) % 20:
        return NO
    if to_or_from(s, 521):
        return yes(s.data[1] == 1 and s.data[22] <= 128 and (1 <= s.data[23] <= 16 or s.data[23] == 0xFF))
    return yes(1 <= s.data[1] <= 2 and (be16(s, 4) == 0xFFFF or be16(s, 4) in (0, 2) and 1 <= be32(s, 20) <= 16))


cdef Answer babel(const Sight *s, Found *out) noexcept nogil:
    """RFC 8966, 4.2 and 4.3: magic, version, and TLVs that fill the body exactly; RFC 8967: a trailer."""
    cdef uint32_t end = be16(s, 2) + 4
    cdef uint32_t at = 4
    if s.n < 6 or s.data[0] != 42 or s.data[1] != 2 or end > s.wire or end == 4:
        return NO
    if end != s.wire and not to_or_from(s, 6696) and not to_or_from(s, 6697):
        return NO
    while at < end and at < s.n:
        at += 2 + byte_at(s, at + 1) if s.data[at] else 1       # Pad1 has no length
    return yes(at == end or at < end and s.n < end)


cdef Answer olsr(const Sight *s, Found *out) noexcept nogil:
    """RFC 3626, 3.3: the packet's length, and messages that fill it exactly."""
    cdef uint32_t at = 4
    if s.n < 16 or be16(s, 0) != s.wire:
        return NO
    while at + 4 <= s.n:
        if s.data[at] == 0 or be16(s, at + 2) < 12:
            return NO
        at += be16(s, at + 2)
    return yes(at == s.wire or at < s.wire and s.n < s.wire)


cdef Answer aodv(const Sight *s, Found *out) noexcept nogil:
    """RFC 3561, 5: a request, a reply or an error, each with its reserved bits and length; addresses may be of IPv6."""
    if s.n < 4:
        return NO
    if s.data[0] == 1:
        return yes(s.wire in (24, 48) and be16(s, 1) & 0x7FF == 0)
    if s.data[0] == 2:
        return yes(s.wire in (20, 44) and be16(s, 1) & 0x3FE0 == 0)
    return yes(s.data[0] == 3 and be16(s, 1) & 0x7FFF == 0 and s.data[3] and s.wire == 4 + 8 * <uint32_t>s.data[3])


cdef Answer hncp(const Sight *s, Found *out) noexcept nogil:
    """RFC 7787, 7 and RFC 7788, 10: TLVs, padded to four bytes, from a request or an endpoint to the very end."""
    cdef uint32_t at = 0
    cdef uint32_t n = be16(s, 2)
    if not (be16(s, 0) == 1 and n == 0 or be16(s, 0) == 2 and n == 4 or be16(s, 0) == 3 and n == 8
            or 4 <= be16(s, 0) <= 10 and n >= 4) or s.n < 4:
        return NO
    while at + 4 <= s.n:
        if not 1 <= be16(s, at) <= 1023:
            return NO
        at += 4 + (be16(s, at + 2) + 3 & ~3U)
    return yes(at == s.wire or at < s.wire and s.n < s.wire)


cdef Answer lmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 4204, 13.1 and 13.2: version 1, a message's type, the length, zeros; the first object's length."""
    return yes(s.n >= 12 and be16(s, 0) == 0x1000 and 1 <= s.data[3] <= 32 and be16(s, 4) == s.wire
               and be16(s, 6) == 0 and 4 <= be16(s, 10) <= s.wire - 8)


cdef Answer lsp_ping(const Sight *s, Found *out) noexcept nogil:
    """RFC 8029, 3: version 1, flags, request or reply, how to reply, the return code."""
    return yes(s.n >= 32 and be16(s, 0) == 1 and be16(s, 2) < 8 and 1 <= s.data[4] <= 4 and 1 <= s.data[5] <= 5
               and s.data[6] <= 40)


cdef bint rpki_fits(uint32_t kind, uint32_t n) noexcept nogil:
    """RFC 8210, 5 (and draft-ietf-sidrops-8210bis for 11): whether a type has that length."""
    if kind == 0 or kind == 1:                  # Serial Notify, Serial Query
        return n == 12
    if kind == 2 or kind == 3 or kind == 8:     # Reset Query, Cache Response, Cache Reset
        return n == 8
    if kind == 4 or kind == 6:                  # a prefix of IPv4, of IPv6
        return n == (20 if kind == 4 else 32)
    return kind == 7 and (n == 12 or n == 24) or (kind == 9 or kind == 10 or kind == 11) and 16 <= n <= 1 << 16


cdef Answer rpki(const Sight *s, Found *out) noexcept nogil:
    """RFC 8210, 5 and 8: a version, what a router asks or a cache says, its length; what follows is of the same version."""
    cdef uint32_t kind = byte_at(s, 1)
    cdef uint32_t at = be32(s, 4)
    cdef int _
    if s.n < 8 or s.data[0] > 2 or not rpki_fits(kind, at) or at > s.n:
        return NO
    if kind != 10 and s.from_opener != (kind == 1 or kind == 2) or (kind == 2 or kind == 8) and be16(s, 2):
        return NO
    for _ in range(4):
        if s.n < at + 8:
            break
        if s.data[at] != s.data[0] or not rpki_fits(byte_at(s, at + 1), be32(s, at + 4)):
            return NO
        at += be32(s, at + 4)
    return yes(kind <= 3 or kind == 8 or kind == 10)


cdef Answer fpm(const Sight *s, Found *out) noexcept nogil:
    """FRRouting's fpm.h: version 1, netlink, the length; within it netlink's own, in the sender's byte order."""
    cdef uint32_t n = be16(s, 2) - 4
    return yes(s.n >= 8 and be16(s, 0) == 0x0101 and (le32(s, 4) + 3 & ~3U == n or be32(s, 4) + 3 & ~3U == n))


cdef Answer bmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 7854, 4.1 and 4.3: version 3, the length, Initiation, which comes first, and what its first field is."""
    return yes(s.n >= 10 and s.data[0] == 3 and be16(s, 1) == 0 and s.data[5] == 4 and be16(s, 6) <= 4
               and be16(s, 8) + 10 <= be16(s, 3))


cdef Answer pcep(const Sight *s, Found *out) noexcept nogil:
    """RFC 5440, 6.1, 7.2 and 7.3: version 1, Open, the length; the object OPEN, its length and version."""
    return yes(s.n >= 12 and be16(s, 0) == 0x2001 and be16(s, 2) >= 12 and s.data[4] == 1 and s.data[5] >> 4 == 1
               and be16(s, 6) + 4 == be16(s, 2) and s.data[8] >> 5 == 1)


cdef Answer msdp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3618, 12: a keep-alive, or active sources: zeros and the prefix' length of the first."""
    if s.n < 3:
        return NO
    return yes(s.data[0] == 4 and be16(s, 1) == 3 or s.data[0] == 1 and be16(s, 1) >= 20 and be32(s, 8) == 32)


cdef Answer glbp(const Sight *s, Found *out) noexcept nogil:
    """Cisco's GLBP: version 1, a group, an owner, then TLVs to the end; both ports 3222."""
    cdef uint32_t at = 12
    if s.n < 14 or s.data[0] != 1 or s.data[1] or s.sport != s.dport:
        return NO
    while at + 2 <= s.n:
        if not 1 <= s.data[at] <= 4 or s.data[at + 1] < 2:
            return NO
        at += s.data[at + 1]
    return yes(at == s.wire or at < s.wire and s.n < s.wire)


cdef Answer wccp(const Sight *s, Found *out) noexcept nogil:
    """draft-mclaggan-wccp-v2rev1, 5.5: a type, version 2, the length of the rest."""
    return yes(s.n >= 8 and 10 <= be32(s, 0) <= 15 and be16(s, 4) >> 8 == 2 and be16(s, 6) + 8 == s.wire)


cdef Answer openflow(const Sight *s, Found *out) noexcept nogil:
    """OpenFlow 1.5, 7.1 and 7.5.1: HELLO: version, type 0, a length of exactly what is there.

    At its ports any message, whose HELLO has elements that fit, and what follows is another one.
    """
    cdef uint32_t n = be16(s, 2)
    if s.n < 8 or not 1 <= s.data[0] <= 6 or n < 8 or n > s.n:
        return NO
    if to_or_from(s, 6633) or to_or_from(s, 6653):
        if s.data[1] == 0 and n > 8 and not (1 <= be16(s, 8) <= 2 and 4 <= be16(s, 10) <= n - 8):
            return NO
        if s.data[1] == 1 and (n < 12 or 20 < be16(s, 8) < 0xFFFF):     # an error has a kind (7.5.4)
            return NO
        if s.data[1] in (5, 7) and n != 8 or s.data[1] in (8, 9) and n != 12:       # features and settings (7.3)
            return NO
        return yes(s.data[1] <= 35 and (s.n < n + 4 or 1 <= s.data[n] <= 6 and s.data[n + 1] <= 35 and be16(s, n + 2) >= 8))
    if has(s, 4, b"\x02\xf0\x80", 3):          # data of X.224 in a TPKT (RFC 1006, 6), whose version is 3
        return NO
    if s.n > 8 and be16(s, 2) == 8 and not (s.data[8] == s.data[0] and byte_at(s, 9) <= 35 and be16(s, 10) >= 8):
        return NO
    return yes(s.data[1] == 0 and (be16(s, 2) == 8 or be16(s, 2) == 16 and be32(s, 8) == 0x00010008))


cdef Answer dlep(const Sight *s, Found *out) noexcept nogil:
    """RFC 8175, 11: a signal begins with a prefix; 12: a message has a type of at most 16 and its length; 11.3: items,
    which fill it."""
    cdef uint32_t end = be16(s, 2) + 4
    cdef uint32_t at = 4
    if s.proto == UDP:
        return yes(has(s, 0, b"DLEP", 4) and be16(s, 6) + 8 == s.wire)
    if s.n < 4 or not 1 <= be16(s, 0) <= 16 or end > s.n:
        return NO
    while at + 4 <= end:
        if not 1 <= be16(s, at) <= 30 or be16(s, at + 2) == 0:
            return NO
        at += 4 + be16(s, at + 2)
    return yes(at == end and (end > 4 or be16(s, 0) == 6 or be16(s, 0) == 16))     # the end's answer, a heartbeat


cdef Answer capwap(const Sight *s, Found *out) noexcept nogil:
    """RFC 5415, 4.3: version 0, a header of 8 bytes or more, what radio it is (5 bits), three flags that are 0, a fragment's
    place only where it is one, whatever flags say that the header has; 4.5.1.1: of control a kind, the length, 0.  4.2: DTLS
    behind four bytes."""
    cdef uint32_t flags = be16(s, 2)
    cdef uint32_t at = byte_at(s, 1) >> 3 << 2
    if s.n < 8:
        return NO
    if s.data[0] == 1:
        return yes(be32(s, 0) == 0x01000000 and 20 <= s.data[4] <= 23 and s.data[5] == 0xFE)
    if s.data[0] or not 8 <= at <= 32 or flags >> 9 & 0x1F > 4 or flags & 7 or be16(s, 6) & 7:
        return NO
    if flags & 0x80 == 0 and be16(s, 6) or flags & 0x30 and at < 12 or flags & 0x08 and flags & 0x01B0:
        return NO                               # a fragment; a radio's address, its measurements; a keep-alive, which is alone
    if not to_or_from(s, 5246) or flags & 0x80 and be16(s, 6) >> 3:
        return yes(flags & 0x0100 == 0 or flags & 0x3E00)       # a frame of a radio that is told
    return yes(be32(s, at) >> 8 in (0, 13277) and 1 <= byte_at(s, at + 3) <= 26 and byte_at(s, at + 7) == 0
               and (flags & 0x80 or be16(s, at + 5) + at + 5 <= s.wire))


cdef Answer vxlan(const Sight *s, Found *out) noexcept nogil:
    """RFC 7348, 5, with the group policy's bits, and VXLAN-GPE (4790), where what is inside is not IP."""
    if s.n < 8 or s.data[7]:
        return NO
    if to_or_from(s, 4790):
        return yes(s.data[0] & 0xF4 == 4 and be16(s, 1) == 0 and s.data[3])
    return yes(s.data[0] & 0x7F == 8 and s.data[1] & 0xB7 == 0 and (s.data[0] & 0x80 or be16(s, 2) == 0))


cdef Answer geneve(const Sight *s, Found *out) noexcept nogil:
    """RFC 8926, 3.4, where what is inside is not IP: version 0, zeros, options that fit, an EtherType of what is tunnelled:
    Ethernet, IP, MPLS, NSH, IS-IS' or ARP."""
    return yes(s.n >= 8 and be16(s, 0) & 0xC03F == 0 and s.data[7] == 0
               and be16(s, 2) in (0x6558, 0x0800, 0x86DD, 0x8847, 0x8848, 0x894F, 0x22F4, 0x0806)
               and 8 + 4 * <uint32_t>s.data[0] <= s.wire)


cdef Answer tzsp(const Sight *s, Found *out) noexcept nogil:
    """TaZmen Sniffer Protocol where what is inside is not IP: version 1; a packet (0, 1), Ethernet's, or with a radio's
    tags (18, 119, 127), or neither (4: a keepalive).  Tags are padding (0), an end (1), or have a length of a few bytes."""
    cdef uint32_t at = 4
    cdef int _
    if s.n < 4 or s.data[0] != 1:
        return NO
    if s.data[1] == 4:
        return yes(s.wire <= 5)
    if s.data[1] > 1 or be16(s, 2) not in (1, 18, 119, 127):
        return NO
    for _ in range(TZSP_TAGS_MAX):
        if byte_at(s, at) == 1:
            return yes(at < s.n and s.wire > at + 8)
        if byte_at(s, at) == 0:
            at += 1
        elif byte_at(s, at) in (0x0A, 0x0B, 0x0C, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x28, 0x29, 0x3C):
            at += 2 + byte_at(s, at + 1)
        else:
            return NO
    return NO


cdef Answer vqp(const Sight *s, Found *out) noexcept nogil:
    """Cisco's VMPS: version 1, an operation, an error, the number of items, the first item's type."""
    if s.n < 8 or s.data[0] != 1 or not 1 <= s.data[1] <= 4 or s.data[2] > 5:
        return NO
    return yes(0xC01 <= be32(s, 8) <= 0xC08 if s.data[3] else s.wire == 8)


cdef Answer ubiquiti(const Sight *s, Found *out) noexcept nogil:
    """Ubiquiti's discovery: version 1 or 2, a command, the length of the rest, then fields that fill it: a kind, a length;
    hardware addresses (1), those with IPv4's (2) and uptimes (10) have one of their own.  A question has no fields."""
    cdef uint32_t at = 4
    cdef uint32_t n
    if s.n < 4 or not 1 <= s.data[0] <= 2 or s.data[1] > 11 or be16(s, 2) + 4 != s.wire:
        return NO
    if s.data[0] == 1 and s.data[1]:            # it has one command, asked and answered
        return NO
    if s.data[0] == 2 and has(s, 2, b"\0\4\1\0\0\1", 6):       # how programs ask for version 2
        return YES
    while at + 3 <= s.n:
        n = be16(s, at + 1)
        if s.data[at] == 0 or s.data[at] == 1 and n != 6 or s.data[at] == 2 and n != 10 or s.data[at] == 10 and n != 4:
            return NO
        at += 3 + n
    return yes(at == s.wire or at < s.wire and s.n < s.wire or at > s.n and at <= s.wire)


cdef Answer meraki(const Sight *s, Found *out) noexcept nogil:
    """The magic of a device that talks to its cloud."""
    return yes(be32(s, 0) == 0xFEF72891U and s.n > 4)


cdef Answer check_point(const Sight *s, Found *out) noexcept nogil:
    """Check Point's cluster control: magic 0x1A90, a version, both ports 8116."""
    return yes(s.n > 20 and be16(s, 0) == 0x1A90 and s.sport == s.dport)


at_first(TCP, P_BGP, bgp, b"\xff")
at_first(TCP, P_OPENFLOW, openflow, b"\x01\x02\x03\x04\x05\x06")
at_first(TCP, P_BMP, bmp, b"\x03")
at_first(TCP, P_PCEP, pcep, b"\x20")
at_first(UDP, P_BABEL, babel, b"\x2a")
at_first(UDP, P_LMP, lmp, b"\x10")
at_first(UDP, P_MERAKICLOUD, meraki, b"\xfe")
at_ports(UDP, P_LISP, lisp, (4341, 4342))
at_ports(TCP, P_LISP, lisp_tcp, (4342,))
at_ports(UDP, P_HSRP, hsrp, (1985, 2029))
at_ports(UDP, P_BFD, bfd, (3784, 3785, 4784, 6784, 7784))
at_ports(UDP, P_RIP, rip, (520, 521))
at_ports(UDP, P_OLSR, olsr, (698,))
at_ports(UDP, P_AODV, aodv, (654,))
at_ports(UDP, P_HNCP, hncp, (8231,))
at_ports(UDP, P_LSPPING, lsp_ping, (3503,))
at_ports(TCP, P_RPKIRTR, rpki, (323, 3323, 8282))       # validators' own defaults beside the registered one
at_ports(TCP, P_MSDP, msdp, (639,))
at_ports(UDP, P_GLBP, glbp, (3222,))
at_ports(UDP, P_WCCP, wccp, (2048,))
at_ports(TCP, P_FPM, fpm, (2620,))
at_ports(UDP, P_VXLAN, vxlan, (4789, 4790, 8472))
at_ports(UDP, P_GENEVE, geneve, (6081,))
at_ports(UDP, P_TZSP, tzsp, (37008,))
at_ports(UDP, P_VQP, vqp, (1589,))
at_ports(BOTH, P_LDP, ldp, (646,))
at_ports(BOTH, P_DLEP, dlep, (854,))
at_ports(UDP, P_CAPWAP, capwap, (5246, 5247))
at_ports(UDP, P_UBNTAC2, ubiquiti, (10001,))
at_ports(UDP, P_CPHA, check_point, (8116,))
