"""A shard's events: what the control plane is told of a flow."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from dpi.decide.fingerprint cimport content_type_of, hassh_of, hassh_server_of, ja4_of
from dpi.decide.shard cimport Shard
from dpi.flow.events cimport Event, ring_commit, ring_reserve
from dpi.flow.flow cimport Flow
from dpi.flow.strings cimport String


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
    copy_text(s, e.content_type, sizeof(e.content_type), content_type_of(f))
    copy_text(s, e.ja4, sizeof(e.ja4), ja4_of(f))
    copy_text(s, e.hassh, sizeof(e.hassh), hassh_of(f))
    copy_text(s, e.hassh_server, sizeof(e.hassh_server), hassh_server_of(f))
    copy_text(s, e.mac, sizeof(e.mac), f.mac)


cdef void emit(Shard *s, const Flow *f, uint8_t kind, uint8_t reason) noexcept nogil:
    cdef Event *e = ring_reserve(&s.ring)
    if e == NULL:
        return
    write_event(s, f, kind, reason, e)
    ring_commit(&s.ring)
