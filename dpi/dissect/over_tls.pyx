"""What is spoken over TLS, as far as ALPN (RFC 7301) or the port tells; and protocols that go over to TLS.

Mail has names of its own for that: IMAP over TLS is `imaps`, from the start or from STARTTLS on.  Remote Desktop over
TLS, DNS over TLS and the like are apps that the protocol `tls` carries.

A connection that begins in clear and goes over to TLS (STARTTLS, RFC 3207 and others) is looked at message by message:
the client's hello stands at the start of one, since the client has to wait for the answer before it may send it; so does
the server's, where that alone is seen.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, strlen

from dpi.dissect.login cimport behind_tag
from dpi.dissect.protocols cimport (
    P_ANYDESK,
    P_APPLEPUSH,
    P_COAP,
    P_DOHDOT,
    P_FTPCONTROL,
    P_FTPS,
    P_IMAP,
    P_IMAPS,
    P_IRC,
    P_JABBER,
    P_LDAP,
    P_MQTT,
    P_MSSQLTDS,
    P_MYSQL,
    P_NTP,
    P_POP3,
    P_POPS,
    P_POSTGRESQL,
    P_RADIUS,
    P_RDP,
    P_RTSP,
    P_SIP,
    P_SMBV23,
    P_SMTP,
    P_SMTPS,
    P_STUN,
    P_TLS,
    P_UNKNOWN,
    P_USENET,
)
from dpi.dissect.text cimport begins
from dpi.dissect.tls_records cimport HANDSHAKE, RECORD_HEADER, begins_hello
from dpi.wire.block cimport block_of
from dpi.wire.memmem cimport memmem

from dpi.dissect.protocols import IDS, SLUGS


cdef enum:
    TURNS_OF_MAIL = 8       # packets of a side with greeting, capabilities and STARTTLS
    TURNS = 3               # where the first exchange settles it


cdef struct Row:
    const char *text
    uint16_t label


# IANA's ALPN registry; AnyDesk's and Apple's own.  Each is the start of the protocol's name.
cdef Row *ALPNS = [
    Row(b"dot", P_DOHDOT), Row(b"doq", P_DOHDOT), Row(b"xmpp-", P_JABBER), Row(b"mqtt", P_MQTT),
    Row(b"x-amzn-mqtt-", P_MQTT), Row(b"coap", P_COAP), Row(b"irc", P_IRC), Row(b"nntp", P_USENET),
    Row(b"nnsp", P_USENET), Row(b"sip/2", P_SIP), Row(b"stun.", P_STUN), Row(b"postgresql", P_POSTGRESQL),
    Row(b"tds/8", P_MSSQLTDS), Row(b"ntske/", P_NTP), Row(b"radius/", P_RADIUS), Row(b"smb", P_SMBV23),
    Row(b"apns", P_APPLEPUSH), Row(b"anydesk/", P_ANYDESK), Row(NULL, P_UNKNOWN),
]
# What a client says who will not go over any more: it logs in, or has mail to send.
cdef Row *SETTLED = [
    Row(b"mail from", P_SMTP), Row(b"auth ", P_SMTP), Row(b"login ", P_IMAP), Row(b"authenticate ", P_IMAP),
    Row(b"user ", P_POP3), Row(b"apop ", P_POP3), Row(b"auth ", P_POP3), Row(b"user ", P_FTPCONTROL),
    Row(b"<auth", P_JABBER), Row(b"<iq", P_JABBER), Row(b"play ", P_RTSP), Row(b"record ", P_RTSP), Row(b"authinfo ", P_USENET), Row(b"group ", P_USENET),
    Row(NULL, P_UNKNOWN),
]


cdef bint upgradable(uint16_t label) noexcept nogil:
    """Whether a protocol, seen in clear, may go over to TLS."""
    return (label == P_SMTP or label == P_IMAP or label == P_POP3 or label == P_FTPCONTROL or label == P_JABBER
            or label == P_RDP or label == P_LDAP or label == P_POSTGRESQL or label == P_MYSQL or label == P_USENET)


cdef bint in_messages(uint16_t label) noexcept nogil:
    """Whether a protocol is read on, message by message: for TLS, or for logins behind the first one."""
    return upgradable(label) or label == P_RTSP


cdef Step upgrade(uint16_t label, uint32_t turn, const uint8_t *data, uint32_t n) noexcept nogil:
    """What a packet's payload says; turn: packets of its side that were looked at before."""
    cdef const Row *row = SETTLED
    cdef uint32_t start = 0
    if n > RECORD_HEADER and data[1] == 3 and begins_hello(data) and upgradable(label):
        return BEGINS
    if turn >= (TURNS_OF_MAIL if label in (P_SMTP, P_IMAP, P_POP3, P_FTPCONTROL, P_JABBER, P_USENET, P_RTSP) else TURNS):
        return STAYS
    if label == P_IMAP:
        start = behind_tag(data, n)
    while row.text != NULL and start < n and not cut_short(label, data, n):
        if row.label == label and begins(data + start, n - start, row.text):
            return STAYS
        row += 1
    return WAITS


cdef bint cut_short(uint16_t label, const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a message, of one byte at least, goes on in the next segment: a line, an element of XMPP, a header, or a hello."""
    if data[0] == HANDSHAKE:
        return n <= RECORD_HEADER
    if label == P_SMTP or label == P_IMAP or label == P_POP3 or label == P_FTPCONTROL or label == P_USENET:
        return data[n - 1] != c"\n"
    if label == P_RTSP:                 # a header (RFC 2326, 4); not what is sent amid them (10.12)
        return c"A" <= data[0] <= c"Z" and memmem(data, n, b"\r\n\r\n", 4) == NULL
    return label == P_JABBER and data[n - 1] != c">"


cdef uint16_t secured(uint16_t label) noexcept nogil:
    """What a protocol is called once it has gone over to TLS."""
    if label == P_SMTP:
        return P_SMTPS
    if label == P_IMAP:
        return P_IMAPS
    if label == P_POP3:
        return P_POPS
    if label == P_FTPCONTROL:
        return P_FTPS
    return P_TLS if label == P_RDP else label


cdef uint16_t implicit_tls(uint16_t port, const char *alpn) noexcept nogil:
    """The protocol that TLS at a server's port is; mail and files have names of their own (RFC 8314, IANA)."""
    if port == 993 or port == 585 or memcmp(alpn, b"imap\0", 5) == 0:
        return P_IMAPS
    if port == 995 or memcmp(alpn, b"pop3\0", 5) == 0:
        return P_POPS
    if port == 465 or port == 587:
        return P_SMTPS
    if port == 989 or port == 990 or memcmp(alpn, b"ftp\0", 4) == 0:
        return P_FTPS
    return P_TLS


cdef uint16_t carried_by_tls(uint16_t port, const char *alpn) noexcept nogil:
    """What TLS or QUIC carries as the app beside it; 0 where nothing tells.

    A port says what a server is for (RFC 7858, 3.1 and RFC 9250, 4.1.1), a client's ALPN what it is used for now.
    """
    cdef const Row *row = ALPNS
    cdef uint32_t n = <uint32_t>strlen(alpn)
    while row.text != NULL:
        if begins(<const uint8_t *>alpn, n, row.text):
            return row.label
        row += 1
    return P_DOHDOT if port == 853 and n == 0 else P_UNKNOWN


def step(str slug, bytes data, uint32_t turn=0) -> str:
    """"stays" | "waits" | "begins": whether a protocol in clear, by its slug, goes over to TLS with these bytes."""
    cdef uint8_t *block = block_of(data)
    cdef Step said = upgrade(IDS[slug], turn, block, len(data))
    free(block)
    return ("stays", "waits", "begins")[<int>said]


def carried(uint16_t port, str alpn) -> tuple:
    """The protocol that TLS at a port with an ALPN is, and what it carries: slugs, "" where only TLS is known."""
    cdef bytes text = alpn.encode()
    cdef char room[32]
    cdef int i
    for i in range(32):
        room[i] = text[i] if i < len(text) and i < 31 else 0
    label = carried_by_tls(port, room)
    return SLUGS[implicit_tls(port, room)], SLUGS[label] if label else ""
