"""How machines and networks are watched."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport strlen

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, over, skip, u8


cdef Answer snmp(const Sight *s, Found *out) noexcept nogil:
    """RFC 3416, 3 (3430 over TCP): a sequence of all that is there: version (0, 1, 3), then a community or a header."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t version, tag
    cdef uint32_t n, length, start
    skip(&c, 1)
    n = ber_length(&c)
    start = <uint32_t>(c.p - s.data) if alive(&c) else 0
    length = n + start
    if u8(&c) != 2 or u8(&c) != 1:
        return NO
    version = u8(&c)
    tag = u8(&c)
    if not alive(&c) or version not in (0, 1, 3) or tag != (0x30 if version == 3 else 0x04):
        return NO
    if to_or_from(s, 161) or to_or_from(s, 162):
        return YES
    n = ber_length(&c)
    skip(&c, n)
    tag = u8(&c)
    return yes(alive(&c) and fills(s, length, start, 4) and (tag == 0x04 if version == 3 else 0xA0 <= tag <= 0xA8))


cdef Answer syslog(const Sight *s, Found *out) noexcept nogil:
    """RFC 5424, 6.2.1 and RFC 3164, 4.1.1: a priority of at most 191 in angle brackets, then a version or a month.

    Over TCP its length may stand before it (RFC 6587, 3.4.1).
    """
    cdef uint32_t start = 0
    cdef uint32_t i, end
    cdef uint32_t value = 0
    while s.proto == TCP and start < 5 and is_digit(byte_at(s, start)):
        start += 1
    if start and byte_at(s, start) == c' ':
        start += 1
    i = start + 1
    if s.n < start + 5 or s.data[start] != c'<':
        return NO
    while i < start + 4 and is_digit(s.data[i]):
        value = value * 10 + s.data[i] - c'0'
        i += 1
    if i == start + 1 or s.data[i] != c'>' or value > 191:
        return NO
    i += 1
    if to_or_from(s, 514) or to_or_from(s, 601) or has(s, i, b"1 ", 2) and is_digit(byte_at(s, i + 2)):
        return YES
    end = i                                     # Cisco's: a sequence number, a time, %FACILITY-SEVERITY-MNEMONIC
    while is_digit(byte_at(s, end)) and end < i + 10:
        end += 1
    if has(s, end, b": ", 2) and contains(s, b": %", 3, end + 64):
        return YES
    if byte_at(s, i + 3) == c' ' and is_digit(byte_at(s, i + 5)) and byte_at(s, i + 6) == c' ':
        return yes(c'A' <= s.data[i] <= c'S' and byte_at(s, i + 9) == c':')
    return yes(has(s, i, b"date=", 5) or has(s, i, b"20", 2) and byte_at(s, i + 4) == c'-')


cdef Answer collectd(const Sight *s, Found *out) noexcept nogil:
    """collectd's binary protocol: a host's name with a zero, then a time; or an encrypted or signed part."""
    cdef uint32_t n = be16(s, 2)
    if be16(s, 0) == 0x0210 or be16(s, 0) == 0x0200:
        return yes(to_or_from(s, 25826) and 36 <= n <= s.wire)
    if be16(s, 0) or not 6 <= n < s.n or s.data[n - 1] or not printable(s, 4, n - 5):
        return NO
    return yes(be16(s, n) in (1, 8) and be16(s, n + 2) == 12)


cdef Answer munin(const Sight *s, Found *out) noexcept nogil:
    """The node's greeting, a line that ends in its name."""
    cdef Answer answer = starts(s, b"# munin node at ", 16)
    return MORE if answer == YES and s.n < 300 and not contains(s, b"\n", 1, 300) else answer


cdef Answer checkmk(const Sight *s, Found *out) noexcept nogil:
    """The agent's first section."""
    return starts(s, b"<<<check_mk>>>", 14)


cdef Answer kismet(const Sight *s, Found *out) noexcept nogil:
    """The server's greeting."""
    return starts(s, b"*KISMET: ", 9)


cdef Answer netflow(const Sight *s, Found *out) noexcept nogil:
    """NetFlow 1, 5, 7, 9 (RFC 3954, 5.1) and IPFIX (RFC 7011, 3.1): version, records or length, a time of this age."""
    cdef uint16_t version = be16(s, 0)
    cdef uint16_t count = be16(s, 2)
    cdef uint32_t time = be32(s, 8)
    if s.n < 16:
        return NO
    if version == 10:
        return yes(count == s.wire and be32(s, 4) > 900000000 and (be16(s, 16) in (2, 3) or be16(s, 16) > 255)
                   and 4 <= be16(s, 18) <= count - 16)
    if version == 5:
        return yes(1 <= count <= 30 and s.wire == 24 + 48 * <uint32_t>count and be32(s, 12) < 1000000000)
    if version == 7:
        return yes(1 <= count <= 30 and s.wire == 24 + 52 * <uint32_t>count and be32(s, 12) < 1000000000)
    if version == 1:                            # Cisco's records have four reserved bytes at their end, others' not
        return yes(1 <= count <= 30 and (s.wire == 16 + 52 * <uint32_t>count or s.wire == 16 + 48 * <uint32_t>count)
                   and time > 900000000 and be32(s, 12) < 1000000000)
    return yes(version == 9 and 1 <= count <= 255 and 900000000 < time < 0xF0000000U
               and (be16(s, 20) <= 1 or be16(s, 20) > 255) and 4 <= be16(s, 22) <= s.wire - 20 and be16(s, 22) % 4 == 0)


cdef Answer sflow(const Sight *s, Found *out) noexcept nogil:
    """sFlow 5: version, the agent's address of 4 or 16 bytes, which part of it, a sequence, its uptime, the number of
    samples, the first one's type, a vendor's number above its lower 12 bits; RFC 3176, 4: versions 2 and 4 have no parts."""
    cdef uint32_t at = (20 if be32(s, 0) == 5 else 16) + (4 if be32(s, 4) == 1 else 16)
    return yes(be32(s, 0) in (2, 4, 5) and be32(s, 4) in (1, 2) and s.n >= at + 8 and 1 <= be32(s, at) <= 64
               and be32(s, at + 4) & 0xFFF <= 5 and be32(s, at + 4) >> 24 == 0
               and (be32(s, 0) != 5 or be32(s, at + 8) % 4 == 0 and 8 <= be32(s, at + 8) <= s.wire - at - 12))


cdef Answer ripe_atlas(const Sight *s, Found *out) noexcept nogil:
    """A probe's measurement with its name."""
    return starts(s, b"MGLNDD_", 7)


cdef bint ipmi_session(const Sight *s) noexcept nogil:
    """IPMI 2.0, 13.6: nothing is acknowledged (0xFF); how it is authenticated, and the length of what is carried."""
    cdef uint8_t kind = byte_at(s, 4)
    cdef uint32_t at = 13 if kind == 0 else 29
    if s.data[2] != 0xFF:
        return False
    if kind == 6:                               # RMCP+: an integrity check may follow
        at = le16(s, 14) + 16
        return s.n >= 16 and byte_at(s, 5) & 0x3F <= 0x15 and at <= s.wire <= at + 40
    at += 1 + byte_at(s, at)
    return kind in (0, 1, 2, 4, 5) and at <= s.wire <= at + 1      # a byte of padding


cdef Answer rmcp(const Sight *s, Found *out) noexcept nogil:
    """ASF 2.0, 3.2.2: version 6, 0, a sequence, a class: ASF with its enterprise number, or IPMI."""
    if s.n < 8 or s.data[0] != 6 or s.data[1] != 0:
        return NO
    if s.data[3] & 0x7F == 6:
        return yes(be32(s, 4) == 4542)
    return yes(s.data[3] & 0x7F == 7 and (to_or_from(s, 623) or to_or_from(s, 664) or ipmi_session(s)))


cdef Answer eaq(const Sight *s, Found *out) noexcept nogil:
    """The Brazilian measurement of broadband: 16 bytes, of which the first four count in digits, bare or as text."""
    cdef uint32_t i
    if s.wire != 16 or s.n < 16:
        return NO
    for i in range(4):
        if not is_digit(s.data[i]) and s.data[i] > 9:
            return NO
    return yes(agreed(s, 0xEA000000U) and s.turn >= 1)


cdef Answer iperf3(const Sight *s, Found *out) noexcept nogil:
    """iperf3: each of a client's connections begins with the test's name, 36 characters (letters and 2 to 7; in old
    versions host, time and a number: those at their port alone) and a zero; over UDP one of two numbers is answered by
    its mirror image, in the byte order of either machine."""
    cdef uint32_t i
    cdef uint32_t same = 0
    if s.proto == UDP:
        return yes(s.wire == 4 and s.turn == 0 and be32(s, 0) in (
            0x36373839, 0x39383736, 0x075BCD15, 0x15CD5B07, 0x3ADE68B1, 0xB168DE3AU))
    if not s.from_opener or s.n < 37 or s.data[36]:
        return NO
    if to_or_from(s, 5201) and printable(s, 0, 36):
        return YES
    for i in range(36):
        if not (c'a' <= s.data[i] <= c'z' or c'2' <= s.data[i] <= c'7'):
            return NO
        same += s.data[i] == s.data[0]
    return yes(same < 12)                       # they are drawn at random


cdef bint iperf2_test(const Sight *s, uint32_t at) noexcept nogil:
    """iperf 2.1's header for a test: flags that there are a length and more fields, the length, threads, a port, …, a version 2."""
    cdef uint32_t flags = be32(s, at)
    return (s.n >= at + 44 and flags & 0x40010000 == 0x40010000 and 56 <= (flags >> 1 & 0xFF) and 1 <= be32(s, at + 4) <= 512
            and 1 <= be32(s, at + 8) <= 0xFFFF and be16(s, at + 36) == 2 and be16(s, at + 38) < 16)


cdef Answer iperf2(const Sight *s, Found *out) noexcept nogil:
    """iperf 2: a header, then the ten digits over and over, or from 2.1 on zeros; over UDP a number and a time before it.

    The older's length differs among the versions, and a client of one test over TCP sends none.
    """
    cdef uint32_t at = 128
    cdef uint32_t i
    if iperf2_test(s, 0) or s.proto == UDP and be32(s, 8) < 1000000 and iperf2_test(s, 16):
        return YES
    if s.n < 160:
        if s.proto != UDP or s.n < 68 or s.n != s.wire or be32(s, 8) >= 1000000 or be32(s, 16) > 512:
            return NO
        at = s.n - 32
    if not is_digit(s.data[at]):
        return NO
    for i in range(at + 1, at + 32):
        if s.data[i] != (c'0' if s.data[i - 1] == c'9' else s.data[i - 1] + 1):
            return NO
    return YES


cdef Answer ossec(const Sight *s, Found *out) noexcept nogil:
    """OSSEC's and Wazuh's agents: over TCP a length (little-endian), an agent's number between exclamation marks unless
    its address tells who it is, then what it is enciphered by, Blowfish (a colon, at their port alone) or AES."""
    cdef uint32_t start = 4 if s.proto == TCP else 0
    cdef uint32_t at = start
    if start and not 5 < le32(s, 0) <= 1 << 17:
        return NO
    if byte_at(s, at) == c'!':
        at += 1
        while at < start + 10 and is_digit(byte_at(s, at)):
            at += 1
        if at == start + 1 or byte_at(s, at) != c'!':
            return NO
        at += 1
    return yes(has(s, at, b"#AES:", 5) or at > start and byte_at(s, at) == c':' and to_or_from(s, 1514))


cdef Answer ganglia(const Sight *s, Found *out) noexcept nogil:
    """Ganglia 3.1, in XDR (RFC 4506, 4.11): a message (128 to 136), the host's name, the metric's; over TCP the XML of
    the daemon, whose type of document is named after it."""
    cdef uint32_t host = be32(s, 4)
    cdef uint32_t at = 8 + (host + 3 & ~3U)
    if s.proto == TCP:
        if s.from_opener:
            return NO
        if contains(s, b"<!DOCTYPE GANGLIA_XML", 21, 256):
            return YES
        return MORE if s.n < 256 and starts(s, b"<?xml", 5) != NO else NO
    if not 128 <= be32(s, 0) <= 136 or not 1 <= host <= 255 or not printable(s, 8, host):
        return NO
    return yes(1 <= be32(s, at) <= 128 and printable(s, at + 4, be32(s, at)))


cdef Answer relp(const Sight *s, Found *out) noexcept nogil:
    """RELP: the transaction's number, the command, a length."""
    return yes((has(s, 0, b"1 open ", 7) or has(s, 0, b"1 rsp ", 6)) and is_digit(byte_at(s, 7 if s.data[2] == c'o' else 6)))


cdef Answer lumberjack(const Sight *s, Found *out) noexcept nogil:
    """Lumberjack, of Elastic's Beats: a version, the window's size, then events in JSON or compressed; an acknowledgement."""
    if s.n < 6 or be32(s, 2) > 1 << 16:
        return NO
    if s.data[1] == c'W' and s.n >= 8:
        return yes(s.data[6] == s.data[0] and s.data[7] in (c'C', c'J', c'D'))
    return yes(s.n == 6 and s.data[1] in (c'W', c'A') and to_or_from(s, 5044))


cdef Answer gelf(const Sight *s, Found *out) noexcept nogil:
    """GELF of Graylog: JSON with what every message has; at its port also chunks, and what is compressed."""
    if s.data[0] == c'{':
        return yes(contains(s, b'"short_message"', 15, 512))
    if not to_or_from(s, 12201):
        return NO
    return yes(be16(s, 0) == 0x1E0F and byte_at(s, 10) < byte_at(s, 11) <= 128 or be16(s, 0) == 0x1F8B
               or s.data[0] == 0x78 and be16(s, 0) % 31 == 0)


cdef Answer statsd(const Sight *s, Found *out) noexcept nogil:
    """StatsD's lines: a name, a colon, a value, a bar, the kind; DogStatsD's events and checks (its datagram format)."""
    cdef uint32_t i = 0
    cdef bint value = False
    if has(s, 0, b"_e{", 3) or has(s, 0, b"_sc|", 4):
        return YES
    while i < s.n and i < 256 and is_print(s.data[i]):
        value = value or i > 0 and s.data[i] == c':'
        if value and s.data[i] == c'|':
            return yes(byte_at(s, i + 1) in (c'c', c'g', c'm', c'h', c's', c'd'))
        i += 1
    return NO


cdef Answer statsd_elsewhere(const Sight *s, Found *out) noexcept nogil:
    """Away from its port a line that is all as it should be: a longer name, a number, a kind and what may follow it."""
    cdef uint32_t i = 0
    cdef uint32_t value
    while i < s.n and i < 256 and is_print(s.data[i]) and s.data[i] not in (c' ', c':', c'|'):
        i += 1
    if i < 4 or byte_at(s, i) != c':':
        return NO
    value = i + 1
    i = value + (byte_at(s, value) in (c'-', c'+'))
    while is_digit(byte_at(s, i)) or i > value and byte_at(s, i) == c'.':
        i += 1
    if i == value or i > value + 24 or byte_at(s, i) != c'|':
        return NO
    if not has(s, i, b"|ms", 3) and byte_at(s, i + 1) not in (c'c', c'g', c'h', c's', c'd'):
        return NO
    i += 3 if has(s, i, b"|ms", 3) else 2
    return yes(i == s.n or s.data[i] == 10 or s.data[i] == c'|' and byte_at(s, i + 1) in (c'@', c'#', c'c', c'T'))


cdef const char **NUT_ASKED = [
    b"LIST UPS\n", b"LIST VAR ", b"LIST RW ", b"LIST CMD ", b"LIST ENUM ", b"LIST RANGE ", b"LIST CLIENT ",
    b"GET VAR ", b"GET TYPE ", b"GET DESC ", b"GET CMDDESC ", b"GET UPSDESC ", b"GET NUMLOGINS ", b"GET TRACKING",
    b"USERNAME ", b"STARTTLS\n", b"VER\n", b"NETVER\n", b"PROTVER\n", b"INSTCMD ", b"SET VAR ", b"LOGIN ", NULL]
cdef const char **NUT_ANSWERED = [
    b"BEGIN LIST ", b"OK STARTTLS", b"OK Goodbye", b"OK TRACKING ", b"VAR ", b"UPSDESC ", b"NUMLOGINS ",
    b"ERR ACCESS-DENIED", b"ERR ALREADY-", b"ERR DATA-STALE", b"ERR DRIVER-NOT-", b"ERR FEATURE-NOT-", b"ERR INVALID-",
    b"ERR UNKNOWN-", b"ERR VAR-NOT-", b"ERR CMD-NOT-", b"ERR USERNAME-REQ", b"ERR PASSWORD-REQ", NULL]


cdef Answer nut(const Sight *s, Found *out) noexcept nogil:
    """Network UPS Tools (RFC 9271, 4.2): commands and answers, a line each, with what they are about; OK alone tells nothing."""
    cdef const char **word = NUT_ASKED if s.from_opener else NUT_ANSWERED
    while word[0] != NULL and not has(s, 0, word[0], <uint32_t>strlen(word[0])):
        word += 1
    return yes(word[0] != NULL)


cdef Answer apcupsd(const Sight *s, Found *out) noexcept nogil:
    """apcupsd's information server: a length, what is asked for."""
    return yes(be16(s, 0) + 2 == s.n and (has(s, 2, b"status", 6) or has(s, 2, b"events", 6)))


at_first(TCP, P_MUNIN, munin, b"#")
at_first(TCP, P_CHECKMK, checkmk, b"<")
at_first(TCP, P_KISMET, kismet, b"*")
at_first(TCP, P_GANGLIA, ganglia, b"<")
at_first(UDP, P_GANGLIA, ganglia, b"\x00")
at_first(BOTH, P_RIPEATLAS, ripe_atlas, b"M")
at_first(UDP, P_IPERF, iperf3, b"\x36\x39\x07\x15\x3a\xb1")
at_first(BOTH, P_SYSLOG, syslog, b"<")
at_first(TCP, P_SYSLOG, syslog, b"123456789")
at_first(BOTH, P_SNMP, snmp, b"\x30")
at_first(UDP, P_RMCP, rmcp, b"\x06")
at_first(UDP, P_COLLECTD, collectd, b"\x00\x02")
at_first(UDP, P_SFLOW, sflow, b"\x00")
at_first(UDP, P_NETFLOW, netflow, b"\x00")
at_first(UDP, P_OSSEC, ossec, b"!#")
at_first(TCP, P_RELP, relp, b"1")
at_first(TCP, P_LUMBERJACK, lumberjack, b"12")
at_first(BOTH, P_GELF, gelf, b"{\x1e\x1f\x78")
at_ports(TCP, P_OSSEC, ossec, (1514,))
at_ports(UDP, P_EAQ, eaq, (6000,))
at_ports(BOTH, P_STATSD, statsd, (8125,))
at_ports(TCP, P_NUT, nut, (3493,))
at_ports(TCP, P_APCUPSD, apcupsd, (3551,))
at_any(TCP, P_IPERF, iperf3)
at_any(UDP, P_STATSD, statsd_elsewhere)        # last: some games' and apps' own reports are in this form
at_any(BOTH, P_IPERF, iperf2)
