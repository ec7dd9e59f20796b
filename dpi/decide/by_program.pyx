"""The app whose program asks.

Programs that are not browsers say who they are at the start of their user agent (RFC 9110, 10.1.5), in HTTP and in
QUIC's parameters.  They say less than a name that is known, and more than the name of a network that carries others.
"""

from libc.stdint cimport uint16_t

from dpi.decide.shard cimport TRAIT_SHARED, Shard
from dpi.dissect.answer cimport Found
from dpi.flow.evidence cimport BY_PROGRAM, confidence_of, improve
from dpi.flow.flow cimport Flow
from dpi.match.programs cimport program_match


cdef void by_program(Shard *s, Flow *f, const Found *found) noexcept nogil:
    cdef bint carried = s.traits[f.app.id] & TRAIT_SHARED
    cdef uint16_t label
    if found.agent[0] == 0 or s.hosts == NULL or f.app.confidence >= confidence_of(BY_PROGRAM) and not carried:
        return
    label = program_match(s.hosts, found.agent)
    if label and carried:
        f.app.confidence = 0
    improve(&f.app, label, BY_PROGRAM, confidence_of(BY_PROGRAM))
