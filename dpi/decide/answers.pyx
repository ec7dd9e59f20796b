"""What DNS answers teach: which names addresses have, and which servers belong to a cache; and which queries a cache's
own address answers."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from dpi.capture.decision cimport HOLD, Decision
from dpi.decide.device cimport device_ipv4
from dpi.decide.labels cimport categorise, service_at
from dpi.decide.name_label cimport name_label
from dpi.decide.shard cimport LEARNT, SEES_NONE, TRAIT_SHARED, Learnt, Shard
from dpi.dissect.dns cimport DNS_A, DNS_AAAA, DNS_HTTPS, DnsMessage
from dpi.flow.events cimport EVENT_ASKED, EVENT_LEARNT, Event, ring_commit, ring_reserve
from dpi.flow.evidence cimport BY_DNS, BY_DNS_QUERY, BY_PREFIX, confidence_of, improve
from dpi.flow.flow cimport HOST_ANSWERED, NONE, Flow
from dpi.flow.strings cimport string_drop, string_keep
from dpi.match.name_table cimport CARRIED, NameHit
from dpi.match.names cimport aliases_find, aliases_learn, names_learn
from dpi.match.nearby cimport networks_learn
from dpi.match.rule_table cimport Question, rules_ask
from dpi.wire.packet cimport FRAGMENT_FIRST, IP_UDP, ORIGIN_LAN, Packet


cdef enum:
    DNS_PORT = 53
    TOLD_ANSWER = 32        # addresses of an answer that the control plane is told at a time; the rest with the next one
    SETTLE = 50000000       # ns: what is held is let go after as much
    TOLD_MAX = 60           # seconds after which the kernel may have lost it: somebody flushed its sets
    TTL_MIN = 30            # seconds
    TTL_MAX = 86400
    ASKED_ADDRESSES = 16    # of an answer whose service is asked for
    FEW_ADDRESSES = 8       # of an answer that are learnt in any case
    MANY_ADDRESSES = 4096   # further ones that may come at once, of all answers together …
    ADDRESS_NS = 50000      # … and how long each takes to be free again: 20,000 a second


cdef inline uint64_t address_tag(const uint8_t *addr, uint8_t route) noexcept nogil:
    """A number for an address and a route.  Two that share one only cost a route that is learnt a little later."""
    cdef uint64_t half[2]
    memcpy(half, addr, 16)
    half[0] = (half[0] ^ route) * <uint64_t>0x9E3779B97F4A7C15ULL
    half[0] ^= half[0] >> 29 ^ half[1]
    half[0] = (half[0] ^ half[0] >> 32) * <uint64_t>0xBF58476D1CE4E5B9ULL      # an address ends in the highest bits
    return half[0] ^ half[0] >> 32


cdef void steer(Shard *s, const Packet *p, const DnsMessage *m, uint16_t label, Decision *d) noexcept nogil:
    """Tells the control plane addresses that a cache serves, and holds the answer until the kernel knows them.

    So the client's first connection already takes the way through the cache.  An address that the kernel has is not
    told again; one that is on its way there is, since this answer must wait for it as well.
    """
    cdef Question q
    cdef Learnt *known
    cdef Event *e
    cdef uint32_t i, rule
    cdef uint32_t told = 0
    cdef uint64_t tag
    cdef int64_t ttl
    memset(&q, 0, sizeof(q))
    q.app = label
    q.category = s.category[label]
    q.host = m.qname
    q.host_len = m.qname_len
    q.local = p.dst
    for i in range(m.n_addresses):
        q.remote = m.addresses[i].address
        rule = rules_ask(s.routes, &q)
        if rule == NONE or s.routes.rules[rule].route == 0 or s.overrides >> s.routes.rules[rule].route & 1:
            continue
        tag = address_tag(m.addresses[i].address, s.routes.rules[rule].route)
        known = &s.learnt[tag & (LEARNT - 1)]
        if known.tag == tag and known.settled <= s.now < known.until:
            continue
        e = ring_reserve(&s.ring) if told < TOLD_ANSWER else NULL
        if e == NULL:
            return                      # nobody listens: the packet goes on
        told += 1
        ttl = max(min(<int64_t>m.addresses[i].ttl, TTL_MAX), TTL_MIN)
        if known.tag != tag or s.now >= known.until:
            known.tag = tag
            known.settled = s.now + SETTLE
            known.until = s.now + min(ttl, TOLD_MAX) * 500000000    # half of it
        if d.verdict != HOLD:
            d.verdict = HOLD
            s.holds += 1
            d.hold = s.holds
            s.counters.held += 1
        s.counters.learnt += 1
        e.kind = EVENT_LEARNT
        e.time = s.now
        e.ttl = <uint32_t>ttl
        e.hold = d.hold
        e.route = s.routes.rules[rule].route
        memcpy(e.address, m.addresses[i].address, 16)
        memcpy(e.host, m.qname, sizeof(e.host))
        ring_commit(&s.ring)


cdef void override(Shard *s, const Packet *p, const DnsMessage *m, Decision *d) noexcept nogil:
    """Holds a query from the LAN for a name of a cache that is found by DNS, and tells the control plane of it.

    It answers with the cache's address and has the query dropped; what it leaves alone goes on at its deadline.
    """
    cdef Question q
    cdef Event *e
    cdef uint32_t rule
    if p.origin != ORIGIN_LAN or p.dport != DNS_PORT or p.fragment or p.tunnel or m.opcode or m.questions != 1 or m.qclass != 1:
        return
    if m.qtype != DNS_A and m.qtype != DNS_AAAA and m.qtype != DNS_HTTPS:
        return
    memset(&q, 0, sizeof(q))
    q.app = name_label(s, m.qname, m.qname_len)
    q.category = s.category[q.app]
    q.host = m.qname
    q.host_len = m.qname_len
    q.local = p.src
    q.remote = p.dst
    rule = rules_ask(s.routes, &q)
    if rule == NONE or not s.answers >> s.routes.rules[rule].route & 1 or p.n >= sizeof(e.host) or p.n != p.payload_len:
        return
    e = ring_reserve(&s.ring)
    if e == NULL:
        return                          # nobody listens: the packet goes on
    s.holds += 1
    s.counters.held += 1
    d.verdict = HOLD
    d.hold = s.holds
    e.kind = EVENT_ASKED
    e.time = p.time
    e.hold = d.hold
    e.route = s.routes.rules[rule].route
    e.asked = <uint16_t>p.n
    memcpy(e.host, p.payload, p.n)
    e.host[p.n] = 0
    memcpy(e.flow.addr[0], p.src, 16)
    memcpy(e.flow.addr[1], p.dst, 16)
    e.flow.port[0] = p.sport
    e.flow.port[1] = p.dport
    ring_commit(&s.ring)


cdef void name_by_answer(Shard *s, Flow *f, const DnsMessage *m) noexcept nogil:
    """A flow may ask much: it is named by its first question, until one is answered, and then by that."""
    string_drop(s.strings, f.host)
    f.host = string_keep(s.strings, m.qname, m.qname_len)
    if f.app.method == BY_DNS_QUERY:
        memset(&f.app, 0, sizeof(f.app))
    improve(&f.app, name_label(s, m.qname, m.qname_len), BY_DNS_QUERY, confidence_of(BY_DNS_QUERY))


cdef void name_by_addresses(Shard *s, Flow *f, const DnsMessage *m) noexcept nogil:
    """A name that nobody knows is of the service at whose own addresses it is, if all that tell one tell the same."""
    cdef uint16_t label = 0
    cdef uint16_t each
    cdef uint32_t i
    if f.app.id or s.prefixes == NULL:
        return
    for i in range(min(m.n_addresses, <uint16_t>ASKED_ADDRESSES)):
        each = service_at(s, m.addresses[i].address)
        if each and label and each != label:
            return
        label = each or label
    improve(&f.app, label, BY_PREFIX, confidence_of(BY_PREFIX))


cdef uint32_t affordable(Shard *s, uint32_t n) noexcept nogil:
    """How many of an answer's addresses are learnt: all of them, but not where answers of very many come as a flood.

    Each costs what several packets cost, so that whoever answers himself could keep a thread busy.
    """
    if n <= FEW_ADDRESSES:
        return n
    s.many = min(s.many + max(s.now - s.many_at, <int64_t>0) // ADDRESS_NS, <int64_t>MANY_ADDRESSES)
    s.many_at = s.now
    n = FEW_ADDRESSES + <uint32_t>min(<int64_t>(n - FEW_ADDRESSES), s.many)
    s.many -= n - FEW_ADDRESSES
    return n


cdef void answer_learn(Shard *s, Flow *f, const Packet *p, Decision *d) noexcept nogil:
    """Learns which names addresses have from the answers to questions that passed here.

    A flow remembers its open questions by a bit each of 64, chosen by the message's id, so that an answer which
    nobody asked for teaches nothing; by hearsay (a capture of one direction) as much as if another client had asked.
    """
    cdef const uint8_t *client = p.dst
    cdef const uint8_t *device = NULL   # its address of IPv4, where it has asked over IPv6
    cdef const DnsMessage *m = &s.inspector.dns
    cdef uint32_t *open = &f.isn[m.id >> 5 & 1]
    cdef uint32_t bit = <uint32_t>1 << (m.id & 31)
    cdef uint16_t label = 0
    cdef uint16_t end = 0       # what the end of the chain of aliases is
    cdef uint8_t source = BY_DNS
    cdef uint32_t i
    cdef NameHit first
    cdef const char *name = m.qname
    cdef uint16_t n = m.qname_len
    if p.proto == IP_UDP:
        if not m.response:
            open[0] |= bit
            if s.answers and s.routes != NULL and s.hosts != NULL and s.blind != SEES_NONE:
                override(s, p, m, d)
            return
        if not open[0] & bit:
            if not s.hearsay or p.sport != DNS_PORT or f.packets[0] and f.packets[1]:
                return
            client = NULL
        if p.fragment != FRAGMENT_FIRST:            # the whole will come, with all of the answer
            open[0] &= ~bit
    elif not m.response:
        return
    if m.qname_len == 0 or s.names == NULL or s.hosts == NULL:
        return
    if m.answers and f.asked != HOST_ANSWERED:
        f.asked = HOST_ANSWERED
        if s.blind != SEES_NONE:
            name_by_answer(s, f, m)
        name_by_addresses(s, f, m)
        categorise(s, f)
    if s.blind == SEES_NONE:
        return
    if aliases_find(s.names, p.dst, name, n, s.now, &first):
        end = name_label(s, m.qname, m.qname_len)
        name, n, label = first.name, first.n, first.label or end
    else:
        label = name_label(s, name, n)
    if m.cname_len:
        if client != NULL:
            aliases_learn(s.names, client, m.cname, m.cname_len, name, n, m.cname_ttl, label, s.now, BY_DNS)
        end = name_label(s, m.cname, m.cname_len)
        if label == 0:
            label = end
    if s.traits[end] & TRAIT_SHARED:
        source |= CARRIED
    if client != NULL and f.version == 6:
        device = device_ipv4(s, f)
    for i in range(affordable(s, m.n_addresses)):
        names_learn(s.names, client, m.addresses[i].address, name, n, m.addresses[i].ttl, label, s.now, source)
        if device != NULL:
            names_learn(s.names, device, m.addresses[i].address, name, n, m.addresses[i].ttl, label, s.now, source)
        if client != NULL:
            networks_learn(s.names, client, m.addresses[i].address, 0 if s.traits[label] & TRAIT_SHARED else label, s.now)
    if m.n_addresses and s.routes != NULL and s.routes.n:
        steer(s, p, m, label, d)
