"""The app that a rule of the signature files gives a flow, by all that is known of it together.

A rule is its author's word and stands above all other evidence.  It is asked again whenever more is known; the first
rule in the order of the files that holds is the one.
"""

from libc.stdint cimport uint32_t
from libc.string cimport strlen

from dpi.decide.disposition cimport question
from dpi.decide.labels cimport categorise
from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_DNS
from dpi.flow.evidence cimport BY_RULE, confidence_of
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.flow.strings cimport string_text
from dpi.match.rule_table cimport Question, rules_ask


cdef void by_rule(Shard *s, Flow *f) noexcept nogil:
    cdef Question q
    cdef uint32_t rule
    cdef int client = opener(f)
    if s.app_rules == NULL or s.app_rules.n == 0:
        return
    question(s, f, &q)
    if f.protocol.id != P_DNS:      # the name that its record shows, sure or not: the author knows more than we
        q.host = string_text(s.strings, f.host)
        q.host_len = <uint32_t>strlen(q.host)
    q.local = f.addr[client]
    q.remote = f.addr[1 - client]
    rule = rules_ask(s.app_rules, &q)
    if rule == NONE:
        return
    f.app.id = s.app_rules.rules[rule].disposition
    f.app.method = BY_RULE
    f.app.confidence = confidence_of(BY_RULE)
    categorise(s, f)
