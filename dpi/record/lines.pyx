"""Flow records as lines of text, straight out of a shard's events: a record costs a microsecond and no object.

The fields and their values are FlowRecord's (fields.py), a test holds the two together.  Labels and all else that
comes from a list are spelled beforehand; names that are plain ASCII are copied; what is rare (other characters, times
finer than a microsecond) is left to Python, and odd names are remembered.

A line is some eighty pieces, most of a few bytes, so each is copied as PIECE bytes whatever its length: the texts that
are copied from have as many behind them, and at each of a line's pieces there is room for all short ones that may follow.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, strlen

from dpi.core cimport Core
from dpi.flow.evidence cimport BY_PORT
from dpi.flow.events cimport EVENT_END, EVENT_FIRST, Event, ring_advance, ring_peek
from dpi.flow.flow cimport CARRYING, Flow, one_way, opener
from dpi.flow_tuples cimport address
from dpi.record.counts cimport Counts

import select

from dpi.dissect import risks as known_risks
from dpi.flow_tuples import END_REASONS
from dpi.record.fields import METHODS, STATES, TLS_VERSIONS, TRANSPORTS, TUNNELS
from dpi.record.spelling import STYLES


cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET6
    const char *inet_ntop(int family, const void *address, char *text, unsigned int size)


cdef extern from "Python.h":
    object PyMemoryView_FromMemory(char *memory, Py_ssize_t size, int flags)
    int PyBUF_READ


cdef enum:
    CHUNK = 256 << 10       # bytes that are written at once
    SECOND = 1000000000     # ns
    ODD_NAMES = 4096        # remembered as they are spelled
    ODD_MAX = 4             # printable bytes that do not stand for themselves; of a style with more, bytes are looked at singly
    PIECE = 32              # bytes of a text that is copied without asking for its length
    FIELDS_MAX = 64
    NAME = 256              # bytes that a name in an event may have
    SPARE = FIELDS_MAX * (NAME + 4 * PIECE)     # more than the values of all fields need but for longer pieces
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


cdef struct Text:
    const char *at
    size_t n


cdef uint64_t ONES = 0x0101010101010101ULL


cdef inline uint64_t without(uint64_t lanes) noexcept nogil:
    """The high bit of the lowest lane that is zero is set, and none where no lane is and all are below 128."""
    return lanes - ONES


cdef class Spelled:
    """Values as a style spells them: [number] is its text; for any other number, that of None."""
    cdef Text *texts
    cdef size_t n
    cdef char *kept         # all texts, and PIECE bytes

    def __cinit__(self, spell, values):
        cdef bytes each
        cdef size_t i = 0
        cdef size_t at = 0
        spelled = [spell(value).encode("utf-8", "replace") for value in (*values, None)]
        self.n = len(spelled) - 1
        self.texts = <Text *>malloc(len(spelled) * sizeof(Text))
        self.kept = <char *>calloc(sum(map(len, spelled)) + PIECE, 1)
        if self.texts == NULL or self.kept == NULL:
            raise MemoryError
        for each in spelled:
            self.texts[i].at = self.kept + at
            self.texts[i].n = len(each)
            memcpy(self.kept + at, <const char *>each, self.texts[i].n)
            at += self.texts[i].n
            i += 1

    def __dealloc__(self):
        free(self.texts)
        free(self.kept)

    cdef inline const Text *of(self, size_t number) noexcept:
        return &self.texts[min(number, self.n)]


cdef class Lines:
    """Records of the events that it takes, as lines of a style (a name in STYLES), written to `out` in large pieces.

    fields: names in FIELD_NAMES, in order.  labels, categories, rules: names by number, None for none.  out: has
    write(), which may take a part, as a raw file's does; it may raise before it has written anything, and be asked again.
    least: labels that are less sure (0 to 100) are left out.  risky: only flows with a risk.

    wanted: where it is set, only flows become lines for which it is true.  It is called with what a record has as app,
    protocol, category, l4, src, sport, dst, dport and hostname.  counts: where it is set, flows are added up there and do
    not become lines.  The numbers here are of all flows.
    """
    cdef char *buffer
    cdef size_t size
    cdef size_t room
    cdef size_t done            # of these bytes are written
    cdef uint8_t plain[256]     # bytes that stand for themselves
    cdef uint8_t leading[256]   # … and do so also where a text begins with them
    cdef uint8_t odd_bytes[ODD_MAX]     # printable ones that do not
    cdef int n_odd
    cdef uint8_t order[FIELDS_MAX]      # Field
    cdef int n_fields
    cdef uint8_t least
    cdef bint risky
    cdef object out, spell
    cdef public object wanted
    cdef public Counts counts
    cdef tuple label_names, category_names, transport_names
    cdef str name
    cdef Spelled capture, quote, end, octets, tls, riskless
    cdef Spelled before, labels, categories, rules, transports, methods, shares, tunnels, states, reasons, flags, ways
    cdef dict odd, versions, risks, scores
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
        self.out, self.spell, self.least, self.risky = out, how.spell, least, risky
        self.quote, self.end = Spelled(str, [how.quote]), Spelled(str, [how.end])
        for i in range(0x20, 0x7F):
            text = f"a{chr(i)}a"
            self.plain[i] = how.spell(text) == how.quote + text + how.quote
            text = f"{chr(i)}a"
            self.leading[i] = how.spell(text) == how.quote + text + how.quote
            if not self.plain[i]:
                self.n_odd += 1
                if self.n_odd <= ODD_MAX:
                    self.odd_bytes[self.n_odd - 1] = <uint8_t>i
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
        self.octets = Spelled(str, [f"{n}." for n in range(256)])
        self.tls = Spelled(how.spell, [TLS_VERSIONS[n] for n in range(TLS_FIRST, TLS_NEXT)])
        self.riskless = Spelled(how.spell, [known_risks.names(0), known_risks.score(0)])
        self.odd, self.versions, self.risks, self.scores = {}, {}, {}, {}
        self.put_bytes(how.head(fields).encode())

    def __dealloc__(self):
        free(self.buffer)

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
                start = self.size
                try:
                    self.line(e)
                except BaseException:
                    self.size = start       # an interrupt, say: no half line
                    raise
            ring_advance(&core.shard.ring)
            if self.size >= CHUNK:
                self.flush()

    def flush(self):
        """Writes what there is."""
        while self.done < self.size:
            n = self.out.write(
                PyMemoryView_FromMemory(self.buffer + self.done, <Py_ssize_t>(self.size - self.done), PyBUF_READ)
            )
            if n is None:                   # somebody has made it non-blocking
                select.select([], [self.out], [])
            else:
                self.done += <size_t>n
        self.size = self.done = 0

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
        self.make_room(SPARE)
        for i in range(self.n_fields):
            self.put(self.before.of(i))
            field = self.order[i]
            if field == CAPTURE:
                self.put(self.capture.of(0))
            elif field == L4:
                self.put(self.transports.of(f.proto))
            elif field == IP_VERSION:
                self.put_number(f.version)
            elif field == SRC:
                self.put_address(f.addr[up], f.version)
            elif field == SPORT:
                self.put_number(f.port[up])
            elif field == DST:
                self.put_address(f.addr[down], f.version)
            elif field == DPORT:
                self.put_number(f.port[down])
            elif field == VLAN:
                self.put_number(f.vlan)
            elif field == MAC:
                self.put_name(e.mac)
            elif field == PROTOCOL:
                self.put(self.labels.of(protocol))
            elif field == APP:
                self.put(self.labels.of(app if app else <size_t>-1))
            elif field == CATEGORY:
                self.put(self.categories.of(category if category else <size_t>-1))
            elif field == HOSTNAME:
                self.put_name(e.host)
            elif field == JA4:
                self.put_name(e.ja4)
            elif field == HASSH:
                self.put_name(e.hassh)
            elif field == HASSH_SERVER:
                self.put_name(e.hassh_server)
            elif field == METHOD:
                self.put(self.methods.of(method))
            elif field == CONFIDENCE:
                self.put(self.shares.of(confidence))
            elif field == DECIDED_AT:
                self.put_number(f.decided_at)
            elif field == PACKETS_UP:
                self.put_number(f.packets[up])
            elif field == BYTES_UP:
                self.put_number(f.bytes[up])
            elif field == PACKETS_DOWN:
                self.put_number(f.packets[down])
            elif field == BYTES_DOWN:
                self.put_number(f.bytes[down])
            elif field == START:
                self.put_time(f.start)
            elif field == END:
                self.put_time(f.last)
            elif field == RISKS:
                if f.risks:
                    self.put_bytes(self.risks_of(f.risks))
                else:
                    self.put(self.riskless.of(0))
            elif field == RISK_SCORE:
                if f.risks:
                    self.put_bytes(self.score_of(f.risks))
                else:
                    self.put(self.riskless.of(1))
            elif field == ALPN:
                self.put_name(e.alpn)
            elif field == TLS_VERSION:
                if f.tls_version == 0 or TLS_FIRST <= f.tls_version < TLS_NEXT:
                    self.put(self.tls.of(f.tls_version - <size_t>TLS_FIRST))
                else:
                    self.put_bytes(self.version_of(f.tls_version))
            elif field == QUIC_VERSION:
                self.put_hex(f.quic_version)
            elif field == ECH:
                self.put(self.flags.of(f.ech != 0))
            elif field == AGENT:
                self.put_name(e.agent)
            elif field == CONTENT_TYPE:
                self.put_name(e.content_type)
            elif field == TUNNEL:
                self.put(self.tunnels.of(f.tunnel))
            elif field == DSCP:
                self.put_number(f.dscp)
            elif field == STATE:
                self.put(self.states.of(f.state))
            elif field == REASON:
                self.put(self.reasons.of(e.reason))
            elif field == RULE:
                self.put(self.rules.of(f.rule))
            elif field == MARK:
                self.put_number(f.mark)
            elif field == DIRECTION:
                self.put(self.ways.of(f.local ^ up if f.local < 2 else <size_t>-1))
            else:
                self.put_number(<uint64_t>f.packets[0] + f.packets[1])
        return self.put(self.end.of(0))

    # Parts of it

    cdef int make_room(self, size_t n) except -1:
        cdef char *grown
        if self.room - self.size < n:
            grown = <char *>realloc(self.buffer, 2 * self.room + n + CHUNK)
            if grown == NULL:
                raise MemoryError
            self.buffer = grown
            self.room = 2 * self.room + n + CHUNK
        return 0

    cdef inline int put(self, const Text *text) except -1:
        if text.n > PIECE:
            return self.put_long(text.at, text.n)
        memcpy(self.buffer + self.size, text.at, PIECE)
        self.size += text.n
        return 0

    cdef int put_long(self, const char *text, size_t n) except -1:
        """Of any length, with nothing readable behind it; then there is room for the rest of the line again."""
        self.make_room(n + SPARE)
        memcpy(self.buffer + self.size, text, n)
        self.size += n
        return 0

    cdef int put_bytes(self, bytes text) except -1:
        return self.put_long(text, len(text))

    cdef inline void put_char(self, char c) noexcept:
        self.buffer[self.size] = c
        self.size += 1

    cdef void put_number(self, uint64_t number) noexcept:
        cdef uint64_t above = 10
        cdef char *at = self.buffer + self.size
        cdef int digits = 1
        while digits < 20 and number >= above:
            digits += 1
            above *= 10
        self.size += digits
        while digits:
            digits -= 1
            at[digits] = <char>(c'0' + number % 10)
            number //= 10

    cdef int put_hex(self, uint32_t number) except -1:
        """Eight digits; 0 is none."""
        cdef int i
        if number == 0:
            return self.put(self.labels.of(<size_t>-1))
        self.put(self.quote.of(0))
        for i in range(8):
            self.put_char((<const char *>b"0123456789abcdef")[number >> (28 - 4 * i) & 15])
        return self.put(self.quote.of(0))

    cdef int put_time(self, int64_t ns) except -1:
        """Seconds, as Python spells the nearest float: whole microseconds of this century have one short spelling."""
        cdef int digits = 6
        cdef int i
        cdef uint64_t micro
        if ns < SECOND or ns >= <int64_t>SECOND << 32 or ns % 1000:
            return self.put_bytes(repr(<object>ns / SECOND).encode())
        self.put_number(ns // SECOND)
        micro = ns % SECOND // 1000
        while digits > 1 and micro % 10 == 0:
            micro //= 10
            digits -= 1
        self.put_char(c'.')
        self.size += digits
        for i in range(1, digits + 1):
            self.buffer[self.size - i] = <char>(c'0' + micro % 10)
            micro //= 10
        return 0

    cdef int put_address(self, const uint8_t *addr, int version) except -1:
        cdef int i
        self.put(self.quote.of(0))
        if version == 4:
            for i in range(12, 16):
                self.put(self.octets.of(addr[i]))
            self.size -= 1                      # the last one's dot
        else:
            inet_ntop(AF_INET6, addr, self.buffer + self.size, NAME)
            self.size += strlen(self.buffer + self.size)
        return self.put(self.quote.of(0))

    cdef inline bint odd_among(self, uint64_t eight) noexcept:
        """Whether one of eight bytes may not stand for itself: each a lane of which the high bit tells that."""
        cdef uint64_t found = eight | (eight - ONES * 0x20) | without(eight ^ ONES * 0x7F)
        cdef int i
        for i in range(self.n_odd):
            found |= without(eight ^ ONES * self.odd_bytes[i])
        return found & (ONES << 7) != 0

    cdef int put_name(self, const char *name) except -1:
        """What somebody has sent: any bytes, NAME at the most with the NUL, in room for a multiple of eight."""
        cdef size_t start = self.size
        cdef uint64_t eight
        if name[0] == 0:
            return self.put(self.labels.of(<size_t>-1))
        if not self.leading[<uint8_t>name[0]]:
            return self.put_bytes(self.odd_name(name))
        self.put(self.quote.of(0))
        memcpy(&eight, name, 8)
        while self.n_odd <= ODD_MAX and not self.odd_among(eight):
            memcpy(self.buffer + self.size, &eight, 8)
            self.size += 8
            name += 8
            memcpy(&eight, name, 8)
        while self.plain[<uint8_t>name[0]]:
            self.put_char(name[0])
            name += 1
        if name[0]:
            name -= self.size - start - self.quote.of(0).n
            self.size = start
            return self.put_bytes(self.odd_name(name))
        return self.put(self.quote.of(0))

    # What is spelled when it first comes

    cdef bytes odd_name(self, bytes name):
        spelled = self.odd.get(name)
        if spelled is None:
            if len(self.odd) == ODD_NAMES:
                self.odd.clear()
            self.odd[name] = spelled = self.spell(name.decode("utf-8", "replace")).encode()
        return spelled

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
