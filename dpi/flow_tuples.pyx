"""Flows and events as Python has them: tuples, whose labels, categories and methods are numbers still."""

from libc.stdint cimport uint8_t

from dpi.flow.events cimport EVENT_ASKED, EVENT_LEARNT, Event
from dpi.flow.flow cimport Flow, opener, quic_version


cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET, AF_INET6
    const char *inet_ntop(int family, const void *address, char *text, unsigned int size)


EVENT_KINDS = ("start", "labelled", "end", "learnt", "asked", "first")
END_REASONS = ("", "closed", "idle", "evicted", "reused", "reported", "flushed")

# What a flow's tuple holds, in order.  up: the side that opened.
FLOW_FIELDS = (
    "proto", "version", "src", "sport", "dst", "dport", "vlan", "protocol", "app", "category",
    "protocol_method", "protocol_confidence", "app_method", "app_confidence",
    "host", "ja4", "hassh", "hassh_server", "alpn", "agent", "content_type", "tls_version", "quic_version", "ech",
    "tunnel", "dscp", "decided_at", "packets_up", "bytes_up", "packets_down", "bytes_down", "start", "last", "risks",
    "state", "flags", "needs", "rule", "disposition", "mark", "local", "mac",
)


cdef str address(const uint8_t *addr, int version):
    cdef char text[64]
    if version == 4:
        inet_ntop(AF_INET, addr + 12, text, sizeof(text))
    else:
        inet_ntop(AF_INET6, addr, text, sizeof(text))
    return text.decode("ascii")


cdef inline str text_of(const char *text):
    return text.decode("utf-8", "replace") if text[0] else None


cdef tuple flow_tuple(const Event *e):
    """A flow, by FLOW_FIELDS."""
    cdef const Flow *f = &e.flow
    cdef int up = opener(f)
    cdef int down = 1 - up
    return (
        f.proto, f.version,
        address(f.addr[up], f.version), f.port[up], address(f.addr[down], f.version), f.port[down], f.vlan,
        f.protocol.id, f.app.id, f.category,
        f.protocol.method, f.protocol.confidence, f.app.method, f.app.confidence,
        text_of(e.host), text_of(e.ja4), text_of(e.hassh), text_of(e.hassh_server),
        text_of(e.alpn), text_of(e.agent), text_of(e.content_type),
        f.tls_version, quic_version(f), f.ech, f.tunnel, f.dscp, f.decided_at,
        f.packets[up], f.bytes[up], f.packets[down], f.bytes[down], f.start, f.last, f.risks,
        f.state, f.flags, f.needs, f.rule, f.disposition, f.mark, f.local,
        text_of(e.mac),
    )


cdef tuple event_tuple(const Event *e):
    """(kind, reason, time, logged, route, flow), ("learnt", address, ttl, route, hold, name, time) or
    ("asked", src, sport, dst, dport, route, hold, query, time)."""
    if e.kind == EVENT_LEARNT:
        return EVENT_KINDS[e.kind], e.address[:16], e.ttl, e.route, e.hold, text_of(e.host), e.time
    if e.kind == EVENT_ASKED:
        return (
            EVENT_KINDS[e.kind], e.flow.addr[0][:16], e.flow.port[0], e.flow.addr[1][:16], e.flow.port[1],
            e.route, e.hold, e.host[:e.asked], e.time,
        )
    return EVENT_KINDS[e.kind], END_REASONS[e.reason], e.time, bool(e.logged), e.route, flow_tuple(e)
