"""A shard with one of everything that an engine sets up, and what must hold of it.

Hosts, prefixes, ports, signatures of bytes, an app's rules, a policy with routes, owners with video, calls and push
services, a table of names that DNS fills: what an input does with the shard reaches all that decides about a flow.

One serves all inputs, since making one costs more than most of them do.  Each begins a minute after the one before,
with nothing learnt, and ends with every flow ended and all that flows were lent given back.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from dpi._fastpath cimport EVENTS_A_PACKET, IDLE_SWEEP, end, tick
from dpi.decide.shard cimport (
    LEARNT,
    SEES_NONE,
    TRAIT_CALL,
    TRAIT_SHARED,
    WANT_FIRST,
    WANT_LABELLED,
    WANT_START,
    Learnt,
    Shard,
    shard_free,
    shard_new,
)
from dpi.dissect.declared cimport Declarations
from dpi.flow.events cimport END_FLUSHED, EVENT_ASKED, EVENT_LEARNT, Event, ring_advance, ring_peek
from dpi.fuzz.promise cimport check
from dpi.match.hosts cimport Hosts
from dpi.match.name_table cimport names_free, names_new
from dpi.match.ports cimport Ports
from dpi.match.prefixes cimport Prefixes
from dpi.match.rules cimport Rules

from dpi.dissect.declaration import Declaration, Host, Length, Part
from dpi.dissect.protocols import IDS
from dpi.match.addresses import pack


cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t size)


cdef int64_t MINUTE = 60 * <int64_t>1000000000
cdef int64_t LATEST = <int64_t>1 << 60      # a capture's packets may have any time


cdef enum:
    FLOWS = 4               # fewer than inputs have: eviction is reached
    EVENTS = 4 * EVENTS_A_PACKET
    NAMES = 64
    # Apps of these tables.
    SITE = 600
    VIDEO = 601
    CDN = 603
    OWNER = 610             # has video, calls and a push service
    CLIPS = 611
    CALLS = 612
    PUSH = 613
    CLOUD = 614             # carries others' apps


cdef Hosts HOSTS = Hosts([
    ("example.org", SITE), ("*.video.example", VIDEO), ("=a.example", 602), ("cdn*.example", CDN),
    ("owner.example", OWNER), ("cloud.example", CLOUD), ("*keyword*", 605), ("o=example-ltd", 607),
])
cdef Prefixes PREFIXES = Prefixes([("192.0.2.1", OWNER), ("2001:db8::1", CLOUD), ("192.0.2.128/25", SITE)])
cdef Ports PORTS = Ports([
    ("tcp/22", IDS["ssh"]), ("tcp/25", IDS["smtp"]), ("tcp/80", IDS["http"]), ("tcp/443", IDS["tls"]),
    ("udp/53", IDS["dns"]), ("udp/12345-12346", 606),
])

TCP, UDP, BOTH = (6,), (17,), (6, 17)


def part(text, *places, mask=None, after=b""):
    """Bytes that stand at `at`, or from there to `within`."""
    return Part(text, mask or b"\xff" * len(text), *places, after=after)


cdef Declarations DECLARED = Declarations([
    Declaration(604, False, BOTH, (part(b"GATE"), part(b"go", 0, 64, after=b"k=")),
                counted=Length(5, 1, 6), host=Host(0, b"to=", b";")),
    Declaration(605, True, BOTH, (part(b"%%"),), both=True, host=Host(2, size=1)),
    Declaration(606, False, UDP, (part(b"\x01\x02\x03", 9),), ((12345, 12345),), packets=(2, 3)),
    Declaration(608, True, TCP, (part(b"HELO"), part(b"end.", 4, 64)), sender="client", length=(8, 512)),
    Declaration(609, False, TCP, (part(b"HELLO", 2),), sender="server", counted=Length(0, 2, 2, little=True)),
    Declaration(608, False, BOTH, (part(b"\x40\x05\x00\x00", 0, mask=b"\xf0\x0f\xff\xff"), part(b"key!", 4, 512))),
    Declaration(609, True, BOTH, (part(b"name", 1),), host=Host(5, size=2)),
    Declaration(615, False, UDP, (), ((3478, 3479),), counted=Length(2, 4, 8)),
    Declaration(616, True, UDP, (part(b"any where", 0, 128),)),
    Declaration(617, False, TCP, (part(b"@", 3), part(b"~~", 0, 32, after=b"##")), ((25, 25), (12345, 12345)), both=True),
])
cdef Rules APP_RULES = Rules([
    {"hosts": ["*.video.example"], "ports": [(8443, 8443)], "disposition": 602},
    {"ja4": ["t13d*"], "alpn": ["h2"], "disposition": 618},
    {"protocols": [IDS["ssh"]], "remote": [(pack("192.0.2.1"), 128)], "disposition": SITE},
])
cdef Rules RULES = Rules([
    {"apps": [VIDEO], "disposition": 2, "route": 1},
    {"hosts": ["=a.example", "*.video.example"], "disposition": 3, "log": True},
    {"categories": [2], "disposition": 4},
    {"ja4": ["t12*"], "disposition": 5},
    {"alpn": ["http/1.1"], "disposition": 6},
    {"remote": [(pack("192.0.2.1"), 128)], "ports": [(443, 443)], "disposition": 7, "route": 2},
    {"protocols": [IDS["dns"]], "transports": [17], "disposition": 8},
    {"vlans": [5], "dscp": [0, 46], "direction": 2, "disposition": 9},
])
cdef Rules ROUTES = Rules([
    {"apps": [VIDEO], "disposition": 2, "route": 1},
    {"remote": [(pack("192.0.2.1"), 128)], "disposition": 7, "route": 2},
])


cdef Shard *make() noexcept nogil:
    cdef Shard *s = shard_new(FLOWS, EVENTS)
    check(s != NULL)
    s.hosts = &HOSTS.table
    s.prefixes = &PREFIXES.table
    s.ports = &PORTS.table
    s.app_rules = &APP_RULES.table
    s.inspector.declared = &DECLARED.table
    s.category[VIDEO] = s.category[CLIPS] = 1
    s.category[CLOUD] = 2
    s.video[OWNER] = s.video[CLOUD] = CLIPS
    s.calls[OWNER] = s.calls[VIDEO] = CALLS
    s.push[OWNER] = PUSH
    s.traits[CLOUD] = s.traits[CDN] = TRAIT_SHARED
    s.traits[CALLS] = TRAIT_CALL
    s.mark_shift = 16
    s.mark_final = 1 << 27
    return s


cdef Shard *SHARD = make()


cdef Shard *equipped(uint8_t mode) noexcept nogil:
    """The shard, at a time of its own and with nothing learnt."""
    global SHARD
    cdef Shard *s = SHARD
    names_free(s.names)
    if s.now > LATEST:
        shard_free(s)
        s = SHARD = make()
    s.names = names_new(NAMES)
    check(s.names != NULL)
    memset(s.learnt, 0, LEARNT * sizeof(Learnt))
    s.offload = mode & MODE_OFFLOAD != 0
    s.inspector.risks = mode & MODE_RISKS != 0
    s.blind = (mode & MODE_BLIND) >> 2
    if s.blind > SEES_NONE:
        s.blind = 0
    s.merge = mode & MODE_MERGE != 0
    s.wants = WANT_START | WANT_LABELLED | (WANT_FIRST if mode & MODE_FIRST else 0)
    s.rules = s.routes = NULL
    if not mode & MODE_NO_POLICY:
        s.rules = &RULES.table
        s.routes = &ROUTES.table
    s.overrides = s.answers = 1 << 1 if mode & MODE_RISKS else 0        # VIDEO's names lead to a cache
    tick(s, s.now + MINUTE, IDLE_SWEEP)
    return s


cdef void drain(Shard *s) noexcept nogil:
    """Takes the events of a packet, and looks at the shard as it is between two."""
    cdef const Event *e
    check(s.table.count <= FLOWS)
    check(s.inspector.used <= s.table.count)
    check(s.ring.lost == 0)
    while True:
        e = ring_peek(&s.ring)
        if e == NULL:
            return
        check(strnlen(e.host, sizeof(e.host)) < sizeof(e.host))
        if e.kind != EVENT_LEARNT and e.kind != EVENT_ASKED:
            check(strnlen(e.agent, sizeof(e.agent)) < sizeof(e.agent))
            check(strnlen(e.alpn, sizeof(e.alpn)) < sizeof(e.alpn))
            check(strnlen(e.content_type, sizeof(e.content_type)) < sizeof(e.content_type))
            check(strnlen(e.ja4, sizeof(e.ja4)) < sizeof(e.ja4))
            check(strnlen(e.hassh, sizeof(e.hassh)) < sizeof(e.hassh))
            check(strnlen(e.hassh_server, sizeof(e.hassh_server)) < sizeof(e.hassh_server))
            check(e.flow.version == 4 or e.flow.version == 6)
            check(e.flow.app.confidence <= 100 and e.flow.protocol.confidence <= 100)
        ring_advance(&s.ring)


cdef void finish(Shard *s) noexcept nogil:
    """Ends every flow: nothing is left of any."""
    cdef uint32_t i
    for i in range(s.table.fresh):
        if s.table.flows[i].version:
            end(s, i, END_FLUSHED)
            drain(s)
    check(s.table.count == 0)
    check(s.inspector.used == 0)
    check(s.inspector.pool.used == 0)
    check(s.strings.count == 0)
