"""The app that a rule of the signature files gives a flow, by all that is known of it together.

A rule is its author's word and stands above all other evidence, as far as what it asks for is sure: by a host that only
another client looked up, or another flow showed, it is as sure as that is.  It is asked again whenever more is known; the
first rule in the order of the files that holds is the one.
"""

from libc.stdint cimport uint8_t, uint32_t

from dpi.decide.disposition cimport ask_host, question
from dpi.decide.labels cimport BY_OTHERS, categorise
from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_DNS
from dpi.flow.evidence cimport BY_DNS, BY_RULE, confidence_of
from dpi.flow.flow cimport FLOW_NAMED, HOST_LOOKED_UP, NONE, Flow, opener
from dpi.match.rule_table cimport Question, rules_ask


cdef void by_rule(Shard *s, Flow *f) noexcept nogil:
    cdef Question q
    cdef uint32_t rule
    cdef bint sure
    cdef uint8_t confidence = confidence_of(BY_RULE)
    cdef int client = opener(f)
    if s.app_rules == NULL or s.app_rules.n == 0:
        return
    question(s, f, &q)
    q.local = f.addr[client]
    q.remote = f.addr[1 - client]
    sure = f.flags & FLOW_NAMED or f.asked == HOST_LOOKED_UP
    ask_host(s, &q, f.host if sure and f.protocol.id != P_DNS else <uint32_t>NONE)
    rule = rules_ask(s.app_rules, &q)
    if rule == NONE and not sure and f.host != NONE and f.protocol.id != P_DNS:
        ask_host(s, &q, f.host)
        rule = rules_ask(s.app_rules, &q)
        confidence = confidence_of(BY_DNS) - BY_OTHERS
    if rule == NONE or confidence < f.app.confidence:
        return
    f.app.id = s.app_rules.rules[rule].disposition
    f.app.method = BY_RULE
    f.app.confidence = confidence
    categorise(s, f)
