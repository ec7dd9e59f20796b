"""A flow's labels: which evidence names its protocol and its app, and which gives way.

    first packet    the name that DNS or another flow gave the server's address: provisional
    payload         what the dissectors found: protocol, name, and the name's app
    the end         nothing more is to be had: else by the address's owner, else by the port
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset, strlen

from dpi.decide.by_program cimport by_program
from dpi.decide.device cimport device_forget
from dpi.decide.lookup cimport lookup_find
from dpi.decide.name_label cimport name_label
from dpi.decide.near cimport near_find
from dpi.decide.risks cimport belongs, is_name, lookup_risks
from dpi.decide.shard cimport SEES_DNS, SEES_NAMES, TRAIT_CALL, TRAIT_MIXED, TRAIT_SHARED, Shard
from dpi.dissect.answer cimport Certificate, Found
from dpi.dissect.inspector cimport NOBODY, SAID_HTTP, Finding, to_proxy
from dpi.dissect.protocols cimport *
from dpi.dissect.tls cimport TLS_1_2
from dpi.flow.evidence cimport (
    BY_BEHAVIOUR,
    BY_CERTIFICATE,
    BY_DNS,
    BY_DNS_QUERY,
    BY_HTTP_HOST,
    BY_KNOWN_SERVER,
    BY_NOTHING,
    BY_PORT,
    BY_PREFIX,
    BY_QUIC_SNI,
    BY_SIGNATURE,
    BY_SNI,
    Label,
    confidence_of,
    improve,
)
from dpi.flow.flow cimport FLOW_NAMED, FLOW_OPENER, FLOW_SYN_SEEN, HOST_IN_HELLO, HOST_LOOKED_UP, NONE, Flow, opener
from dpi.flow.strings cimport string_drop, string_keep, string_text
from dpi.match.hosts cimport HostHit, HostTable, host_match
from dpi.match.name_table cimport NameHit
from dpi.match.names cimport servers_find, servers_learn
from dpi.match.nearby cimport networks_learn
from dpi.match.ports cimport port_match
from dpi.match.prefix_table cimport prefix_match, prefix_told
from dpi.wire.packet cimport IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, Packet


cdef enum:
    BY_MANY = 25            # confidence that a name loses where several apps share the address
    BY_CLAIM = 5            # … that another flow showed, at an address that is not the app's own: no rule acts on that at once


# What the IP header's protocol number alone tells (IANA, Protocol Numbers); 0: nothing.
cdef uint16_t[256] BY_NUMBER
for _number, _label in (
    (IP_ICMP, P_ICMP), (2, P_IGMP), (4, P_IPIP), (9, P_IGRP), (33, P_DCCP), (41, P_IPIP), (46, P_RSVP),
    (47, P_GRE), (50, P_IPSEC), (51, P_IPSEC), (IP_ICMPV6, P_ICMPV6), (88, P_EIGRP), (89, P_OSPF), (103, P_IPPIM),
    (108, P_IPSEC), (112, P_VRRP), (113, P_PGM), (115, P_L2TP), (135, P_MOBILEIPV6), (137, P_MPLS), (139, P_HIP),
):
    BY_NUMBER[_number] = _label


cdef uint16_t header_label(const Packet *p) noexcept nogil:
    return BY_NUMBER[p.proto]


cdef inline bint carries_names(uint16_t protocol) noexcept nogil:
    return protocol == P_TLS or protocol == P_QUIC or protocol == P_HTTP or protocol == P_HTTP2


cdef void categorise(Shard *s, Flow *f) noexcept nogil:
    """The app's category, else the protocol's."""
    f.category = s.category[f.app.id] if f.app.id else s.category[f.protocol.id]


cdef void name_by_address(Shard *s, Flow *f) noexcept nogil:
    """What the server's address was called lately: by this client's resolver, by others', by the server itself."""
    cdef int server = 1 - opener(f)
    cdef NameHit hit
    cdef int confidence
    if s.names == NULL or f.flags & FLOW_NAMED or f.app.confidence >= confidence_of(BY_DNS):
        return
    if lookup_find(s, f, &hit):
        confidence = confidence_of(BY_DNS)
        if not hit.own:
            confidence -= BY_OTHERS
    elif servers_find(s.names, f.addr[server], f.port[server], f.proto, s.now, &hit):
        confidence = confidence_of(BY_KNOWN_SERVER)
        if s.prefixes == NULL or prefix_match(s.prefixes, f.addr[server]) != hit.label:
            confidence -= BY_CLAIM
    else:
        return
    if hit.ambiguous:
        confidence -= BY_MANY
    if s.traits[hit.label] & TRAIT_SHARED:          # the name of who carries it, at the end of a chain of aliases
        hit.label = 0
    if improve(&f.app, hit.label, hit.source if hit.source == BY_DNS else BY_KNOWN_SERVER, <uint8_t>confidence):
        categorise(s, f)
    if f.host == NONE and hit.n:
        f.host = string_keep(s.strings, hit.name, hit.n)
        if hit.own and not hit.ambiguous:
            f.asked = HOST_LOOKED_UP


cdef void replace(Shard *s, uint32_t *string, const char *text) noexcept nogil:
    cdef uint32_t n = <uint32_t>strlen(text)
    if n:
        string_drop(s.strings, string[0])
        string[0] = string_keep(s.strings, text, n)


cdef uint16_t organisation_label(const HostTable *hosts, const char *text) noexcept nogil:
    """The label of "o=" and a name's letters and digits in lower case, "-" between its words."""
    cdef char name[72]
    cdef uint32_t n = 2
    cdef HostHit hit
    name[0] = c"o"
    name[1] = c"="
    while text[0] and n < 70:
        if c"A" <= text[0] <= c"Z":
            name[n] = text[0] + 32
            n += 1
        elif c"a" <= text[0] <= c"z" or c"0" <= text[0] <= c"9":
            name[n] = text[0]
            n += 1
        elif name[n - 1] != c"-" and n > 2:
            name[n] = c"-"
            n += 1
        text += 1
    if name[n - 1] == c"-":
        n -= 1
    return host_match(hosts, name, n, &hit)


cdef uint16_t certified(Shard *s, Found *found) noexcept nogil:
    """The app of a certificate, by whichever tells most: a name of an app's, the owner, a network's name, in this order.

    One certificate of a CDN's covers its own name and those of its customers.  The name goes into `found`.
    """
    cdef const Certificate *c = &s.inspector.server.certificate
    cdef const char *name = c.names
    cdef HostHit hit
    cdef uint16_t label = 0
    cdef uint16_t owner
    cdef uint32_t n
    cdef int _
    if s.hosts == NULL:
        return 0
    if c.n_names == 0:
        label = host_match(s.hosts, found.host, found.host_len, &hit)
    for _ in range(c.n_names):
        n = <uint32_t>strlen(name)
        if host_match(s.hosts, name, n, &hit) and (label == 0 or not s.traits[hit.label] & TRAIT_SHARED):
            label = hit.label
            found.host_len = <uint16_t>n
            memcpy(found.host, name, n + 1)
            if not s.traits[label] & TRAIT_SHARED:
                return label
        name += n + 1
    owner = organisation_label(s.hosts, c.organisation)
    return owner if owner and (label == 0 or s.traits[label] & TRAIT_SHARED) else label


cdef bint may_lie(const Flow *f) noexcept nogil:
    """Whether a hello's server name, nobody's that is known, is to be held against the certificate, which TLS 1.2 shows."""
    return f.app.id == 0 and f.proto == IP_TCP and f.flags & FLOW_NAMED and 0 < f.tls_version <= TLS_1_2


cdef void hide_name(Shard *s, Finding *finding) noexcept nogil:
    """As if the name could not be read; with it goes what follows from it."""
    if finding.method == BY_DNS_QUERY and s.blind == SEES_DNS:
        return
    if finding.app == P_TOR or finding.app == P_WEBSOCKET:      # by names that it makes up; for want of an app that a name tells
        finding.app = 0
    finding.method = BY_NOTHING
    s.inspector.found.host[0] = 0
    s.inspector.found.host_len = 0


cdef bint is_cover(const Shard *s, const Flow *f, const Found *found) noexcept nogil:
    """Whether a hello's name stands for the one that is encrypted in it (RFC 9849, 6.1).

    Browsers send the extension with names that are no cover, too (6.2).  But where this client looked up one app's name
    at the address and no other, a name of the network's that carries it is not what is asked for.
    """
    cdef HostHit hit
    return (found.ech and f.app.method == BY_DNS and f.app.confidence == confidence_of(BY_DNS) and s.hosts != NULL
            and s.traits[host_match(s.hosts, found.host, found.host_len, &hit)] & TRAIT_SHARED)


cdef bint keeps_target(const Shard *s, const Flow *f, const Found *found) noexcept nogil:
    """Whether the name of whom a proxy was asked for stays, though a tunnel's inside shows one: that is nobody's either."""
    return f.flags & FLOW_NAMED and f.asked != HOST_IN_HELLO and (s.hosts == NULL or not name_label(s, found.host, found.host_len))


cdef void take_answer(Shard *s, Flow *f, const Finding *finding) noexcept nogil:
    """What the server answers to a request that has named the flow: what it carries is what the record tells."""
    if finding.server == SAID_HTTP and s.inspector.server.content_type[0]:
        replace(s, &f.content_type, s.inspector.server.content_type)


cdef inline void take_opener(Shard *s, Flow *f, uint8_t client) noexcept nogil:
    """Of a flow that was joined later: which side is the client's, payload has told."""
    if f.local > 1 and client != opener(f):
        device_forget(s, f)                         # it was taken for that of the other side
    f.flags = (f.flags & ~<uint8_t>FLOW_OPENER) | client


cdef inline void take_fields(Shard *s, Flow *f, const Found *found) noexcept nogil:
    """What the record tells beside labels and names."""
    replace(s, &f.fingerprint, found.ja4)
    replace(s, &f.fingerprint, found.hassh)
    replace(s, &f.alpn, found.alpn)
    replace(s, &f.agent, found.agent)
    replace(s, &f.content_type, found.content_type)
    replace(s, &f.content_type, found.hassh_server)
    if found.tls_version:
        f.tls_version = found.tls_version
    if found.quic_version:
        f.stamp = found.quic_version
    f.ech |= found.ech


cdef bint is_servers(const Shard *s, const Flow *f) noexcept nogil:
    """Whether a name that a flow shows may be taken for its server's by others.

    A proxy is not whom it connects to, and what nobody has answered anybody may have sent.
    """
    return not to_proxy(f.protocol.id) and (f.packets[1 - opener(f)] or s.hearsay)


cdef void teach(Shard *s, const Flow *f, const char *name, uint16_t n, uint16_t label, uint8_t method) noexcept nogil:
    """What others call the server from now on, and what this client has found beside it."""
    cdef int server = 1 - opener(f)
    if s.names == NULL:
        return
    servers_learn(s.names, f.addr[server], f.port[server], f.proto, name, n, label, s.now, method)
    networks_learn(s.names, f.addr[1 - server], f.addr[server], 0 if s.traits[label] & TRAIT_SHARED else label, s.now)


cdef bint unanswered(const Flow *f) noexcept nogil:
    """Whether a client's first datagrams have shown its server's name, and the server has sent nothing yet."""
    return (f.proto == IP_UDP and f.flags & FLOW_NAMED and (f.protocol.id == P_QUIC or f.protocol.id == P_DTLS)
            and f.packets[1 - opener(f)] == 0)


cdef void answered(Shard *s, Flow *f, int side) noexcept nogil:
    """The first datagram of the side that was silent: if it is the server's, what its client has shown counts for others."""
    cdef const char *name
    cdef uint16_t n
    if not unanswered(f) or side == opener(f) or s.hearsay:
        return
    name = string_text(s.strings, f.host)
    n = <uint16_t>strlen(name)
    if n:
        teach(s, f, name, n, f.app.id, BY_QUIC_SNI if f.protocol.id == P_QUIC else BY_SNI)


cdef void take_over(Shard *s, Flow *f, Finding *finding) noexcept nogil:
    """Copies what the inspector found into the flow, and names the app by the name."""
    cdef Found *found = &s.inspector.found
    cdef uint16_t label = 0
    cdef uint32_t before
    cdef bint another
    if s.blind != SEES_NAMES:
        hide_name(s, finding)
    if finding.client != NOBODY and not f.flags & (FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1):
        take_opener(s, f, finding.client)
    if finding.replaces or f.protocol.id == P_HAPROXY and finding.protocol:     # behind a proxy's header it begins
        f.protocol.confidence = 0
    if found.by_sizes:
        improve(&f.protocol, finding.protocol, BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR))
    else:
        improve(&f.protocol, finding.protocol, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
    take_fields(s, f, found)
    if is_cover(s, f, found):
        finding.method = BY_NOTHING
        found.host_len = 0
    if finding.inside and f.asked != HOST_IN_HELLO and not is_name(string_text(s.strings, f.host)):
        f.flags &= ~<uint8_t>FLOW_NAMED             # whom a proxy was asked for is an address
    if finding.inside and finding.method != BY_CERTIFICATE and found.host_len and keeps_target(s, f, found):
        found.host_len = 0
    if finding.method == BY_CERTIFICATE:
        label = certified(s, found)
    if f.flags & FLOW_NAMED and finding.method == BY_CERTIFICATE:
        found.host_len = 0                          # what the client asked for stays the name
        if f.app.id or belongs(&s.inspector.server.certificate, string_text(s.strings, f.host)):
            label = 0                               # of many that share it, it is the one asked for
    if found.host_len:
        before = f.host
        f.host = string_keep(s.strings, found.host, found.host_len)
        another = before != NONE and before != f.host
        string_drop(s.strings, before)
        f.asked = HOST_IN_HELLO if finding.method == BY_SNI and f.proto == IP_TCP else 0
        if finding.method != BY_NOTHING:
            f.flags |= FLOW_NAMED
            if f.app.method == BY_DNS or f.app.method == BY_KNOWN_SERVER:
                memset(&f.app, 0, sizeof(f.app))    # another name of the same address
            if finding.method != BY_CERTIFICATE and s.hosts != NULL:
                label = name_label(s, found.host, found.host_len)
            improve(&f.app, label, finding.method, confidence_of(finding.method))
            if another and (finding.method == BY_SNI or finding.method == BY_QUIC_SNI or finding.method == BY_HTTP_HOST):
                f.risks |= lookup_risks(s, f, label)
            if finding.method != BY_DNS_QUERY and is_servers(s, f):
                teach(s, f, found.host, found.host_len, f.app.id, finding.method)
    if finding.tunnel and label:
        finding.complete = 1                        # whom a proxy is asked for is known
    improve(&f.app, label, finding.method, confidence_of(finding.method))
    if carries_names(f.protocol.id) or to_proxy(f.protocol.id):
        by_program(s, f, found)
    if finding.sure or finding.app and s.traits[f.app.id] & TRAIT_SHARED:
        f.app.confidence = 0                        # who carries it says less than what is spoken
    improve(&f.app, finding.app, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
    categorise(s, f)


cdef uint16_t service_at(Shard *s, const uint8_t *address) noexcept nogil:
    """The service whose own machine this is; 0 where it carries others', may be any of its owner's, or is a resolver."""
    cdef bint numbered = False
    cdef uint16_t label = prefix_told(s.prefixes, address, &numbered)
    if label == P_DOHDOT or s.traits[label] & TRAIT_SHARED or s.traits[label] & TRAIT_MIXED and not numbered:
        return 0
    return label


cdef inline bint is_push_port(uint16_t port) noexcept nogil:
    """Apple's (2195 to 2197, 5223) and Google's (5228 to 5230) tell firewalls to let these through."""
    return port == 5223 or 2195 <= port <= 2197 or 5228 <= port <= 5230


cdef inline bint is_web(const Label *protocol) noexcept nogil:
    """What clouds and networks carry for others by names: seen to be so, not guessed from a port."""
    return protocol.method != BY_PORT and carries_names(protocol.id)


cdef void name_at_end(Shard *s, Flow *f) noexcept nogil:
    """What no evidence of the flow's own has named: by the address's owner and by the port."""
    cdef int server = 1 - opener(f)
    cdef uint16_t label
    cdef uint16_t owner = 0
    cdef bint numbered = False
    if f.app.id == 0:
        name_by_address(s, f)
    if f.app.id == 0 and s.prefixes != NULL and f.protocol.id != P_DNS:     # a resolver's owner is asked by everybody
        label = prefix_told(s.prefixes, f.addr[server], &numbered)
        if label == 0:
            label = prefix_told(s.prefixes, f.addr[1 - server], &numbered)
            if label == P_DOHDOT:
                label = 0               # a resolver is asked, and asks nobody so
        owner = label
        if s.traits[label] & TRAIT_SHARED and (f.host == NONE or not is_web(&f.protocol)):
            label = 0                   # whose machine it is says nothing of what runs there
        if f.protocol.id == P_STUN and not s.calls[label] and not s.traits[label] & TRAIT_CALL:
            label = 0                   # a public STUN server is everybody's
        if label == P_DOHDOT and not is_web(&f.protocol):
            label = 0                   # a resolver is pinged as well
        if s.push[label] and f.proto == IP_TCP and (is_push_port(f.port[0]) or is_push_port(f.port[1])):
            label = s.push[label]
        elif s.traits[label] & TRAIT_MIXED and f.host == NONE and not numbered:
            label = 0                   # any of its owner's services may be there
        improve(&f.app, label, BY_PREFIX, confidence_of(BY_PREFIX))
    if f.protocol.id == 0 and s.ports != NULL:
        label = port_match(s.ports, f.proto, f.port[server])
        if label == 0:
            label = port_match(s.ports, f.proto, f.port[1 - server])
        improve(&f.protocol, label, BY_PORT, confidence_of(BY_PORT))
    if f.protocol.id == 0 and f.proto == IP_SCTP:
        improve(&f.protocol, P_SCTP, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
    if f.app.id == 0 and f.host == NONE and carries_names(f.protocol.id):
        near_find(s, f, owner)


cdef void name_late(Shard *s, Flow *f) noexcept nogil:
    """What a nameless flow's address, or one beside it, was called since: for its record, since its end has come."""
    if f.app.id == 0 and f.host == NONE and carries_names(f.protocol.id):
        name_at_end(s, f)
        categorise(s, f)


cdef void forget(Shard *s, Flow *f) noexcept nogil:
    """The flow goes: drops the names that its packets showed."""
    device_forget(s, f)
    string_drop(s.strings, f.host)
    string_drop(s.strings, f.agent)
    string_drop(s.strings, f.alpn)
    string_drop(s.strings, f.content_type)
    string_drop(s.strings, f.fingerprint)
