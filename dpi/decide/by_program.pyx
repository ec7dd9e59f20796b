"""The app whose program asks.

Programs that are not browsers say who they are at the start of their user agent (RFC 9110, 10.1.5), in HTTP and in
QUIC's parameters.
"""

from dpi.decide.labels cimport improve
from dpi.decide.shard cimport Shard
from dpi.dissect.answer cimport Found
from dpi.flow.table cimport Flow
from dpi.match.evidence cimport BY_PROGRAM, confidence_of
from dpi.match.programs cimport program_match


cdef void by_program(Shard *s, Flow *f, const Found *found) noexcept nogil:
    if found.agent[0] and s.hosts != NULL and f.app.confidence < confidence_of(BY_PROGRAM):
        improve(&f.app, program_match(s.hosts, found.agent), BY_PROGRAM, confidence_of(BY_PROGRAM))
