"""The loop: flow → dissect → match → decide, for one packet at a time, without the GIL or a Python object.

process() is the same for the queue, for a capture and for the fuzzer; it does no I/O and keeps nothing of the
packet.  What a flow still needs is a value in it: when it is empty, a packet costs a look-up and two counters.

How a flow gets its labels (match/evidence.pxd has the order of evidence):

    first packet    the name that DNS or another flow gave the server's address: provisional
    payload         what the dissectors find (dissect/inspect.pyx): protocol, name, and the name's app
    settled         nothing more is to be had: else by the address's owner, else by the port
    shape           of a nameless flow whose owner has video, the first minute is watched for bursts

A label of PROVISIONAL confidence already chooses a rule, and the packets carry its mark; a settled flow's mark
has the bit `final` beside it, by which the kernel keeps the flow from then on.  A blocked flow is not dropped here:
its mark tells the kernel, which rejects it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen

from dpi.capture.decision cimport ACCEPT, HOLD, Decision
from dpi.dissect.answer cimport NO, YES, Answer, Certificate, Found
from dpi.dissect.dns cimport DnsMessage
from dpi.dissect.inspect cimport (
    NEED_MESSAGES,
    NEED_NAME,
    NEED_PROTOCOL,
    NEED_SHAPE,
    Finding,
    inspect,
    inspect_end,
    inspector_free,
    inspector_init,
    release,
)
from dpi.dissect.protocols cimport *
from dpi.flow.events cimport (
    END_CLOSED,
    END_EVICTED,
    END_IDLE,
    END_REUSED,
    EVENT_END,
    EVENT_LABELLED,
    EVENT_LEARNT,
    EVENT_START,
    Event,
    ring_commit,
    ring_free,
    ring_init,
    ring_reserve,
)
from dpi.flow.strings cimport String, string_drop, string_keep, string_text, strings_free, strings_new
from dpi.flow.table cimport (
    FLOW_DECIDED,
    FLOW_NAMED,
    FLOW_OFFLOADED,
    FLOW_OPENER,
    FLOW_SYN_SEEN,
    FLOW_TLS,
    FLOW_TOUCHED,
    NONE,
    STATE_CLOSING,
    STATE_NEW,
    STATE_SYN,
    STATE_TWO_WAY,
    Flow,
    Label,
    opener,
    table_decided,
    table_due,
    table_find,
    table_free,
    table_hash,
    table_insert,
    table_new,
    table_prefetch,
    table_prefetch_flow,
    table_remove,
    table_tcp,
    table_victim,
)
from dpi.match.evidence cimport (
    BY_BEHAVIOUR,
    BY_CERTIFICATE,
    BY_DNS,
    BY_DNS_QUERY,
    BY_KNOWN_SERVER,
    BY_NOTHING,
    BY_PORT,
    BY_PREFIX,
    BY_SIGNATURE,
    PROVISIONAL,
    confidence_of,
)
from dpi.match.hosts cimport HostHit, host_match
from dpi.match.names cimport (
    NameHit,
    callers_find,
    callers_learn,
    names_find,
    names_learn,
    servers_find,
    servers_learn,
)
from dpi.match.ports cimport port_match
from dpi.match.prefixes cimport prefix_match
from dpi.match.rules cimport OPENED_IN, OPENED_OUT, Question, rules_ask
from dpi.wire.packet cimport (
    FRAGMENT_FIRST,
    FRAGMENT_JOINED,
    IP_ICMP,
    IP_ICMPV6,
    IP_SCTP,
    IP_TCP,
    IP_UDP,
    ORIGIN_LAN,
    ORIGIN_WAN,
    Packet,
)


cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)


cdef enum:
    BURST_MIN = 192 << 10   # bytes: a second of 1.5 Mbit/s, the least that players fetch at a time
    BURSTS = 3              # a page and its pictures come in one or two
    WATCH_PACKETS = 8192
    SETTLE = 50000000       # ns: what is held is let go after as much
    TOLD_MAX = 60           # seconds after which the kernel may have lost it: somebody flushed its sets
    TTL_MIN = 30            # seconds
    TTL_MAX = 86400
    SWEEP = 4               # slots and flows of the timer wheel that a packet pays for
    PACKETS_MAX = 64        # of a flow, after which it is settled whatever it still needs
    EPHEMERAL = 32768       # where Linux begins to choose ports for clients; others begin later
    BY_OTHERS = 15          # confidence that a name loses where it was another client's lookup …
    BY_MANY = 25            # … and where several apps share the address
    WORKS_MIN = 1024        # flows in dissection at a time, or an eighth of all
    STREAMS = 64 << 20      # bytes that their streams may hold together


cdef int64_t BURST_GAP = 400000000      # ns: longer than a round trip, shorter than a player waits
cdef int64_t WATCH_TIME = 60000000000


cdef Shard *shard_new(uint32_t flows, uint32_t events) noexcept nogil:
    """A shard for at most `flows` flows, with room for `events` events; NULL where memory is refused."""
    cdef Shard *s = <Shard *>calloc(1, sizeof(Shard))
    cdef uint32_t works = max(flows // 8, <uint32_t>WORKS_MIN)
    if s == NULL:
        return NULL
    s.table = table_new(flows)
    s.strings = strings_new(flows + 64)
    s.category = <uint8_t *>calloc(65536, 1)
    s.video = <uint16_t *>calloc(65536, sizeof(uint16_t))
    s.calls = <uint16_t *>calloc(65536, sizeof(uint16_t))
    s.push = <uint16_t *>calloc(65536, sizeof(uint16_t))
    s.traits = <uint8_t *>calloc(65536, 1)
    s.learnt = <Learnt *>calloc(LEARNT, sizeof(Learnt))
    if (s.table == NULL or s.strings == NULL or s.category == NULL
            or s.video == NULL or s.calls == NULL or s.push == NULL or s.traits == NULL or s.learnt == NULL
            or not ring_init(&s.ring, events) or not inspector_init(&s.inspector, works, STREAMS)
            or pthread_mutex_init(&s.mutex, NULL) != 0):
        shard_free(s)
        return NULL
    return s


cdef void shard_free(Shard *s) noexcept nogil:
    cdef uint32_t i
    if s == NULL:
        return
    if s.table != NULL and s.inspector.works != NULL:
        for i in range(s.table.fresh):
            if s.table.flows[i].version:
                release(&s.inspector, &s.table.flows[i])
    inspector_free(&s.inspector)
    ring_free(&s.ring)
    strings_free(s.strings)
    table_free(s.table)
    free(s.category)
    free(s.video)
    free(s.calls)
    free(s.push)
    free(s.traits)
    free(s.learnt)
    free(s)


cdef void lock(Shard *shard) noexcept nogil:
    pthread_mutex_lock(&shard.mutex)


cdef void unlock(Shard *shard) noexcept nogil:
    pthread_mutex_unlock(&shard.mutex)


cdef void hint(Shard *s, Packet *p) noexcept nogil:
    """Has the memory that process() will want for this packet brought nearer, some packets ahead."""
    p.hash = table_hash(s.table, p)
    table_prefetch(s.table, p.hash)


cdef void hint_again(Shard *s, const Packet *p) noexcept nogil:
    """The second half of that, for each packet of a batch after hint() was called for all."""
    table_prefetch_flow(s.table, p.hash)


cdef void process(Shard *s, Packet *p, Decision *d) noexcept nogil:
    """Takes one packet through.  The shard's lock is held; the packet's payload is not kept."""
    cdef int side = 0
    cdef uint32_t hash = p.hash if p.hash else table_hash(s.table, p)
    cdef uint32_t i
    cdef Flow *f
    d.verdict = ACCEPT
    d.has_mark = 0
    d.mark = 0
    d.hold = 0
    if p.fragment != FRAGMENT_JOINED:
        s.counters.packets += 1
        s.counters.bytes += p.length
    tick(s, p.time, SWEEP)
    i = table_find(s.table, p, hash, &side)
    if i != NONE and p.proto == IP_TCP and table_tcp(s.table, &s.table.flows[i], p, side):
        if s.merge:
            begin_again(s, &s.table.flows[i], p, side)
        else:
            end(s, i, END_REUSED)
            i = NONE
    if i == NONE:
        i = begin(s, p, hash)
        if i == NONE:
            s.counters.refused += 1
            return
        side = 0
    f = &s.table.flows[i]
    if f.needs & NEED_SHAPE:
        watch(s, f, p, side)
    if p.time > f.last:
        f.last = p.time
    if p.fragment != FRAGMENT_JOINED:
        f.packets[side] += 1
        f.bytes[side] += p.length
    f.flags |= FLOW_TOUCHED
    if side == 1 and f.state == STATE_NEW and p.proto != IP_TCP:
        f.state = STATE_TWO_WAY
    if f.needs & ~<uint16_t>NEED_SHAPE:
        if p.n:
            study(s, i, f, p, side, d)
        elif f.packets[0] + f.packets[1] >= PACKETS_MAX and not f.flags & FLOW_DECIDED:
            settle(s, i, f)
    if f.mark:
        d.has_mark = 1
        d.mark = f.mark


cdef void tick(Shard *s, int64_t now, int budget) noexcept nogil:
    """Ends flows that have been silent for too long; budget: slots and flows of the timer wheel to look at.

    It waits while the ring is full, so that no record is lost for want of a reader.
    """
    cdef uint32_t i
    if now > s.now:
        s.now = now
    if s.merge:
        return
    while s.ring.written - s.ring.read + EVENTS_A_PACKET <= s.ring.mask:
        i = table_due(s.table, s.now, &budget)
        if i == NONE:
            return
        s.counters.idle += 1
        end(s, i, END_CLOSED if s.table.flows[i].state >= STATE_CLOSING else END_IDLE)


# A flow's life

cdef uint32_t begin(Shard *s, const Packet *p, uint32_t hash) noexcept nogil:
    """A new flow; where the table is full, another goes for it."""
    cdef uint32_t i = table_insert(s.table, p, hash)
    cdef Flow *f
    cdef uint16_t label
    if i == NONE:
        i = table_victim(s.table)
        if i == NONE:
            return NONE
        s.counters.evicted += 1
        end(s, i, END_EVICTED)
        i = table_insert(s.table, p, hash)
        if i == NONE:
            return NONE
    f = &s.table.flows[i]
    s.counters.flows += 1
    if p.origin == ORIGIN_LAN:
        f.local = 0
    elif p.origin == ORIGIN_WAN:
        f.local = 1
    if p.proto == IP_TCP:
        table_tcp(s.table, f, p, 0)
    if p.proto == IP_TCP or p.proto == IP_UDP or p.proto == IP_SCTP:
        f.needs = NEED_PROTOCOL
        name_by_address(s, f)
        ask(s, f)
    else:
        label = header_label(p)
        if label:
            improve(s, &f.protocol, label, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
        f.packets[0] = 1            # it is decided at this packet, which process() counts afterwards
        settle(s, i, f)
        f.packets[0] = 0
    if s.wants & WANT_START:
        emit(s, f, EVENT_START, 0)
    return i


cdef void begin_again(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Another connection on the same 5-tuple, of a source that wants them as one flow."""
    f.state = STATE_SYN
    f.flags = (f.flags & ~<uint8_t>(FLOW_OPENER | FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1 | FLOW_TLS)) | <uint8_t>side
    f.flags |= <uint8_t>(FLOW_SYN_SEEN << side)
    f.isn[side] = p.seq
    f.based = <uint8_t>(1 << side)
    if f.needs:
        f.spent = 0
        release(&s.inspector, f)


cdef void end(Shard *s, uint32_t i, uint8_t reason) noexcept nogil:
    """The flow's record goes out, the flow goes."""
    cdef Flow *f = &s.table.flows[i]
    if not f.flags & FLOW_DECIDED:
        settle(s, i, f)
    call_again(s, f)                # another flow of the call may have been named since
    s.counters.ended += 1
    emit(s, f, EVENT_END, reason)
    release(&s.inspector, f)
    string_drop(s.strings, f.host)
    string_drop(s.strings, f.agent)
    string_drop(s.strings, f.alpn)
    string_drop(s.strings, f.content_type)
    string_drop(s.strings, f.ja4)
    table_remove(s.table, i)


# Labels

cdef inline bint improve(Shard *s, Label *label, uint16_t id, uint8_t method, uint8_t confidence) noexcept nogil:
    """Better evidence replaces what is there; equal evidence does not."""
    if id == 0 or confidence <= label.confidence:
        return False
    label.id = id
    label.method = method
    label.confidence = confidence
    return True


cdef uint16_t header_label(const Packet *p) noexcept nogil:
    """What the IP header's protocol number alone tells (IANA, Protocol Numbers)."""
    if p.proto == IP_ICMP:
        return P_ICMP
    if p.proto == IP_ICMPV6:
        return P_ICMPV6
    if p.proto == 2:
        return P_IGMP
    if p.proto == 4 or p.proto == 41:
        return P_IPIP
    if p.proto == 47:
        return P_GRE
    if p.proto == 50 or p.proto == 51:
        return P_IPSEC
    if p.proto == 88:
        return P_EIGRP
    if p.proto == 89:
        return P_OSPF
    if p.proto == 103:
        return P_IPPIM
    if p.proto == 112:
        return P_VRRP
    if p.proto == 113:
        return P_PGM
    return 0


cdef void categorise(Shard *s, Flow *f) noexcept nogil:
    """The app's category, else the protocol's."""
    f.category = s.category[f.app.id] if f.app.id else s.category[f.protocol.id]


cdef void name_by_address(Shard *s, Flow *f) noexcept nogil:
    """What the server's address was called lately: by this client's resolver, by others', by the server itself."""
    cdef int client = opener(f)
    cdef int server = 1 - client
    cdef NameHit hit
    cdef int confidence
    if s.names == NULL or f.flags & FLOW_NAMED or f.app.confidence >= confidence_of(BY_DNS):
        return
    if names_find(s.names, f.addr[client], f.addr[server], s.now, &hit):
        confidence = confidence_of(BY_DNS)
        if not hit.own:
            confidence -= BY_OTHERS
    elif servers_find(s.names, f.addr[server], f.port[server], f.proto, s.now, &hit):
        confidence = confidence_of(BY_KNOWN_SERVER)
    else:
        return
    if hit.ambiguous:
        confidence -= BY_MANY
    if improve(s, &f.app, hit.label, hit.source if hit.source == BY_DNS else BY_KNOWN_SERVER, <uint8_t>confidence):
        categorise(s, f)
    if f.host == NONE and hit.n:
        f.host = string_keep(s.strings, hit.name, hit.n)


cdef void replace(Shard *s, uint32_t *string, const char *text) noexcept nogil:
    cdef uint32_t n = <uint32_t>strlen(text)
    if n:
        string_drop(s.strings, string[0])
        string[0] = string_keep(s.strings, text, n)


cdef void study(Shard *s, uint32_t i, Flow *f, const Packet *p, int side, Decision *d) noexcept nogil:
    """Has the payload looked at, and takes over what was found."""
    cdef Finding finding
    cdef Answer answer
    cdef bint first = not f.flags & FLOW_DECIDED
    s.counters.inspected += 1
    answer = inspect(&s.inspector, f, p, side, &finding)
    if answer == YES and finding.message and (f.protocol.id == 0 or f.protocol.id == P_DNS):
        message(s, f, p, d)
    if not first:
        if answer == NO or f.spent == 3:        # the two messages of a DNS connection over TCP
            f.needs = 0
            release(&s.inspector, f)
            ask(s, f)
        return
    if answer == YES:
        take_over(s, f, &finding)
        if finding.complete:
            settle(s, i, f)
            if f.protocol.id == P_DNS:
                f.needs = NEED_MESSAGES             # its answers shall come by here: the mark is not final
                f.flags &= ~<uint8_t>FLOW_OFFLOADED
                ask(s, f)
            return
        f.needs = NEED_NAME
        call_learn(s, f)
        call_again(s, f)
        ask(s, f)
        if s.wants & WANT_LABELLED:
            emit(s, f, EVENT_LABELLED, 0)
    if answer == NO or f.spent == 3 or f.packets[0] + f.packets[1] >= PACKETS_MAX:
        settle(s, i, f)


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
            found.host_len = <uint16_t>(n - 2 if name[0] == c"*" else n)
            memcpy(found.host, name + n - found.host_len, found.host_len + 1)
            if not s.traits[label] & TRAIT_SHARED:
                return label
        name += n + 1
    owner = organisation_label(s.hosts, c.organisation)
    return owner if owner and (label == 0 or s.traits[label] & TRAIT_SHARED) else label


cdef void take_over(Shard *s, Flow *f, const Finding *finding) noexcept nogil:
    """Copies what the inspector found into the flow, and names the app by the name."""
    cdef Found *found = &s.inspector.found
    cdef HostHit hit
    cdef uint16_t label = 0
    cdef int server
    if finding.client < 2 and not f.flags & (FLOW_SYN_SEEN | FLOW_SYN_SEEN << 1):
        f.flags = (f.flags & ~<uint8_t>FLOW_OPENER) | finding.client
    if finding.replaces:
        f.protocol.confidence = 0
    improve(s, &f.protocol, finding.protocol, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
    replace(s, &f.ja4, found.ja4)
    replace(s, &f.alpn, found.alpn)
    replace(s, &f.agent, found.agent)
    replace(s, &f.content_type, found.content_type)
    if found.tls_version:
        f.tls_version = found.tls_version
    if found.quic_version:
        f.quic_version = found.quic_version
    f.ech |= found.ech
    if finding.method == BY_CERTIFICATE:
        label = certified(s, found)
    if f.flags & FLOW_NAMED and finding.method == BY_CERTIFICATE:
        found.host_len = 0                          # what the client asked for stays the name
        if f.app.id:
            label = 0
    if found.host_len:
        string_drop(s.strings, f.host)
        f.host = string_keep(s.strings, found.host, found.host_len)
        if finding.method != BY_NOTHING:
            f.flags |= FLOW_NAMED
            if f.app.method == BY_DNS or f.app.method == BY_KNOWN_SERVER:
                memset(&f.app, 0, sizeof(f.app))    # another name of the same address
            if finding.method != BY_CERTIFICATE and s.hosts != NULL:
                label = host_match(s.hosts, found.host, found.host_len, &hit)
            improve(s, &f.app, label, finding.method, confidence_of(finding.method))
            server = 1 - opener(f)
            if s.names != NULL and finding.method != BY_DNS_QUERY and finding.method != BY_CERTIFICATE:
                servers_learn(s.names, f.addr[server], f.port[server], f.proto, found.host, found.host_len,
                              f.app.id, s.now, finding.method)
    improve(s, &f.app, label, finding.method, confidence_of(finding.method))
    if finding.sure:
        f.app.confidence = 0
    improve(s, &f.app, finding.app, BY_SIGNATURE, confidence_of(BY_SIGNATURE))
    categorise(s, f)


cdef inline bint carries_calls(uint16_t protocol) noexcept nogil:
    return protocol == P_STUN or protocol == P_DTLS or protocol == P_RTP or protocol == P_RTCP or protocol == P_SRTP


cdef void call_learn(Shard *s, const Flow *f) noexcept nogil:
    """Whose call it is, by the name or the address of the server: remembered for its other flows."""
    cdef int server = 1 - opener(f)
    cdef uint16_t label = f.app.id
    if s.names == NULL or not carries_calls(f.protocol.id):
        return
    if label == 0 and s.prefixes != NULL:
        label = prefix_match(s.prefixes, f.addr[server])
    if s.calls[label]:
        label = s.calls[label]
    if s.traits[label] & TRAIT_CALL:
        callers_learn(s.names, f.addr[1 - server], f.port[1 - server], f.proto, label, f.last)


cdef void call_again(Shard *s, Flow *f) noexcept nogil:
    """A call tries peers and relays from one socket: what one flow was named, the others of its ends are.

    Whose servers they are says less: public STUN servers are everybody's.
    """
    cdef uint16_t label
    cdef int side
    if s.names == NULL or f.flags & FLOW_NAMED or not carries_calls(f.protocol.id) or s.traits[f.app.id] & TRAIT_CALL:
        return
    for side in range(2):
        label = callers_find(s.names, f.addr[side], f.port[side], f.proto, f.last)
        if label:
            f.app.confidence = 0
            improve(s, &f.app, label, BY_KNOWN_SERVER, confidence_of(BY_KNOWN_SERVER))
            categorise(s, f)
            if f.port[1 - side] >= EPHEMERAL:       # a peer; STUN servers have ports below
                callers_learn(s.names, f.addr[1 - side], f.port[1 - side], f.proto, label, f.last)
            return


cdef inline bint is_push_port(uint16_t port) noexcept nogil:
    """Apple's (2195 to 2197, 5223) and Google's (5228 to 5230) tell firewalls to let these through."""
    return port == 5223 or 2195 <= port <= 2197 or 5228 <= port <= 5230


cdef inline bint is_web(const Label *protocol) noexcept nogil:
    """What clouds and networks carry for others by names: seen to be so, not guessed from a port."""
    return protocol.method != BY_PORT and (protocol.id == P_TLS or protocol.id == P_QUIC or protocol.id == P_HTTP
                                           or protocol.id == P_HTTP2)


cdef void settle(Shard *s, uint32_t i, Flow *f) noexcept nogil:
    """Nothing more is looked for: what is still missing comes from the address and the port."""
    cdef Finding finding
    cdef int server = 1 - opener(f)
    cdef uint16_t label
    if f.protocol.id == 0:
        memset(&s.inspector.found, 0, sizeof(s.inspector.found))
        inspect_end(&s.inspector, f, &finding)
        if finding.protocol:
            take_over(s, f, &finding)
    if f.app.id == 0:
        name_by_address(s, f)
    if f.app.id == 0 and s.prefixes != NULL:
        label = prefix_match(s.prefixes, f.addr[server])
        if label == 0:
            label = prefix_match(s.prefixes, f.addr[1 - server])
        if s.traits[label] & TRAIT_SHARED and not is_web(&f.protocol):
            label = 0                   # whose machine it is says nothing of what runs there
        if s.push[label] and f.proto == IP_TCP and (is_push_port(f.port[0]) or is_push_port(f.port[1])):
            label = s.push[label]
        improve(s, &f.app, label, BY_PREFIX, confidence_of(BY_PREFIX))
    if f.protocol.id == 0 and s.ports != NULL:
        label = port_match(s.ports, f.proto, f.port[server])
        if label == 0:
            label = port_match(s.ports, f.proto, f.port[1 - server])
        improve(s, &f.protocol, label, BY_PORT, confidence_of(BY_PORT))
    if s.calls[f.app.id] and carries_calls(f.protocol.id):
        f.app.id = s.calls[f.app.id]
    call_learn(s, f)
    call_again(s, f)
    categorise(s, f)
    f.needs = 0
    if s.video[f.app.id] and f.app.method == BY_PREFIX and not f.flags & FLOW_NAMED and f.bytes[server] and (
            f.protocol.id == P_TLS or f.protocol.id == P_QUIC or f.protocol.id == 0 or f.protocol.method == BY_PORT):
        f.needs = NEED_SHAPE
        f.isn[0] = f.isn[1] = 0
    f.decided_at = <uint16_t>min(f.packets[0] + f.packets[1], 65535)
    release(&s.inspector, f)
    table_decided(s.table, i)
    s.counters.decided += 1
    s.counters.decided_at += f.decided_at
    s.counters.named += f.app.id != 0 or f.protocol.id != 0
    ask(s, f)
    if s.wants & WANT_LABELLED:
        emit(s, f, EVENT_LABELLED, 0)


# Shape

cdef void watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Tells video by its bursts: a player fetches some seconds of it at full speed, then waits (RFC 9317, 2.1).

    isn[], of no use any more, holds the bytes of the burst that goes on and how many there were.
    """
    cdef int server = 1 - opener(f)
    cdef bint video
    if p.time - f.last >= BURST_GAP:
        f.isn[1] += f.isn[0] >= BURST_MIN
        f.isn[0] = 0
    if side == server and f.isn[0] < BURST_MIN:
        f.isn[0] += p.length
    video = f.isn[1] >= BURSTS and f.bytes[server] > 16 * f.bytes[1 - server]
    if not video and p.time - f.start < WATCH_TIME and f.packets[0] + f.packets[1] < WATCH_PACKETS:
        return
    f.needs = 0
    if video and improve(s, &f.app, s.video[f.app.id], BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR)):
        categorise(s, f)
    ask(s, f)
    if s.wants & WANT_LABELLED:
        emit(s, f, EVENT_LABELLED, 0)


# DNS

cdef void message(Shard *s, Flow *f, const Packet *p, Decision *d) noexcept nogil:
    """Learns which names addresses have from the answers to questions that passed here.

    A flow remembers its open questions by a bit each of 64, chosen by the message's id, so that an answer which
    nobody asked for teaches nothing.
    """
    cdef const DnsMessage *m = &s.inspector.dns
    cdef uint32_t *open = &f.isn[m.id >> 5 & 1]
    cdef uint32_t bit = <uint32_t>1 << (m.id & 31)
    cdef uint16_t label = 0
    cdef uint32_t i
    cdef HostHit hit
    if p.proto == IP_UDP:
        if not m.response:
            open[0] |= bit
            return
        if not open[0] & bit:
            return
        if p.fragment != FRAGMENT_FIRST:            # the whole will come, with all of the answer
            open[0] &= ~bit
    elif not m.response:
        return
    if m.n_addresses == 0 or m.qname_len == 0 or s.names == NULL or s.hosts == NULL:
        return
    label = host_match(s.hosts, m.qname, m.qname_len, &hit)
    if label == 0 and m.cname_len:
        label = host_match(s.hosts, m.cname, m.cname_len, &hit)
    for i in range(m.n_addresses):
        names_learn(s.names, p.dst, m.addresses[i].address, m.qname, m.qname_len, m.addresses[i].ttl, label, s.now,
                    BY_DNS)
    if s.routes != NULL and s.routes.n:
        steer(s, f, p, m, label, d)


cdef void steer(Shard *s, const Flow *f, const Packet *p, const DnsMessage *m, uint16_t label,
                Decision *d) noexcept nogil:
    """Tells the control plane addresses that a cache serves, and holds the answer until the kernel knows them.

    So the client's first connection already takes the way through the cache.  An address that the kernel has is not
    told again; one that is on its way there is, since this answer must wait for it as well.
    """
    cdef Question q
    cdef Learnt *known
    cdef Event *e
    cdef uint32_t i, rule
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
        if rule == NONE or s.routes.rules[rule].route == 0:
            continue
        tag = address_tag(m.addresses[i].address, s.routes.rules[rule].route)
        known = &s.learnt[tag & (LEARNT - 1)]
        if known.tag == tag and known.settled <= s.now < known.until:
            continue
        e = ring_reserve(&s.ring)
        if e == NULL:
            return                      # nobody listens: the packet goes on
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


cdef inline uint64_t address_tag(const uint8_t *addr, uint8_t route) noexcept nogil:
    """A number for an address and a route.  Two that share one only cost a route that is learnt a little later."""
    cdef uint64_t half[2]
    memcpy(half, addr, 16)
    half[0] = (half[0] ^ route) * <uint64_t>0x9E3779B97F4A7C15ULL
    half[0] = (half[0] ^ half[0] >> 29 ^ half[1]) * <uint64_t>0xBF58476D1CE4E5B9ULL
    return half[0] ^ half[0] >> 32


# The policy

cdef bint ask(Shard *s, Flow *f) noexcept nogil:
    """Which rule the flow falls under as it is known now; True where that changes what becomes of it."""
    cdef Question q
    cdef uint32_t rule
    cdef uint16_t before = f.disposition
    cdef bint final = f.flags & FLOW_DECIDED != 0
    if s.rules == NULL:
        return False
    question(s, f, &q)
    rule = rules_ask(s.rules, &q)
    if rule == NONE and not final:
        return False                # a better label may yet find one
    f.rule = rule
    f.disposition = s.rules.rules[rule].disposition if rule != NONE else 1
    f.route = s.rules.rules[rule].route if rule != NONE else 0
    f.mark = <uint32_t>f.disposition << s.mark_shift
    if f.route and (f.app.id == 0 or f.app.confidence >= PROVISIONAL):      # a guess does not move others' traffic
        f.mark |= <uint32_t>f.route * (s.mark_final << 1)       # its bits are right above: the kernel learns the server
    if final and s.offload and not f.needs:
        f.mark |= s.mark_final
        f.flags |= FLOW_OFFLOADED
    return f.disposition != before


cdef void question(Shard *s, const Flow *f, Question *q) noexcept nogil:
    """What the rules may ask of a flow.  Without knowing where the LAN is, whoever opened is local."""
    cdef int client = opener(f)
    cdef int local = f.local if f.local < 2 else client
    cdef bint sure = f.flags & FLOW_DECIDED or f.app.confidence >= PROVISIONAL
    cdef bint dns = f.protocol.id == P_DNS      # asking for a name is not using it
    q.app = f.app.id if sure and not dns else 0
    q.protocol = f.protocol.id
    q.category = s.category[q.app] if q.app else s.category[q.protocol]
    q.host = string_text(s.strings, f.host if sure and not dns else <uint32_t>NONE)
    q.host_len = <uint32_t>strlen(q.host)
    q.local = f.addr[local]
    q.remote = f.addr[1 - local]
    q.port = f.port[1 - client]
    q.vlan = f.vlan
    q.proto = f.proto
    q.dscp = f.dscp
    q.opened = OPENED_OUT if local == client else OPENED_IN


# Events

cdef inline void copy_text(Shard *s, char *to, uint32_t size, uint32_t string) noexcept nogil:
    cdef const String *text
    cdef uint32_t n
    to[0] = 0
    if string < s.strings.capacity:
        text = &s.strings.strings[string]
        n = text.length if text.length < size else size - 1
        memcpy(to, text.text, n)
        to[n] = 0


cdef void write_event(Shard *s, const Flow *f, uint8_t kind, uint8_t reason, Event *e) noexcept nogil:
    e.kind = kind
    e.reason = reason
    e.logged = s.rules != NULL and f.rule < s.rules.n and s.rules.rules[f.rule].log    # it may be an older table's
    e.route = f.route
    e.hold = 0
    e.time = s.now
    memcpy(&e.flow, f, sizeof(Flow))
    copy_text(s, e.host, sizeof(e.host), f.host)
    copy_text(s, e.agent, sizeof(e.agent), f.agent)
    copy_text(s, e.alpn, sizeof(e.alpn), f.alpn)
    copy_text(s, e.content_type, sizeof(e.content_type), f.content_type)
    copy_text(s, e.ja4, sizeof(e.ja4), f.ja4)


cdef void emit(Shard *s, Flow *f, uint8_t kind, uint8_t reason) noexcept nogil:
    cdef Event *e = ring_reserve(&s.ring)
    if e == NULL:
        return
    write_event(s, f, kind, reason, e)
    ring_commit(&s.ring)
