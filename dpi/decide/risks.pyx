"""A flow's risks, as far as they are not in one payload alone: what the server answers, and where it listens.

dissect/risks.py says what each risk means.  They are only ever added; no rule asks for them, so that looking for
them never changes what becomes of a flow.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport strcmp, strlen, strncmp

from dpi.decide.lookup cimport lookup_find
from dpi.decide.shard cimport TRAIT_SHARED, Shard
from dpi.dissect.answer cimport Certificate
from dpi.dissect.ciphers cimport weak_cipher
from dpi.dissect.dialogue cimport clear
from dpi.dissect.find cimport begun
from dpi.dissect.inspector cimport SAID_HTTP, SAID_TLS, Finding
from dpi.dissect.program cimport verifies
from dpi.dissect.protocols cimport *
from dpi.dissect.risks cimport *
from dpi.dissect.tls cimport TLS_1_2
from dpi.flow.evidence cimport BY_SIGNATURE
from dpi.flow.flow cimport FLOW_NAMED, FLOW_SYN_SEEN, FLOW_TLS, HOST_IN_HELLO, SYSTEM_PORTS, Flow, opener
from dpi.flow.strings cimport string_text
from dpi.match.name_table cimport NameHit
from dpi.match.names cimport names_find
from dpi.match.ports cimport port_match
from dpi.match.prefix_table cimport prefix_match
from dpi.wire.packet cimport IP_TCP, Packet


cdef int64_t SECOND = 1000000000
cdef int64_t NO_CLOCK = 788918400   # s: 1995, before the first certificates; a capture that says so has no clock


# The certificate

cdef bint is_name(const char *host) noexcept nogil:
    """Not an address, nor a word without a dot: for those, certificates have other fields, or none."""
    cdef bint letters = False
    cdef bint dots = False
    while host[0]:
        letters |= c"a" <= host[0] <= c"z"
        dots |= host[0] == c"."
        if host[0] == c":":
            return False
        host += 1
    return letters and dots


cdef const char *asked_of(const Shard *s, const Flow *f) noexcept nogil:
    """The name that a flow's payload shows, which its server's certificate is compared with; NULL where there is none."""
    return string_text(s.strings, f.host) if f.flags & FLOW_NAMED and f.flags & FLOW_TLS else NULL


cdef bint belongs(const Certificate *c, const char *host) noexcept nogil:
    """Whether the host asked for, where it is a name, may be one of the certificate's."""
    return is_name(host) and (c.covers or c.partial)


cdef uint32_t certificate_risks(Shard *s, const Flow *f, const Certificate *c, int64_t seconds) noexcept nogil:
    cdef uint32_t risks = 0
    if seconds >= NO_CLOCK and (seconds < c.not_before or (c.not_after and seconds > c.not_after)):
        risks |= RISK_CERTIFICATE_DATES
    if c.self_signed:
        risks |= RISK_SELF_SIGNED
    if f.asked == HOST_IN_HELLO and not c.covers and not c.partial and is_name(string_text(s.strings, f.host)):
        risks |= RISK_NAME_MISMATCH
    return risks


cdef bint is_update(const Shard *s, const Flow *f) noexcept nogil:
    """Whether who has asked verifies the signature of what comes."""
    return f.app.id == P_WINDOWSUPDATE or verifies(string_text(s.strings, f.agent))


cdef void add_risks(Shard *s, Flow *f, const Finding *finding, int64_t time) noexcept nogil:
    """Those of a payload, and of what the server has said as it stands in the inspector; time: ns since 1970."""
    f.risks |= finding.risks
    if finding.server == SAID_TLS:
        if s.inspector.server.tls_version < TLS_1_2:
            f.risks |= RISK_OBSOLETE_TLS
        if weak_cipher(s.inspector.server.cipher):
            f.risks |= RISK_WEAK_CIPHER
        if s.inspector.server.certificate.present:
            f.risks |= certificate_risks(s, f, &s.inspector.server.certificate, time // SECOND)
    elif finding.server == SAID_HTTP and s.inspector.server.program and not is_update(s, f):
        f.risks |= RISK_PROGRAM


cdef bint answer_awaited(Shard *s, Flow *f) noexcept nogil:
    """Whether a decided flow's server has yet to say what risks can be told from; the client's side is done with, but for
    the rest of a header."""
    cdef int client = opener(f)
    cdef bint tls = f.flags & FLOW_TLS and f.tls_version != 0
    cdef bint http = (f.protocol.id == P_HTTP or f.protocol.id == P_HTTPPROXY) and f.protocol.method == BY_SIGNATURE
    if not s.inspector.risks or f.proto != IP_TCP or not (tls or http) or f.spent & (1 << (1 - client)):
        return False
    if not begun(&s.inspector, f, client):
        f.spent |= 1 << client
    return True


cdef void await_login(Shard *s, Flow *f, const Packet *p) noexcept nogil:
    """A server has asked for a password, with p as the last packet of that: what its client says next may show one.

    That begins where the server says that it has read to.
    """
    cdef int client = opener(f)
    f.based |= <uint8_t>(1 << client)
    f.isn[client] = p.ack - 1
    f.spent &= <uint8_t>~(1 << client)
    clear(&s.inspector, f, client)


# The lookup

cdef bint is_private(const uint8_t *address, int version) noexcept nogil:
    """Where no server of the Internet is: RFC 1918, 6598, 3927; RFC 4193, 4291 (2.5.6)."""
    cdef const uint8_t *v4 = address + 12
    if version == 6:
        return address[0] & 0xFE == 0xFC or address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return (v4[0] == 10 or v4[0] == 172 and v4[1] & 0xF0 == 16 or v4[0] == 192 and v4[1] == 168
            or v4[0] == 100 and v4[1] & 0xC0 == 64 or v4[0] == 169 and v4[1] == 254)


cdef const char *domain(const char *name) noexcept nogil:
    """A name's last two labels."""
    cdef size_t at = strlen(name)
    cdef int dots = 0
    while at:
        dots += name[at - 1] == c"."
        if dots == 2:
            break
        at -= 1
    return name + at


cdef bint akin_names(const char *looked_up, const char *asked) noexcept nogil:
    """Of one domain, or what was asked for with a domain behind it that resolvers add (resolv.conf(5), search)."""
    cdef size_t n = strlen(asked)
    return strcmp(domain(looked_up), domain(asked)) == 0 or strncmp(looked_up, asked, n) == 0 and looked_up[n] == c"."


cdef uint32_t lookup_risks(Shard *s, const Flow *f, uint16_t label) noexcept nogil:
    """Whether the name in a hello or a request, now the flow's, and its app are of something else than what this client looked up.

    Addresses of CDNs, clouds and owners of several services have many names, of which some are looked up before we see
    it, or elsewhere.  So it is asked only of what one name alone led to, for anybody; and it must be an app that the
    client claims to want, which those in the path may treat in a way of its own.
    """
    cdef const uint8_t *server = f.addr[1 - opener(f)]
    cdef uint16_t protocol = f.protocol.id
    cdef NameHit own, anyone
    if protocol != P_TLS and protocol != P_QUIC and protocol != P_HTTP:
        return 0                            # mail is found by other records than addresses, and a proxy is not whom it is asked for
    if label == 0 or s.traits[label] & TRAIT_SHARED or s.names == NULL:
        return 0
    if not lookup_find(s, f, &own) or not own.own or own.ambiguous or own.carried:
        return 0
    if own.label == label or s.traits[own.label] & TRAIT_SHARED or akin_names(own.name, string_text(s.strings, f.host)):
        return 0
    if own.label and s.category[own.label] == s.category[label]:
        return 0                            # of one owner, perhaps
    if not names_find(s.names, NULL, server, s.now, &anyone) or anyone.ambiguous:
        return 0
    if s.prefixes != NULL and prefix_match(s.prefixes, server) or is_private(server, f.version):
        return 0
    return RISK_LOOKED_UP


# The port

cdef bint keeps_its_port(uint16_t protocol) noexcept nogil:
    """Protocols of servers that are expected where IANA has them."""
    return (protocol == P_SSH or protocol == P_TELNET or protocol == P_FTPCONTROL or protocol == P_SMTP
            or protocol == P_IMAP or protocol == P_POP3 or protocol == P_RDP or protocol == P_VNC
            or protocol == P_SMBV1 or protocol == P_SMBV23 or protocol == P_LDAP)


cdef bint may_hide(uint16_t protocol) noexcept nogil:
    """Protocols that run anywhere, which is odd only on the ports of those above and of the web."""
    return (protocol == P_HTTP or protocol == P_TLS or protocol == P_QUIC or protocol == P_OPENVPN
            or protocol == P_WIREGUARD or protocol == P_SOCKS or protocol == P_BITTORRENT or protocol == P_IRC)


cdef bint akin(uint16_t registered, uint16_t protocol) noexcept nogil:
    """Names of one thing, and what has always shared a port."""
    if registered == protocol:
        return True
    if protocol == P_SMBV1 or protocol == P_SMBV23:
        return registered == P_SMBV23 or registered == P_NETBIOS    # RFC 1001: SMB over NetBIOS, at 139
    return False


cdef bint usual(uint16_t protocol, uint16_t port) noexcept nogil:
    """Ports that IANA has for nobody or for others, and that programs and admins take for a protocol by habit."""
    if protocol == P_SSH:
        return port in (222, 2022, 2222, 8022, 22222)
    if protocol == P_VNC:
        return 5900 <= port < 6000 or port == 5500  # a display's number is added; a viewer that is called
    if protocol == P_RDP:
        return port == 2179                         # a virtual machine's screen, from its host
    if protocol == P_SMTP:
        return port == 26 or port == 2525           # where 25 is blocked
    if protocol == P_FTPCONTROL:
        return port == 2121
    return protocol == P_TLS and port == 636        # of LDAP


cdef bint foreign(Shard *s, const Flow *f) noexcept nogil:
    cdef uint16_t protocol = f.protocol.id
    cdef uint16_t here = port_match(s.ports, f.proto, f.port[1 - opener(f)])
    cdef uint16_t there = port_match(s.ports, f.proto, f.port[opener(f)])
    if akin(here, protocol) or akin(there, protocol):       # who opened is not always known
        return False
    if usual(protocol, f.port[0]) or usual(protocol, f.port[1]):
        return False
    if keeps_its_port(protocol):
        return here < P_RESERVED        # a port that a signature gives to an app of its own is meant
    if not may_hide(protocol) or f.port[1 - opener(f)] >= SYSTEM_PORTS:
        return False
    if protocol == P_TLS and not f.flags & (FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1):
        return False                    # it may have gone over to TLS before it was seen
    return keeps_its_port(here) or here == P_DNS or here == P_HTTP or here == P_TLS


cdef void port_risks(Shard *s, Flow *f) noexcept nogil:
    """Of a flow that is settled.  What has a name is no noise, however it looks."""
    if f.protocol.method != BY_SIGNATURE:
        return
    f.risks &= ~<uint32_t>RISK_ENTROPY
    if s.ports != NULL and foreign(s, f):
        f.risks |= RISK_FOREIGN_PORT
