"""Mail, news and file transfer by command lines; over_tls.pyx says what they become by STARTTLS."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef enum:
    LINE_MAX = 512          # RFC 5321, 4.5.3.1.5


cdef bint greets_as_ftp(const Sight *s) noexcept nogil:
    """Whether the first line has the word, or a server's name that is as good; or a password is asked for at once."""
    return mentions(s, b"ftp", 3) or mentions(s, b"filezilla", 9) or contains(s, b"\n331 ", 5, LINE_MAX)


cdef Answer smtp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5321, 4.2 and 4.1.1.1: the server's greeting with its name, or the client's EHLO; in LMTP LHLO (RFC 2033)."""
    cdef uint32_t i = 4
    cdef bint dot = False
    if not s.from_opener and starts(s, b"220", 3) == YES and s.n > 4:
        if not (mentions(s, b"smtp", 4) or to_or_from(s, 25) or to_or_from(s, 587)) or greets_as_ftp(s):
            return NO
        while i < s.n and s.data[i] > 0x20:
            dot |= s.data[i] == c'.'
            i += 1
        if i == s.n and s.n < LINE_MAX:
            return MORE                 # a part of a name is another's
        if dot:
            set_host(out, s.data + 4, i - 4)
        return YES
    if not s.from_opener and (has(s, 0, b"554", 3) or has(s, 0, b"421", 3)):        # 3.1: no service
        return yes((to_or_from(s, 25) or to_or_from(s, 587)) and byte_at(s, 3) in (c' ', c'-'))
    if not s.from_opener or not (says(s, b"ehlo ", 5) or says(s, b"helo ", 5) or says(s, b"lhlo ", 5)):
        return NO
    while i < s.n and i < LINE_MAX and s.data[i] != c'\n':
        i += 1
    if i == s.n and s.n < LINE_MAX:
        return MORE
    return yes(byte_at(s, i - 1) == c'\r')        # 2.3.8; others greet so, too, but end the line their way


cdef Answer ftp(const Sight *s, Found *out) noexcept nogil:
    """RFC 959, 5.4: 220 and what the server calls itself, or that it needs a password then (331); the client says who it
    is, asks for TLS (RFC 4217, 4), or for names in UTF-8 (RFC 2389, 4)."""
    if not s.from_opener and starts(s, b"220", 3) == YES:
        return yes(to_or_from(s, 21) or greets_as_ftp(s))
    if not s.from_opener:
        return NO
    return yes(has(s, 0, b"AUTH TLS\r\n", 10) or has(s, 0, b"OPTS UTF8", 9) or to_or_from(s, 21) and (
        has(s, 0, b"USER ", 5) or has(s, 0, b"FEAT", 4) or has(s, 0, b"SYST", 4)))


cdef Answer listing(const Sight *s, Found *out) noexcept nogil:
    """A data connection: of a directory the server sends lines as ls(1) has them, a kind and nine permissions first."""
    cdef const char *modes = b"rwxrwxrwx"
    cdef uint32_t i
    if s.n < 20 or s.data[0] not in (c'-', c'd', c'l') or s.data[10] not in (c' ', c'+', c'.'):
        return NO
    for i in range(9):
        if s.data[i + 1] != <uint8_t>modes[i] and s.data[i + 1] != c'-' and (
                i % 3 != 2 or s.data[i + 1] not in (c's', c't', c'S', c'T')):
            return NO
    return YES


cdef Answer pop3(const Sight *s, Found *out) noexcept nogil:
    """RFC 1939, 4: the greeting is a positive reply; most say that they are ready, or have a stamp for APOP (7)."""
    if s.from_opener:
        if has(s, 0, b"CAPA\r\n", 6) or has(s, 0, b"STLS\r\n", 6) or has(s, 0, b"AUTH\r\n", 6) or (
                has(s, 0, b"USER ", 5) and to_or_from(s, 110)):
            return YES
        return NO
    if s.n < 3:
        return starts(s, b"+OK", 3)
    if not has(s, 0, b"+OK", 3):
        return NO
    if to_or_from(s, 110) or mentions(s, b"pop", 3):
        return YES
    return yes(byte_at(s, 3) == c' ' and (mentions(s, b"ready", 5) or has(s, s.n - 3, b">\r\n", 3)))


cdef bint imap_data(const Sight *s) noexcept nogil:
    """RFC 9051, 7.2 to 7.5: what a server says of itself, of folders, of so many messages or of one (joined later)."""
    cdef uint32_t i = 2
    if has(s, 0, b"* CAPABILITY IMAP4", 18) or has(s, 0, b"* LIST (\\", 9) or has(s, 0, b"* LSUB (\\", 9) or has(s, 0, b"* FLAGS (\\", 10):
        return True
    while i < 12 and is_digit(byte_at(s, i)):
        i += 1
    return i > 2 and (has(s, i, b" FETCH (", 8) or has(s, i, b" EXISTS\r\n", 9) or has(s, i, b" EXPUNGE\r\n", 10))


cdef Answer imap(const Sight *s, Found *out) noexcept nogil:
    """RFC 9051, 7.1: an untagged OK or PREAUTH greets; 2.2.1: a command has a tag."""
    cdef uint32_t i = 0
    if not s.from_opener:
        if has(s, 0, b"* OK", 4) or has(s, 0, b"* PREAUTH", 9) or has(s, 0, b"* BYE ", 6):
            return yes(mentions(s, b"imap", 4) or to_or_from(s, 143))
        if has(s, 0, b"* ", 2) and imap_data(s):
            return YES
        return MORE if s.n < 4 and starts(s, b"* OK", 4) == MORE else NO
    while i < s.n and i < 12 and s.data[i] > 0x20 and s.data[i] < 0x7F:
        i += 1
    if i and (has(s, i, b" CAPABILITY\r\n", 13) or has(s, i, b" capability\r\n", 13) or has(s, i, b" STARTTLS\r\n", 11)
              or has(s, i, b" ID (", 5) or has(s, i, b" UID FETCH ", 11) or has(s, i, b" UID SEARCH ", 12)):
        return YES
    return YES if i and has(s, i, b" LOGIN ", 7) and to_or_from(s, 143) else NO


cdef Answer usenet(const Sight *s, Found *out) noexcept nogil:
    """RFC 3977, 5.1: 200 or 201 greets, 400 or 502 refuses; what clients and peers (RFC 4644) begin with."""
    if s.from_opener:
        return yes(has(s, 0, b"AUTHINFO USER ", 14) or has(s, 0, b"CAPABILITIES\r\n", 14)
                   or has(s, 0, b"MODE READER\r\n", 13) or has(s, 0, b"MODE STREAM\r\n", 13)
                   or has(s, 0, b"CHECK <", 7) or has(s, 0, b"IHAVE <", 7)
                   or has(s, 0, b"GROUP ", 6) and to_or_from(s, 119))
    if has(s, 0, b"400 ", 4) or has(s, 0, b"502 ", 4):
        return yes(to_or_from(s, 119) or mentions(s, b"nntp", 4))
    if not has(s, 0, b"200 ", 4) and not has(s, 0, b"201 ", 4):
        return NO
    return yes(to_or_from(s, 119) or to_or_from(s, 433) or mentions(s, b"nntp", 4) or mentions(s, b"inn ", 4)
               or mentions(s, b"posting", 7))


cdef bint asks_registry(const Sight *s, uint32_t end) noexcept nogil:
    """Whether a line ends in a name, an address or the number of an AS, alone or behind flags or what kind of thing is meant."""
    cdef uint32_t i = end
    cdef bint dotted = False
    while i and s.data[i - 1] != c' ':
        i -= 1
        dotted = dotted or s.data[i] == c'.' and i + 1 < end or s.data[i] == c':'
        if not (is_digit(s.data[i]) or c'a' <= lower(s.data[i]) <= c'z' or s.data[i] in (c'.', c':', c'-', c'_', c'/')
                or s.data[i] >= 0x80):
            return False
    if not dotted and not (end - i > 2 and lower(s.data[i]) == c'a' and lower(s.data[i + 1]) == c's' and is_digit(s.data[i + 2])):
        return False
    return (i == 0 or s.data[0] == c'-' or says(s, b"domain ", 7) or says(s, b"n ", 2) or says(s, b"a ", 2)
            or says(s, b"dom ", 4)) and s.data[i] not in (c'/', c'.')


cdef Answer whois(const Sight *s, Found *out) noexcept nogil:
    """RFC 3912, 2: a question is one line; what registries are asked for has a form, and so have their answers."""
    cdef uint32_t i = 0
    if not s.from_opener:
        if s.data[0] == c'%' or s.data[0] == c'#':      # remarks come first (RIPE Database, ARIN)
            return yes(byte_at(s, 1) in (c' ', c'\r', c'\n', c'%', c'#'))
        return yes(says(s, b"domain:", 7) or says(s, b"domain name:", 12) or says(s, b"   domain name:", 15)
                   or says(s, b"no match for", 12) or says(s, b"not found", 9) or says(s, b"inetnum:", 8)
                   or says(s, b"refer:", 6))
    while i < s.n and i < 256 and (is_print(s.data[i]) or s.data[i] >= 0x80):
        i += 1
    if i == s.n:
        return MORE
    return yes(i > 1 and i + 2 == s.n and has(s, i, b"\r\n", 2) and asks_registry(s, i))


at_first(TCP, P_SMTP, smtp, b"245EHLehl")
at_first(TCP, P_FTPCONTROL, ftp, b"2AUFSOaufs")
at_first(TCP, P_FTPDATA, listing, b"-dl")
at_first(TCP, P_POP3, pop3, b"+CSAU")
at_first(TCP, P_IMAP, imap, b"*0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.")
at_first(TCP, P_USENET, usenet, b"245ACGIM")
at_ports(TCP, P_WHOISDAS, whois, (43, 4343))
