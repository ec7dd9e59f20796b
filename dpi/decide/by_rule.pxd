"""The app that a rule of the signature files gives: see by_rule.pyx."""

from libc.string cimport memset

from dpi.decide.shard cimport Shard
from dpi.flow.evidence cimport BY_RULE
from dpi.flow.flow cimport Flow


cdef inline void withdraw_rule(Flow *f) noexcept nogil:
    """Makes room for what new evidence says; by_rule() puts back what still holds."""
    if f.app.method == BY_RULE:
        memset(&f.app, 0, sizeof(f.app))


cdef void by_rule(Shard *shard, Flow *flow) noexcept nogil
