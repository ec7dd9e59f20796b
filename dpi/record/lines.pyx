"""Flow records as lines of text, straight out of a shard's events: a record costs a microsecond and no object.

The fields and their values are FlowRecord's (fields.py), a test holds the two together.  Labels and all else that
comes from a list are spelled beforehand, what is rare when it first comes; how pieces come to be a line is page.pyx's.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dpi.core cimport Core
from dpi.flow.evidence cimport BY_PORT
from dpi.flow.events cimport EVENT_END, EVENT_FIRST, Event, ring_advance, ring_peek
from dpi.flow.flow cimport CARRYING, Flow, one_way, opener, quic_version
from dpi.flow_tuples cimport address
from dpi.record.counts cimport Counts
from dpi.record.page cimport CHUNK, FIELDS_MAX, SPARE, Page, Spelled

from dpi.dissect import risks as known_risks
from dpi.flow_tuples import END_REASONS
from dpi.record.fields import METHODS, STATES, TLS_VERSIONS, TRANSPORTS, TUNNELS
from dpi.record.spelling import STYLES


cdef enum:
    TCP = 6
    TLS_FIRST = 0x0300
    TLS_NEXT = 0x0305       # after the newest

cdef enum Field:            # FIELD_NAMES has the same order
    CAPTURE, L4, IP_VERSION, SRC, SPORT, DST, DPORT, VLAN, PROTOCOL, APP, CATEGORY, HOSTNAME, JA4, METHOD
    CONFIDENCE, DECIDED_AT, PACKETS_UP, BYTES_UP, PACKETS_DOWN, BYTES_DOWN, START, END, RISKS, RISK_SCORE, HASSH
    HASSH_SERVER, ALPN, TLS_VERSION, QUIC_VERSION, ECH, AGENT, CONTENT_TYPE, TUNNEL, DSCP, STATE, REASON, RULE, MARK, DIRECTION
    MAC, PACKETS

# Those of a record, and `packets`: of both directions.
FIELD_NAMES = (
    "capture", "l4", "ip_version", "src", "sport", "dst", "dport", "vlan", "protocol", "app", "category", "hostname",
    "ja4", "method", "confidence", "decided_at", "packets_up", "bytes_up", "packets_down", "bytes_down",
    "start", "end", "risks", "risk_score", "hassh", "hassh_server", "alpn", "tls_version", "quic_version", "ech", "agent",
    "content_type", "tunnel", "dscp", "state", "reason", "rule", "mark", "direction", "mac", "packets",
)


cdef class Lines:
    """Records of the events that it takes, as lines of a style (a name in STYLES), written to `out` in large pieces.

    fields: names in FIELD_NAMES, in order.  labels, categories, rules: names by number, None for none.  out: has
    write(), which may take a part, as a raw file's does; it may raise before it has written anything, and be asked again.
    least: labels that are less sure (0 to 100) are left out.  risky: only flows with a risk.

    wanted: where it is set, only flows become lines for which it is true.  It is called with what a record has as app,
    protocol, category, l4, src, sport, dst, dport and hostname.  counts: where it is set, flows are added up there and do
    not become lines.  The numbers here are of all flows.
    """
    cdef Page page
    cdef uint8_t order[FIELDS_MAX]      # Field
    cdef int n_fields
    cdef uint8_t least
    cdef bint risky
    cdef object spell
    cdef public object wanted
    cdef public Counts counts
    cdef tuple label_names, category_names, transport_names
    cdef str name
    cdef Spelled capture, end, tls, riskless
    cdef Spelled before, labels, categories, rules, transports, methods, shares, tunnels, states, reasons, flags, ways
    cdef dict versions, risks, scores
    cdef readonly uint64_t flows    # taken, risky or not
    cdef readonly uint64_t named    # of these, with an app or a protocol
    cdef readonly uint64_t guessed  # of those named, by nothing but a port
    cdef readonly uint64_t apps
    cdef readonly uint64_t carrying     # TCP connections that carry something
    cdef readonly uint64_t one_way      # of these, those of which one side alone is seen
    cdef readonly uint64_t even         # of these, those whose sides both have sent even numbers of packets and bytes
    cdef readonly uint64_t lengths      # bit n % 64 is set where one of these has n packets

    def __cinit__(self, str style, fields, *, labels, categories, rules, out, uint8_t least=0, bint risky=False):
        cdef int i
        how = STYLES[style]
        if len(fields) > FIELDS_MAX:
            raise ValueError(f"there are at most {FIELDS_MAX} fields")
        for i, name in enumerate(fields):
            self.order[i] = FIELD_NAMES.index(name)
        self.n_fields = len(fields)
        self.page, self.spell, self.least, self.risky = Page(how, out), how.spell, least, risky
        self.end = Spelled(str, [how.end])
        self.before = Spelled(str, [how.before(n, name) for n, name in enumerate(fields)])
        self.label_names, self.category_names = tuple(labels), tuple(categories)
        self.transport_names = tuple([TRANSPORTS.get(n) or str(n) for n in range(256)])
        self.labels = Spelled(how.spell, self.label_names)
        self.categories = Spelled(how.spell, self.category_names)
        self.rules = Spelled(how.spell, rules)
        self.transports = Spelled(how.spell, self.transport_names)
        self.methods = Spelled(how.spell, [method or None for method in METHODS])
        self.shares = Spelled(how.spell, [n / 100.0 for n in range(256)])
        self.tunnels = Spelled(how.spell, [tunnel or None for tunnel in TUNNELS])
        self.states = Spelled(how.spell, STATES)
        self.reasons = Spelled(how.spell, [reason or None for reason in END_REASONS])
        self.flags = Spelled(how.spell, [False, True])
        self.ways = Spelled(how.spell, ["out", "in"])
        self.tls = Spelled(how.spell, [TLS_VERSIONS[n] for n in range(TLS_FIRST, TLS_NEXT)])
        self.riskless = Spelled(how.spell, [known_risks.names(0), known_risks.score(0)])
        self.versions, self.risks, self.scores = {}, {}, {}
        self.page.put_bytes(how.head(fields).encode())

    def take(self, Core core, str capture, bint first=False):
        """Makes lines of the events that wait: of flows' ends, or, where `first`, of what they were at once."""
        cdef const Event *e
        cdef uint8_t kind = EVENT_FIRST if first else EVENT_END
        cdef size_t start
        if capture != self.name:
            self.capture = Spelled(self.spell, [capture])
            self.name = capture
        while True:
            e = ring_peek(&core.shard.ring)
            if e == NULL:
                return
            if e.kind == kind:
                start = self.page.size
                try:
                    self.line(e)
                except BaseException:
                    self.page.size = start       # an interrupt, say: no half line
                    raise
            ring_advance(&core.shard.ring)
            if self.page.size >= CHUNK:
                self.page.flush()

    def flush(self):
        """Writes what there is."""
        self.page.flush()

    # A line

    cdef int line(self, const Event *e) except -1:
        cdef const Flow *f = &e.flow
        cdef int up = opener(f)
        cdef int down = 1 - up
        cdef uint16_t app = f.app.id
        cdef uint16_t protocol = f.protocol.id
        cdef uint8_t category = f.category
        cdef uint8_t method = f.protocol.method
        cdef uint8_t confidence = f.protocol.confidence
        cdef Page page = self.page
        cdef int i, field
        if f.app.confidence < self.least:
            app = category = 0
        if confidence < self.least:
            protocol = method = confidence = 0
        if app:
            method, confidence = f.app.method, f.app.confidence
        self.flows += 1
        self.named += method != 0
        self.guessed += method == BY_PORT
        self.apps += app != 0
        if f.proto == TCP and f.packets[0] + f.packets[1] >= CARRYING:
            self.carrying += 1
            self.one_way += one_way(f) >= 0
            self.even += not ((f.packets[0] | f.packets[1] | f.bytes[0] | f.bytes[1]) & 1)
            self.lengths |= 1ULL << ((f.packets[0] + f.packets[1]) & 63)
        if self.risky and not f.risks:
            return 0
        if self.wanted is not None and not self.wanted(
            self.label_names[app] if app else None, self.label_names[protocol],
            self.category_names[category] if category else None, self.transport_names[f.proto],
            address(f.addr[up], f.version), f.port[up], address(f.addr[down], f.version), f.port[down],
            (<const char *>e.host).decode("utf-8", "replace") if e.host[0] else None,
        ):
            return 0
        if self.counts is not None:
            return self.counts.add(
                e, up, self.label_names[protocol], self.label_names[app] if app else None,
                self.category_names[category] if category else None, METHODS[method] or None,
            )
        page.make_room(SPARE)
        for i in range(self.n_fields):
            page.put(self.before.of(i))
            field = self.order[i]
            if field == CAPTURE:
                page.put(self.capture.of(0))
            elif field == L4:
                page.put(self.transports.of(f.proto))
            elif field == IP_VERSION:
                page.put_number(f.version)
            elif field == SRC:
                page.put_address(f.addr[up], f.version)
            elif field == SPORT:
                page.put_number(f.port[up])
            elif field == DST:
                page.put_address(f.addr[down], f.version)
            elif field == DPORT:
                page.put_number(f.port[down])
            elif field == VLAN:
                page.put_number(f.vlan)
            elif field == MAC:
                page.put_name(e.mac)
            elif field == PROTOCOL:
                page.put(self.labels.of(protocol))
            elif field == APP:
                page.put(self.labels.of(app if app else <size_t>-1))
            elif field == CATEGORY:
                page.put(self.categories.of(category if category else <size_t>-1))
            elif field == HOSTNAME:
                page.put_name(e.host)
            elif field == JA4:
                page.put_name(e.ja4)
            elif field == HASSH:
                page.put_name(e.hassh)
            elif field == HASSH_SERVER:
                page.put_name(e.hassh_server)
            elif field == METHOD:
                page.put(self.methods.of(method))
            elif field == CONFIDENCE:
                page.put(self.shares.of(confidence))
            elif field == DECIDED_AT:
                page.put_number(f.decided_at)
            elif field == PACKETS_UP:
                page.put_number(f.packets[up])
            elif field == BYTES_UP:
                page.put_number(f.bytes[up])
            elif field == PACKETS_DOWN:
                page.put_number(f.packets[down])
            elif field == BYTES_DOWN:
                page.put_number(f.bytes[down])
            elif field == START:
                page.put_time(f.start)
            elif field == END:
                page.put_time(f.last)
            elif field == RISKS:
                if f.risks:
                    page.put_bytes(self.risks_of(f.risks))
                else:
                    page.put(self.riskless.of(0))
            elif field == RISK_SCORE:
                if f.risks:
                    page.put_bytes(self.score_of(f.risks))
                else:
                    page.put(self.riskless.of(1))
            elif field == ALPN:
                page.put_name(e.alpn)
            elif field == TLS_VERSION:
                if f.tls_version == 0 or TLS_FIRST <= f.tls_version < TLS_NEXT:
                    page.put(self.tls.of(f.tls_version - <size_t>TLS_FIRST))
                else:
                    page.put_bytes(self.version_of(f.tls_version))
            elif field == QUIC_VERSION:
                page.put_hex(quic_version(f))
            elif field == ECH:
                page.put(self.flags.of(f.ech != 0))
            elif field == AGENT:
                page.put_name(e.agent)
            elif field == CONTENT_TYPE:
                page.put_name(e.content_type)
            elif field == TUNNEL:
                page.put(self.tunnels.of(f.tunnel))
            elif field == DSCP:
                page.put_number(f.dscp)
            elif field == STATE:
                page.put(self.states.of(f.state))
            elif field == REASON:
                page.put(self.reasons.of(e.reason))
            elif field == RULE:
                page.put(self.rules.of(f.rule))
            elif field == MARK:
                page.put_number(f.mark)
            elif field == DIRECTION:
                page.put(self.ways.of(f.local ^ up if f.local < 2 else <size_t>-1))
            else:
                page.put_number(<uint64_t>f.packets[0] + f.packets[1])
        return page.put(self.end.of(0))

    # What is spelled when it first comes

    cdef bytes version_of(self, uint16_t version):
        """TLS's."""
        spelled = self.versions.get(version)
        if spelled is None:
            text = TLS_VERSIONS.get(version, f"{version:#06x}") if version else None
            self.versions[version] = spelled = self.spell(text).encode()
        return spelled

    cdef bytes risks_of(self, uint32_t risks):
        spelled = self.risks.get(risks)
        if spelled is None:
            self.risks[risks] = spelled = self.spell(known_risks.names(risks)).encode()
        return spelled

    cdef bytes score_of(self, uint32_t risks):
        spelled = self.scores.get(risks)
        if spelled is None:
            self.scores[risks] = spelled = self.spell(known_risks.score(risks)).encode()
        return spelled
