"""Calls: what one flow of a call was named, the others of its ends are."""

from libc.stdint cimport uint16_t

from dpi.decide.labels cimport categorise
from dpi.decide.shard cimport TRAIT_CALL, TRAIT_SHARED, Shard
from dpi.dissect.protocols cimport P_DTLS, P_RTCP, P_RTP, P_SRTP, P_STUN
from dpi.flow.evidence cimport BY_KNOWN_SERVER, BY_NEIGHBOUR, confidence_of, improve
from dpi.flow.flow cimport EPHEMERAL, FLOW_NAMED, Flow, opener
from dpi.match.nearby cimport callers_find, callers_learn, places_find, places_learn
from dpi.match.prefix_table cimport prefix_match


cdef inline bint carries_calls(uint16_t protocol) noexcept nogil:
    return protocol == P_STUN or protocol == P_DTLS or protocol == P_RTP or protocol == P_RTCP or protocol == P_SRTP


cdef void call_learn(Shard *s, const Flow *f) noexcept nogil:
    """Whose call it is, by the name or the address of the server: remembered for its other flows."""
    cdef int server = 1 - opener(f)
    cdef uint16_t label = f.app.id
    if s.names == NULL or not carries_calls(f.protocol.id) or f.app.method == BY_NEIGHBOUR:
        return                          # a guess teaches nothing
    if label == 0 and s.prefixes != NULL:
        label = prefix_match(s.prefixes, f.addr[server])
    if s.calls[label]:
        label = s.calls[label]
    if s.traits[label] & TRAIT_CALL:
        callers_learn(s.names, f.addr[1 - server], f.port[1 - server], f.proto, label, f.last)


cdef inline bint rented(Shard *s, const Flow *f, int side) noexcept nogil:
    """Whether a server's address is nobody's that is known, or of a network that carries others."""
    cdef uint16_t owner = prefix_match(s.prefixes, f.addr[side]) if s.prefixes != NULL else 0
    return owner == 0 or s.traits[owner] & TRAIT_SHARED


cdef void call_again(Shard *s, Flow *f) noexcept nogil:
    """A call tries peers and relays from one socket: what one flow was named, the others of its ends are.

    Whose servers they are says less: public STUN servers are everybody's.  Where it is a rented machine, this client's
    other calls may use it too.
    """
    cdef uint16_t label
    cdef int side
    cdef int server = 1 - opener(f)
    if s.names == NULL or f.flags & FLOW_NAMED or not carries_calls(f.protocol.id):
        return
    if s.traits[f.app.id] & TRAIT_CALL and f.app.method != BY_NEIGHBOUR:
        return
    for side in range(2):
        label = callers_find(s.names, f.addr[side], f.port[side], f.proto, f.last)
        if label:
            f.app.confidence = 0
            improve(&f.app, label, BY_KNOWN_SERVER, confidence_of(BY_KNOWN_SERVER))
            categorise(s, f)
            if f.port[1 - side] >= EPHEMERAL:       # a peer; STUN servers have ports below
                callers_learn(s.names, f.addr[1 - side], f.port[1 - side], f.proto, label, f.last)
            elif rented(s, f, 1 - side):
                places_learn(s.names, f.addr[side], f.addr[1 - side], label, f.last)
            return
    label = places_find(s.names, f.addr[1 - server], f.addr[server], f.last)
    if s.traits[label] & TRAIT_CALL and f.app.id == 0:
        improve(&f.app, label, BY_NEIGHBOUR, confidence_of(BY_NEIGHBOUR))
        categorise(s, f)


cdef void call_settle(Shard *s, Flow *f) noexcept nogil:
    """What an app's call traffic is called is the app's calls; then as call_learn() and call_again()."""
    if s.calls[f.app.id] and carries_calls(f.protocol.id):
        f.app.id = s.calls[f.app.id]
    call_learn(s, f)
    call_again(s, f)
