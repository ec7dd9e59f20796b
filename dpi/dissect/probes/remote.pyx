"""Terminals and desktops."""

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcmp

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16


cdef Answer ssh(const Sight *s, Found *out) noexcept nogil:
    """RFC 4253, 4.2: both sides begin with their version, a line of 255 bytes at the most."""
    cdef Answer answer = starts(s, b"SSH-", 4)
    if answer == YES and s.n < 255 and not contains(s, b"\n", 1, 255):
        return MORE
    if answer == YES:
        set_agent(out, s.data, s.n)
    return answer


cdef bint is_lines(const Sight *s, uint32_t at, uint32_t end) noexcept nogil:
    """Whether what stands there is text with ends of lines."""
    if end > s.n:
        return False
    while at < end and (is_print(s.data[at]) or s.data[at] in (c'\r', c'\n', c'\t', 0x1B)):
        at += 1
    return at == end


cdef Answer telnet(const Sight *s, Found *out) noexcept nogil:
    """RFC 854: option negotiation comes first: IAC, WILL … DONT or SB, an option that is registered; two, or a line."""
    cdef uint32_t i = 0
    while i + 3 <= s.n and i < 6:
        if s.data[i] != 0xFF or not 0xFA <= s.data[i + 1] <= 0xFE or s.data[i + 2] > 49:
            return yes(i > 0 and (to_or_from(s, 23) or not s.from_opener and is_lines(s, i, i + 16)))
        if s.data[i + 1] == 0xFA:           # a subnegotiation is as long as it likes
            return yes(i > 0 or to_or_from(s, 23))
        i += 3
    if i == s.n or i == 6:
        return yes(i == 6 or to_or_from(s, 23))
    return MORE if s.data[i] == 0xFF else NO


cdef Answer vnc(const Sight *s, Found *out) noexcept nogil:
    """RFC 6143, 7.1.1."""
    return starts(s, b"RFB 00", 6)


cdef Answer rdp(const Sight *s, Found *out) noexcept nogil:
    """MS-RDPBCGR, 2.2.1.1: X.224 connection request or confirm in a TPKT (RFC 1006, 6)."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint16_t length
    if u8(&c) != 3 or u8(&c) != 0:
        return NO if s.n >= 2 or alive(&c) else MORE
    length = u16(&c)
    if u8(&c) + 5 != length or length < 11:
        return NO if alive(&c) else MORE
    if u8(&c) & 0xE0 != 0xC0 and byte_at(s, 5) & 0xF0 != 0xE0:      # 0xE0 request, 0xD0 confirm
        return NO if alive(&c) else MORE
    if to_or_from(s, 3389):
        return yes(byte_at(s, 11) not in (0xC0, 0xC1, 0xC2))        # X.224's own parameters (13.3.4): of other protocols
    skip(&c, 5)
    if length >= 19 and left(&c) >= 8 and memcmp(c.p, b"Cookie: ", 8) == 0:
        return YES
    if u8(&c) in (1, 2) and u8(&c) <= 0x1F and u16(&c) == 0x0800:    # RDP_NEG_REQ, RDP_NEG_RSP
        return yes(alive(&c))
    return NO


cdef Answer rdp_udp(const Sight *s, Found *out) noexcept nogil:
    """MS-RDPEUDP, 2.2.2.1: a SYN's source acknowledgement is all ones, its padding to 1,132 bytes or more."""
    return yes(s.wire >= 1132 and s.n >= 16 and be32(s, 0) == 0xFFFFFFFFU and be16(s, 6) & 0x0001
               and be16(s, 12) <= 1500 and be16(s, 14) <= 1500)


cdef Answer radmin(const Sight *s, Found *out) noexcept nogil:
    """Radmin 3: version 1, a big-endian length, a checksum; the first message of either side is as long as always."""
    if s.n < 10 or be32(s, 0) != 0x01000000:
        return MORE if s.n < 10 and starts(s, b"\x01\0\0\0", 4) != NO and to_or_from(s, 4899) else NO
    if s.from_opener:
        return yes(s.data[4] == 1 and be16(s, 8) == 0x0808 or s.data[4] == 5 and be16(s, 8) == 0x2727)
    return yes(s.data[4] == 0x25 and be32(s, 7) == 0x02120802 or s.data[4] == 5 and be16(s, 8) == 0x2727)


cdef Answer nomachine(const Sight *s, Found *out) noexcept nogil:
    """NX: the name of the side's program and its version, then TLS."""
    return yes(has(s, 0, b"NXSH-", 5) or has(s, 0, b"NXD-", 4) or has(s, 0, b"NXSSH-", 6))


cdef Answer nomachine_udp(const Sight *s, Found *out) noexcept nogil:
    """NX over UDP: version 1, the datagram's own length, two zeros, all little-endian; on other ports two of them."""
    return yes(s.n >= 10 and le16(s, 2) == 1 and le16(s, 4) == s.wire and be16(s, 8) == 0
               and (to_or_from(s, 4000) or agreed(s, 0x4E580001)))


cdef Answer citrix(const Sight *s, Found *out) noexcept nogil:
    """ICA's and CGP's greetings."""
    return yes(has(s, 0, b"\x7f\x7fICA\0", 6) or has(s, 0, b"\x07\x07ICA\0", 6) or has(s, 0, b"\x1aCGP/01", 7))


cdef Answer citrix_browser(const Sight *s, Found *out) noexcept nogil:
    """The ICA browser, by which clients look for farms: the length of all, little-endian, a kind, the magic."""
    return yes(s.n >= 8 and le16(s, 0) == s.wire and be32(s, 4) == 0x02FDA8E3)


cdef Answer teamviewer(const Sight *s, Found *out) noexcept nogil:
    """Command 0x1724 or 0x1130 in front, then the version, a command that is known, and the length."""
    if s.n < 5:
        return NO
    return yes((s.data[0] == 0x17 and s.data[1] == 0x24 or s.data[0] == 0x11 and s.data[1] == 0x30)
               and (to_or_from(s, 5938) or s.data[0] == 0x17 and s.n >= 9 and 0x0A <= s.data[2] <= 0x40
                    and le16(s, 3) + 5 <= s.n))


cdef Answer teamviewer_udp(const Sight *s, Found *out) noexcept nogil:
    """The same magic number, behind a counter, three zeros and the side's identity."""
    if s.n < 14 or s.data[0] or s.data[11] != 0x17 or s.data[12] != 0x24:
        return NO
    return yes(to_or_from(s, 5938) or s.data[1] == 0 and s.data[2] == 0 or agreed(s, 0x17240000))


cdef Answer vmware(const Sight *s, Found *out) noexcept nogil:
    """The heartbeat of an ESX host to vCenter."""
    return yes(s.dport == 902 and s.wire == 66 and s.data[0] == 0xA4)


cdef Answer vmware_auth(const Sight *s, Found *out) noexcept nogil:
    """The authentication daemon greets."""
    return starts(s, b"220 VMware Authentication Daemon", 32)


cdef Answer xdmcp(const Sight *s, Found *out) noexcept nogil:
    """XDMCP 1.1, 6: version 1, an opcode of 1 to 15, the length of the rest."""
    return yes(s.n >= 6 and be16(s, 0) == 1 and 1 <= be16(s, 2) <= 15 and be16(s, 4) + 6 == s.wire)


cdef Answer x11(const Sight *s, Found *out) noexcept nogil:
    """X11, 8: what XDMCP's session opens to the display: the order of bytes, version 11.0, how it is authorised."""
    cdef bint little = s.data[0] == c'l'
    cdef uint32_t name = le16(s, 6) if little else be16(s, 6)
    cdef uint32_t secret = le16(s, 8) if little else be16(s, 8)
    return yes(s.n >= 12 and s.data[1] == 0 and (le16(s, 2) if little else be16(s, 2)) == 11 and be16(s, 4) == 0
               and name <= 64 and secret <= 256 and (name + 3 & 0xFC) + (secret + 3 & 0x1FC) + 12 == s.n
               and printable(s, 12, name))


cdef Answer rsh(const Sight *s, Found *out) noexcept nogil:
    """RFC 1282 and rshd(8): a port for errors or nothing, then two names that end by a zero, from a privileged port.

    Of rexecd(8), from any port: behind the names is a command that a zero ends, and no more.
    """
    cdef uint32_t i = 0
    cdef int names = 0
    cdef int wanted = 2 if s.sport < 1024 else 3
    if not s.from_opener:
        return NO
    while i < s.n and is_digit(s.data[i]) and i < 5:
        i += 1
    if i < s.n and s.data[i] != 0:
        return NO
    i += 1
    while i < s.n and names < wanted:
        if s.data[i] == 0:
            names += 1
        elif not is_print(s.data[i]):
            return NO
        i += 1
    if names < wanted:
        return MORE if wanted == 2 else NO
    return yes(wanted == 2 or i == s.n and s.data[i - 2] != 0)


cdef Answer spice(const Sight *s, Found *out) noexcept nogil:
    """SPICE's link message of either side: the magic, a version, little-endian."""
    if s.n < 8:
        return starts(s, b"REDQ", 4) if s.n < 4 else NO
    return yes(has(s, 0, b"REDQ", 4) and 1 <= le32(s, 4) <= 2)


cdef Answer sap_ni(const Sight *s, Found *out) noexcept nogil:
    """SAP's network interface: a length, then what a router is asked, a message server's word, or what a GUI says first to a
    dispatcher; at their ports also a dispatcher's packed answers, and requests to a gateway, whose version comes first."""
    cdef uint32_t length = be32(s, 0)
    if length > 1 << 20:
        return NO
    if (has(s, 4, b"NI_ROUTE\0", 9) or has(s, 4, b"NI_RTERR\0", 9) or has(s, 4, b"NI_PING\0", 8)
            or has(s, 4, b"NI_PONG\0", 8) or has(s, 4, b"**MESSAGE**\0", 12)
            or length > 200 and has(s, 4, b"\xff\xff\xff\xff\x0a", 5)):
        return YES
    if 3200 <= s.sport < 3300 or 3200 <= s.dport < 3300:
        return yes(length >= 16 and has(s, 17, b"\x1f\x9d", 2))
    return yes((3300 <= s.sport < 3400 or 3300 <= s.dport < 3400) and 64 <= length <= 512
               and fills(s, length + 4, 0, 2) and 1 <= s.data[4] <= 3 and s.data[5] in (3, 9))


cdef Answer adb(const Sight *s, Found *out) noexcept nogil:
    """Android's debug bridge, its transport: a command, two arguments, a length, a check sum, the command inverted."""
    return yes(s.n >= 24 and le32(s, 20) == le32(s, 0) ^ 0xFFFFFFFFU and le32(s, 12) <= 1 << 20 and (
        has(s, 0, b"CNXN", 4) or has(s, 0, b"STLS", 4) or has(s, 0, b"AUTH", 4) or has(s, 0, b"OPEN", 4)
        or has(s, 0, b"OKAY", 4) or has(s, 0, b"WRTE", 4) or has(s, 0, b"CLSE", 4)))


at_first(TCP, P_SSH, ssh, b"S")
at_first(TCP, P_VNC, vnc, b"R")
at_first(TCP, P_NOMACHINE, nomachine, b"N")
at_first(TCP, P_CITRIX, citrix, b"\x07\x7f\x1a")
at_first(TCP, P_RDP, rdp, b"\x03")
at_first(TCP, P_RADMIN, radmin, b"\x01")
at_first(TCP, P_VMWARE, vmware_auth, b"2")
at_first(TCP, P_TELNET, telnet, b"\xff")
at_first(TCP, P_TEAMVIEWER, teamviewer, b"\x11\x17")
at_first(TCP, P_SPICE, spice, b"R")
at_first(TCP, P_SAPNI, sap_ni, b"\x00")
at_first(TCP, P_ADB, adb, b"CSAOW")
at_ports(UDP, P_CITRIX, citrix_browser, (1604,))
at_ports(TCP, P_RSH, rsh, (512, 513, 514))
at_first(UDP, P_RDP, rdp_udp, b"\xff")
at_first(UDP, P_TEAMVIEWER, teamviewer_udp, b"\x00")
at_ports(UDP, P_VMWARE, vmware, (902,))
at_ports(UDP, P_XDMCP, xdmcp, (177,))
at_ports(TCP, P_XDMCP, x11, range(6000, 6064))
at_any(UDP, P_NOMACHINE, nomachine_udp)
