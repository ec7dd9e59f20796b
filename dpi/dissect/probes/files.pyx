"""Files: shares, disks, transfer, synchronisation."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer rsync(const Sight *s, Found *out) noexcept nogil:
    """The daemon's greeting (rsyncd, csprotocol.txt)."""
    return starts(s, b"@RSYNCD:", 8)


cdef Answer smb(const Sight *s, Found *out, uint8_t magic, uint16_t label) noexcept nogil:
    """MS-SMB2, 2.1: behind the 4 bytes of direct TCP transport, or of a NetBIOS session, which then carries it."""
    if s.data[0] != 0:
        return NO
    if s.n < 8:
        return MORE if to_or_from(s, 445) or to_or_from(s, 139) else NO
    if s.data[4] != magic or not has(s, 5, b"SMB", 3):
        return NO
    if to_or_from(s, 139):
        out.label = P_NETBIOS
        out.app = label
    return YES


cdef Answer smb1(const Sight *s, Found *out) noexcept nogil:
    """MS-CIFS, 2.2.3.1.

    A client that speaks both versions opens with the first one's NEGOTIATE, which offers SMB 2 among its dialects
    (MS-SMB2, 3.2.4.2.2.1): what comes next tells which it is, the server's answer or the client's second message.
    """
    cdef Answer answer = smb(s, out, 0xFF, P_SMBV1)
    cdef uint32_t end = 4 + (be32(s, 0) & 0x1FFFF)
    if answer != YES:
        return answer
    if s.n < 14:
        return MORE
    if s.data[8] != 0x72 or s.data[13] & 0x80:      # NEGOTIATE, and not the server's
        return YES
    if s.n < end:
        return MORE
    if not contains(s, b"\x02SMB 2.", 7, end):
        return YES
    if s.n < end + 8:
        return MORE
    if s.data[end + 4] == 0xFF:
        return YES
    if to_or_from(s, 139):
        out.app = P_SMBV23
    else:
        out.label = P_SMBV23
    return YES


cdef Answer smb2(const Sight *s, Found *out) noexcept nogil:
    """MS-SMB2, 2.2.1; 0xFD is an encrypted message, 0xFC a compressed one."""
    return yes(smb(s, out, 0xFE, P_SMBV23) == YES or smb(s, out, 0xFD, P_SMBV23) == YES
               or smb(s, out, 0xFC, P_SMBV23) == YES)


cdef Answer netbios_session(const Sight *s, Found *out) noexcept nogil:
    """RFC 1002, 4.3.2: session request: both names are encoded to 32 bytes; what is carried comes once it is granted."""
    return yes(be16(s, 0) == 0x8100 and be16(s, 2) in (68, 72) and byte_at(s, 4) == 32)


cdef bint rpc_program(uint32_t program) noexcept nogil:
    """RFC 5531, 13: the port mapper, and what is needed for NFS."""
    return program in (100000, 100003, 100005, 100021, 100024, 100227, 400122)


cdef Answer sun_rpc(const Sight *s, Found *out) noexcept nogil:
    """RFC 5531, 9: xid, CALL, version 2, the program, its version; over TCP behind a record mark (11)."""
    cdef uint32_t at = 4 if s.proto == TCP else 0
    if s.n < at + 20:
        return NO
    if at and (be32(s, 0) & 0x7FFFFFFF < 20 or be32(s, 0) & 0x7FFFFFFF > 1 << 24):
        return NO
    return yes(be32(s, at + 4) == 0 and be32(s, at + 8) == 2 and rpc_program(be32(s, at + 12))
               and be32(s, at + 16) <= 4)


cdef Answer sun_rpc_answer(const Sight *s, Found *out) noexcept nogil:
    """RFC 5531, 9, joined later: xid, REPLY, accepted, a verifier of a kind that there is (8.2), a status; its ports."""
    cdef uint32_t at = 4 if s.proto == TCP else 0
    return yes(s.n >= at + 24 and be32(s, at + 4) == 1 and be32(s, at + 8) == 0
               and (be32(s, at + 12) <= 3 or be32(s, at + 12) == 6) and be32(s, at + 16) <= 400
               and (be32(s, at + 16) or be32(s, at + 20) <= 5))


cdef Answer afp(const Sight *s, Found *out) noexcept nogil:
    """Apple's Data Stream Interface: request or reply, a command of 1 to 8, an id, an offset, the length, 0."""
    if s.n < 16 or s.data[0] > 1 or not 1 <= s.data[1] <= 8 or be32(s, 12) or be32(s, 8) > 1 << 16:
        return NO
    if s.data[0] == 0 and be32(s, 4) > 1 << 16:
        return NO
    if not fills(s, be32(s, 8) + 16, 12, 4) or s.n > be32(s, 8) + 16 and not 1 <= byte_at(s, be32(s, 8) + 17) <= 8:
        return NO
    # Elsewhere: an enquiry, or a session that is opened, with one option of four bytes, and no error of either.
    return yes(to_or_from(s, 548) or be32(s, 4) == 0 and (s.data[1] == 3 or s.data[1] == 4 and byte_at(s, 17) in (0, 4)))


cdef Answer iscsi(const Sight *s, Found *out) noexcept nogil:
    """RFC 7143, 11.12: a login request, immediate; version 0, no header segments, its text names the initiator."""
    if s.n < 48:
        return NO
    if s.data[0] == 0x43:
        return yes(s.data[2] == 0 and s.data[3] == 0 and contains(s, b"InitiatorName=", 14, 1024))
    return yes(s.data[0] == 0x23 and not s.from_opener and s.data[2] == 0 and s.data[4] == 0 and be16(s, 38) == 0
               and (contains(s, b"Target", 6, 512) or contains(s, b"AuthMethod", 10, 512) or to_or_from(s, 3260)))


cdef Answer ceph(const Sight *s, Found *out) noexcept nogil:
    """Ceph's messenger: the banner of version 1 or 2."""
    return yes(has(s, 0, b"ceph v0", 7) or has(s, 0, b"ceph v2\n", 8))


cdef Answer lustre(const Sight *s, Found *out) noexcept nogil:
    """LNet over sockets: the acceptor's magic, or the one of a connection's hello, in either byte order, and a version."""
    if s.n < 12:
        return NO
    return yes(le32(s, 0) in (0xACCE7100U, 0x45726963) and le32(s, 4) <= 15
               or be32(s, 0) in (0xACCE7100U, 0x45726963) and be32(s, 4) <= 15
               or le32(s, 0) == 0xC1 and s.n >= 96 and be16(s, 6) == 0 and le32(s, 52) + 96 <= s.n + 65536
               and le32(s, 44) <= 4 and to_or_from(s, 988))


cdef Answer tftp(const Sight *s, Found *out) noexcept nogil:
    """RFC 1350, 5: a request: opcode, file name, mode, both ended by a zero; or an answer from a port of its own.

    There the first block is full, or is acknowledged.
    """
    cdef uint32_t first = 0x7F000001            # what a side keeps: it has sent the first block, or waits for it
    cdef uint32_t i = 2
    cdef uint32_t j
    if s.n < 4 or s.data[0] != 0 or not 1 <= s.data[1] <= 6:
        return NO
    if s.data[1] == 3:
        if s.turn or be16(s, 2) != 1:           # joined later: what was acknowledged last, or is next
            return yes(be16(s, 2) > 1 and answered(s, 0x7D000000 | be16(s, 2), 0x7C000000 | be16(s, 2) - 1))
        if s.wire == 516 or to_or_from(s, 69) or s.theirs != NULL and s.theirs[0] == first:
            return YES
        agreed(s, first)
        return NO
    if s.data[1] == 4:
        if s.turn or s.wire != 4 or be16(s, 2) > 1:
            return yes(s.wire == 4 and be16(s, 2) > 1 and answered(s, 0x7C000000 | be16(s, 2), 0x7D000000 | be16(s, 2)))
        if to_or_from(s, 69) or s.theirs != NULL and s.theirs[0] == first:
            return YES
        agreed(s, first)
        return NO
    if s.data[1] == 5:
        return yes(be16(s, 2) <= 8 and s.n > 7 and s.data[s.n - 1] == 0 and s.wire == s.n and printable(s, 4, s.n - 5))
    if s.data[1] == 6:
        return yes(has(s, 2, b"blksize\0", 8) or has(s, 2, b"tsize\0", 6) or has(s, 2, b"timeout\0", 8))
    while i < s.n and s.data[i] >= 0x20:
        i += 1
    if i == 2 or i >= s.n or s.data[i]:
        return NO
    j = i + 1
    while j < s.n and lower(s.data[j]) >= c'a' and lower(s.data[j]) <= c'z':
        j += 1
    if j - i == 5:
        return yes(lower(s.data[i + 1]) == c'm' and lower(s.data[i + 2]) == c'a' and byte_at(s, j) == 0)
    if j - i == 6:
        return yes(lower(s.data[i + 1]) == c'o' and lower(s.data[i + 2]) == c'c' and byte_at(s, j) == 0)
    return yes(j - i == 9 and lower(s.data[i + 1]) == c'n' and lower(s.data[i + 2]) == c'e' and byte_at(s, j) == 0)


cdef Answer uftp(const Sight *s, Found *out) noexcept nogil:
    """UFTP 4 and 5: version, a function, …, 0, then that function's header with its length in words; of version 3 the
    length of the rest, three addresses, and the function again."""
    if s.n >= 17 and s.data[0] in (0x30, 0x31):
        return yes(1 <= s.data[1] <= 20 and be16(s, 2) + 16 == s.wire and be32(s, 4) != 0 and s.data[16] == s.data[1])
    return yes(s.n >= 24 and s.data[0] in (0x40, 0x50) and 1 <= s.data[1] <= 22 and s.data[15] == 0
               and s.data[16] == s.data[1] and 16 + 4 * <uint32_t>s.data[17] <= s.wire and s.data[17])


cdef Answer flute(const Sight *s, Found *out) noexcept nogil:
    """RFC 6726, 3.4.1 in LCT (RFC 5651, 5.1): version 1, the header's length; a table of files in XML."""
    return yes(s.n >= 16 and s.data[0] >> 4 == 1 and 4 <= s.data[2] <= 32 and contains(s, b"FDT-Instance", 12, 512))


cdef Answer syncthing(const Sight *s, Found *out) noexcept nogil:
    """Syncthing: the magics of local discovery, of the block exchange, of relays."""
    return yes(be32(s, 0) in (0x2EA7D90B, 0x9E79BC40U, 0x9D79BC40U, 0x9D79BC39U, 0x9F79BC40U) and s.n >= 8)


cdef Answer dropbox(const Sight *s, Found *out) noexcept nogil:
    """LAN sync announces a JSON object."""
    return yes(has(s, 0, b'{"host_int"', 11) or has(s, 0, b'{"version"', 10) and contains(s, b'"host_int"', 10, 512)
               or s.data[0] == c'{' and contains(s, b'"namespaces"', 12, 512))


cdef Answer subversion(const Sight *s, Found *out) noexcept nogil:
    """ra_svn's protocol (libsvn_ra_svn/protocol), 2: the server's greeting; a client's version, what it can do, the URL."""
    cdef Answer server = starts(s, b"( success ( ", 12)
    cdef Answer client = starts(s, b"( 2 ( ", 6)
    cdef uint32_t i
    if client != YES:
        out.unfinished = server == YES and is_digit(byte_at(s, 12))     # a greeting: the answer has the URL
        return client if server == NO else server
    for i in range(6, min(s.n, 512)):
        if has(s, i, b":svn://", 7):
            return YES if set_authority(out, s.data + i + 7, s.n - i - 7) or s.n >= 512 else MORE
    return YES if s.n >= 512 or has(s, s.n - 2, b") ", 2) else MORE


cdef Answer cvs(const Sight *s, Found *out) noexcept nogil:
    """CVS' password server (cvsclient, 2): how a client begins, how a server answers."""
    return yes(has(s, 0, b"BEGIN AUTH REQUEST\n", 19) or has(s, 0, b"BEGIN VERIFICATION REQUEST\n", 27)
               or has(s, 0, b"I LOVE YOU\n", 11) or has(s, 0, b"I HATE YOU\n", 11))


cdef Answer distcc(const Sight *s, Found *out) noexcept nogil:
    """distcc's protocol: tokens of four letters, each with a number of eight digits, the version first."""
    return yes((has(s, 0, b"DIST0000000", 11) or has(s, 0, b"DONE0000000", 11)) and is_digit(byte_at(s, 11)))


cdef Answer nbd(const Sight *s, Found *out) noexcept nogil:
    """NBD's handshake (proto.md): the server's magic; a client's flags and the word before each option."""
    if s.data[0] == 0:
        return yes(be32(s, 0) <= 3 and has(s, 4, b"IHAVEOPT", 8))
    return starts(s, b"NBDMAGIC", 8)


cdef Answer drbd(const Sight *s, Found *out) noexcept nogil:
    """DRBD's headers of 8 and of 16 bytes: the magic, a command."""
    return yes(s.n >= 8 and be32(s, 0) in (0x83740267U, 0x8620EC20U))


cdef Answer ndmp(const Sight *s, Found *out) noexcept nogil:
    """NDMP, 2.2: one record, sequence, time, request or reply, the message; a request has no sequence of a reply, no error."""
    cdef uint32_t length = be32(s, 0) & 0x7FFFFFFF
    return yes(s.n >= 28 and s.data[0] == 0x80 and fills(s, length + 4, 0, 2) and be32(s, 12) <= 1 and 0x100 <= be32(s, 16) < 0xC00
               and (be32(s, 12) == 1 or be32(s, 20) == 0 and be32(s, 24) == 0))


cdef Answer ncp(const Sight *s, Found *out) noexcept nogil:
    """NetWare's core protocol over TCP: a signature and a length either way, a client's also has version 1."""
    return yes(has(s, 0, b"DmdT", 4) and be32(s, 8) == 1 and be32(s, 4) <= 1 << 20
               or has(s, 0, b"tNcP", 4) and 8 <= be32(s, 4) <= 1 << 20)


cdef Answer bacula(const Sight *s, Found *out) noexcept nogil:
    """Bacula's and Bareos' daemons: a length, who calls or which job; the challenge that answers."""
    return yes(be32(s, 0) + 4 == s.n and (has(s, 4, b"auth cram-md5", 13) or has(s, 4, b"Hello ", 6) and (
        contains(s, b" calling", 8, 256) or contains(s, b"Start Job ", 10, 64))))


at_first(TCP, P_RSYNC, rsync, b"@")
at_first(TCP, P_SMBV1, smb1, b"\x00")
at_first(TCP, P_SMBV23, smb2, b"\x00")
at_first(TCP, P_CEPH, ceph, b"c")
at_first(TCP, P_LUSTRE, lustre, b"\x00\x63\x45\xac\xc1")
at_first(TCP, P_ISCSI, iscsi, b"\x43\x23")
at_first(TCP, P_AFP, afp, b"\x00\x01")
at_first(TCP, P_NFS, sun_rpc, b"\x00\x80")
at_first(BOTH, P_SYNCTHING, syncthing, b"\x2e\x9d\x9e\x9f")
at_first(UDP, P_TFTP, tftp, b"\x00")
at_first(UDP, P_UFTP, uftp, b"\x30\x31\x40\x50")
at_first(UDP, P_FLUTE, flute, bytes(range(0x10, 0x20)))
at_first(TCP, P_SUBVERSION, subversion, b"(")
at_first(TCP, P_CVS, cvs, b"BI")
at_first(TCP, P_DISTCC, distcc, b"D")
at_first(TCP, P_NBD, nbd, b"\x00N")
at_first(TCP, P_DRBD, drbd, b"\x83\x86")
at_first(TCP, P_NCP, ncp, b"Dt")
at_first(TCP, P_BACULA, bacula, b"\x00")
at_ports(TCP, P_NETBIOS, netbios_session, (139,))
at_ports(UDP, P_DROPBOX, dropbox, (17500,))
at_ports(BOTH, P_NFS, sun_rpc_answer, (111, 2049))
at_ports(TCP, P_NDMP, ndmp, (10000,))
at_any(UDP, P_NFS, sun_rpc)
