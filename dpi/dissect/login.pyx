"""Logins that anyone on the way can read: a password, or a token that is as good as one, in clear.

What proves a password without showing it (APOP, CRAM-MD5, SCRAM, Digest, NTLM, Kerberos) is none, and nor is an
anonymous login.  Of a command that asks for the password in a later step (USER, AUTH LOGIN) the command counts, since
nothing is looked for after it.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp, strlen

from dpi.dissect.protocols cimport (
    P_FTPCONTROL,
    P_IMAP,
    P_IRC,
    P_JABBER,
    P_LDAP,
    P_MQTT,
    P_POP3,
    P_POSTGRESQL,
    P_RESP,
    P_RTSP,
    P_SMTP,
    P_SOCKS,
    P_TELNET,
    P_UNKNOWN,
    P_USENET,
)
from dpi.dissect.text cimport begins, lower
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16

from dpi.dissect.protocols import IDS


cdef enum:
    TAG_MAX = 16            # characters; clients have some four
    REDIS_MAX = 128         # bytes in which AUTH stands, behind HELLO and a version


cdef struct Command:
    const char *text        # in lower case
    uint16_t protocol


cdef Command *LOGINS = [
    Command(b"user ", P_FTPCONTROL),            # RFC 959, 4.1.1
    Command(b"user ", P_POP3),                  # RFC 1939, 7
    Command(b"auth plain", P_POP3),             # RFC 5034, RFC 4616
    Command(b"auth login", P_POP3),
    Command(b"auth xoauth2", P_POP3),
    Command(b"auth oauthbearer", P_POP3),       # RFC 7628
    Command(b"login ", P_IMAP),                 # RFC 9051, 6.2.3
    Command(b"authenticate plain", P_IMAP),     # RFC 9051, 6.2.2
    Command(b"authenticate login", P_IMAP),
    Command(b"authenticate xoauth2", P_IMAP),
    Command(b"authenticate oauthbearer", P_IMAP),
    Command(b"auth plain", P_SMTP),             # RFC 4954, 4
    Command(b"auth login", P_SMTP),
    Command(b"auth xoauth2", P_SMTP),
    Command(b"auth oauthbearer", P_SMTP),
    Command(b"authinfo user ", P_USENET),       # RFC 4643, 2.3
    Command(b"pass ", P_IRC),                   # RFC 2812, 3.1.1
    Command(NULL, P_UNKNOWN),
]
# Whom FTP lets in without a password (RFC 1635, 3).
cdef const char *NOBODY_FTP = b"ftp"
cdef const char *NOBODY_ANONYMOUS = b"anonymous"
cdef const char *ASKS_POSTGRESQL = b"R\0\0\0\x08\0\0\0\x03"


cdef bint may_be(const uint8_t *p, uint32_t n, const char *text) noexcept nogil:
    """Whether the text stands there, and ends there, as far as there are bytes."""
    cdef uint32_t i
    cdef uint32_t length = <uint32_t>strlen(text)
    for i in range(min(n, length)):
        if lower(p[i]) != <uint8_t>text[i]:
            return False
    return n <= length or p[length] <= 32


cdef bint plain_sasl(const uint8_t *p, uint32_t n) noexcept nogil:
    """XMPP's <auth …> (RFC 6120, 6.4.2) with the mechanism PLAIN."""
    cdef uint32_t i
    if not begins(p, n, b"<auth"):
        return False
    for i in range(5, n if n < 256 else 256):
        if p[i] == c">":
            return False
        if begins(p + i, n - i, b"mechanism=") and n - i > 11:
            return begins(p + i + 11, n - i - 11, b"plain")
    return False


cdef uint32_t behind_tag(const uint8_t *data, uint32_t n) noexcept nogil:
    """Where a command of IMAP's begins: each has a tag and a blank before it (RFC 9051, 2.2.1)."""
    cdef uint32_t start = 0
    while start < n and start < TAG_MAX and data[start] > 32:
        start += 1
    return start + 1


cdef bint login_in_clear(uint16_t protocol, const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether what one side sends, by its protocol in clear, is or begins a login."""
    cdef const Command *command = LOGINS
    cdef uint32_t start = 0
    cdef uint32_t length
    if protocol == P_TELNET:            # RFC 854: there is no other way to log in
        return True
    if protocol == P_JABBER:
        return plain_sasl(data, n)
    if protocol == P_LDAP:
        return simple_bind(data, n)
    if protocol == P_MQTT:
        return connects_with_password(data, n)
    if protocol == P_RESP:
        return redis_login(data, n)
    if protocol == P_RTSP:
        return authorized(data, n)
    if protocol == P_SOCKS:
        return socks_password(data, n)
    if protocol == P_POSTGRESQL:        # the server's AuthenticationCleartextPassword (PostgreSQL, 55.7)
        return n >= 9 and memcmp(data, ASKS_POSTGRESQL, 9) == 0
    if protocol == P_IMAP:
        start = behind_tag(data, n)
    while command.text != NULL and start < n:
        if command.protocol == protocol and begins(data + start, n - start, command.text):
            length = start + <uint32_t>strlen(command.text)
            if protocol != P_FTPCONTROL:
                return True
            return not may_be(data + length, n - length, NOBODY_FTP) and (
                not may_be(data + length, n - length, NOBODY_ANONYMOUS))
        command += 1
    return False


cdef bint shows_secret(const uint8_t *authorization, uint32_t n) noexcept nogil:
    """The value of an Authorization field in HTTP: name and password, only coded (RFC 7617, 2), or a token (RFC 6750, 2.1)."""
    return n > 6 and begins(authorization, n, b"basic ") or n > 7 and begins(authorization, n, b"bearer ")


cdef uint32_t line_length(const Cursor *c) noexcept nogil:
    """Of the line at the cursor, without its end, as far as it is there."""
    cdef const uint8_t *end = <const uint8_t *>memchr(c.p, c"\n", left(c)) if left(c) else NULL
    cdef uint32_t n = <uint32_t>(end - c.p if end != NULL else left(c))
    return n - 1 if n and c.p[n - 1] == c"\r" else n


cdef bint authorized(const uint8_t *p, uint32_t n) noexcept nogil:
    """Whether a request of RTSP has an Authorization field that shows a secret (RFC 2326, 6.1 and 12.5), as in HTTP."""
    cdef Cursor c = over(p, n)
    cdef uint32_t length = line_length(&c)
    cdef uint32_t at = 14               # behind the field's name
    if length < 8 or not begins(p + length - 8, 8, b"rtsp/"):
        return False                    # the middle of one, or what is sent amid them
    while length:
        if begins(c.p, length, b"authorization:"):
            while at < length and c.p[at] == 32:
                at += 1
            return shows_secret(c.p + at, length - at)
        skip(&c, length)
        while left(&c) and u8(&c) != c"\n":
            pass
        length = line_length(&c)
    return False


cdef bint asks_basic(const uint8_t *challenge, uint32_t n) noexcept nogil:
    """Whether a WWW-Authenticate field's schemes (RFC 9110, 11.6.1), parted by commas, have Basic."""
    cdef uint32_t i
    cdef bint start = True
    for i in range(n):
        if start and begins(challenge + i, n - i, b"basic") and (n - i == 5 or challenge[i + 5] in (32, 44)):
            return True
        start = challenge[i] == c"," or (start and challenge[i] == 32)
    return False


cdef bint simple_bind(const uint8_t *p, uint32_t n) noexcept nogil:
    """LDAP's BindRequest with a password as it is (RFC 4511, 4.2), which an anonymous one leaves empty."""
    cdef Cursor c = over(p, n)
    skip_header(&c, 0x30)
    value(&c, 0x02)                     # messageID
    skip_header(&c, 0x60)
    value(&c, 0x02)                     # version
    value(&c, 0x04)                     # name
    return u8(&c) == 0x80 and u8(&c) != 0


cdef bint socks_password(const uint8_t *p, uint32_t n) noexcept nogil:
    """SOCKS5's user name and password (RFC 1929, 2), alone or right behind the greeting (RFC 1928, 3)."""
    cdef Cursor c = over(p, n)
    if n and p[0] == 5:
        skip(&c, 1)
        skip(&c, u8(&c))
    if u8(&c) != 1:
        return False
    skip(&c, u8(&c))
    return u8(&c) != 0


cdef uint32_t skip_header(Cursor *c, uint8_t tag) noexcept nogil:
    """An element's tag and length, of up to 127 or in up to four bytes as Windows writes all (X.690, 8.1.3); dead where
    it is another's."""
    cdef uint32_t length
    cdef int more
    if u8(c) != tag:
        c.p = NULL
    length = u8(c)
    if length & 0x80:
        more = length & 0x7f
        length = 0
        if more > 4:
            c.p = NULL
        while more > 0 and alive(c):
            length = length << 8 | u8(c)
            more -= 1
    return length


cdef void value(Cursor *c, uint8_t tag) noexcept nogil:
    skip(c, skip_header(c, tag))


cdef bint connects_with_password(const uint8_t *p, uint32_t n) noexcept nogil:
    """MQTT's CONNECT whose flags say that a password follows (MQTT 3.1.1, 3.1.2.9; MQTT 5.0, 3.1.2.9)."""
    cdef Cursor c = over(p, n)
    if u8(&c) != 0x10:
        return False
    while u8(&c) & 0x80:                # the length
        pass
    skip(&c, u16(&c))                   # the protocol's name
    skip(&c, 1)                         # and version
    return u8(&c) & 0x40


cdef bint redis_login(const uint8_t *p, uint32_t n) noexcept nogil:
    """Redis' AUTH, or HELLO with one, as an array of strings or in one line (RESP, and the commands of these names)."""
    cdef uint32_t i
    if begins(p, n, b"auth "):
        return True
    for i in range(n if n < REDIS_MAX else REDIS_MAX):
        if p[i] == 10 and begins(p + i + 1, n - i - 1, b"auth\r\n"):
            return True
    return False


def in_clear(str slug, bytes data) -> bool:
    """Whether a side of this protocol that sends these bytes logs in in clear."""
    cdef uint8_t *block = block_of(data)
    found = bool(login_in_clear(IDS[slug], block, len(data)))
    free(block)
    return found


def shown(bytes value) -> bool:
    """Whether the value of an Authorization field shows a password or a token."""
    cdef uint8_t *block = block_of(value)
    found = bool(shows_secret(block, len(value)))
    free(block)
    return found
