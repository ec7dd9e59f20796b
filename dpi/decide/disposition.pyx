"""What becomes of a flow: the policy's rule for it as it is known now, and the mark that tells the kernel.

A label of PROVISIONAL confidence already chooses a rule, and the packets carry its mark; a decided flow's mark has the
bit `final` beside it, by which the kernel keeps the flow from then on.  A blocked flow is not dropped by the loop: its
mark tells the kernel, which rejects it.
"""

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport strlen

from dpi.decide.device cimport device_read
from dpi.decide.fingerprint cimport ja4_of
from dpi.decide.labels cimport is_servers
from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_CAPWAP, P_DNS, P_GENEVE, P_GRE, P_GTP, P_IPIP, P_L2TP, P_MPLS, P_TZSP, P_VXLAN
from dpi.flow.evidence cimport BY_RULE, PROVISIONAL
from dpi.flow.flow cimport FLOW_DECIDED, FLOW_NAMED, FLOW_OFFLOADED, HOST_LOOKED_UP, NONE, Flow, opener
from dpi.flow.strings cimport string_text
from dpi.match.rule_table cimport OPENED_IN, OPENED_OUT, Question, rules_ask


cdef void ask_host(const Shard *s, Question *q, uint32_t host) noexcept nogil:
    """Rules are asked about this host, a string of the shard's; NONE: about no host."""
    q.host = string_text(s.strings, host)
    q.host_len = <uint32_t>strlen(q.host)


cdef void question(Shard *s, const Flow *f, Question *q) noexcept nogil:
    """What the rules may ask of a flow.  Without knowing where the LAN is, whoever opened is local."""
    cdef int client = opener(f)
    cdef int local = f.local if f.local < 2 else client
    cdef bint sure = f.flags & FLOW_DECIDED or f.app.confidence >= PROVISIONAL
    cdef bint dns = f.protocol.id == P_DNS      # asking for a name is not using it
    q.app = f.app.id if sure and not dns else 0
    q.protocol = f.protocol.id
    q.category = s.category[q.app] if q.app else s.category[q.protocol]
    ask_host(s, q, f.host if (sure or f.asked == HOST_LOOKED_UP) and not dns else <uint32_t>NONE)
    q.ja4 = string_text(s.strings, ja4_of(f))
    q.alpn = string_text(s.strings, f.alpn)
    q.local = f.addr[local]
    q.remote = f.addr[1 - local]
    q.port = f.port[1 - client]
    q.vlan = f.vlan
    q.has_mac = device_read(s, f, q.mac)
    q.proto = f.proto
    q.dscp = f.dscp
    q.opened = OPENED_OUT if local == client else OPENED_IN


cdef inline bint is_tunnel(uint16_t protocol) noexcept nogil:
    """Whether flows may be found in it: what shows none (ARP, a keepalive) must not take the others out of the queue."""
    return (protocol == P_GRE or protocol == P_IPIP or protocol == P_VXLAN or protocol == P_GENEVE or protocol == P_GTP
            or protocol == P_L2TP or protocol == P_CAPWAP or protocol == P_MPLS or protocol == P_TZSP)


cdef bint host_ruled(const Shard *s, const Flow *f) noexcept nogil:
    """Whether a rule asks for the name that a flow shows as no app's, or has given it its app: no other name counts then."""
    cdef Question q
    cdef uint32_t nameless
    if f.app.method == BY_RULE:
        return True
    if s.rules == NULL or not f.flags & FLOW_NAMED:
        return False
    question(s, f, &q)
    ask_host(s, &q, <uint32_t>NONE)
    nameless = rules_ask(s.rules, &q)
    ask_host(s, &q, f.host)
    return rules_ask(s.rules, &q) != nameless


cdef bint moves_others(const Shard *s, const Flow *f) noexcept nogil:
    """Whether a flow's name is good enough for the connections of others to the same server: no guess, and no mere claim."""
    return (f.app.id == 0 or f.app.confidence >= PROVISIONAL) and (not f.flags & FLOW_NAMED or is_servers(s, f))


cdef void ask(Shard *s, Flow *f) noexcept nogil:
    """Which rule the flow falls under as it is known now, and the mark that says so."""
    cdef Question q
    cdef uint32_t rule
    cdef bint final = f.flags & FLOW_DECIDED != 0
    if s.rules == NULL:
        return
    question(s, f, &q)
    rule = rules_ask(s.rules, &q)
    if rule == NONE and not final:
        return                      # a better label may yet find one
    f.rule = rule
    f.disposition = s.rules.rules[rule].disposition if rule != NONE else 1
    f.route = s.rules.rules[rule].route if rule != NONE else 0
    f.mark = <uint32_t>f.disposition << s.mark_shift
    if f.tunnel or is_tunnel(f.protocol.id):
        return                      # the kernel's connection is one for all flows in the tunnel: see process()
    if f.route and moves_others(s, f):
        f.mark |= <uint32_t>f.route * (s.mark_final << 1)       # its bits are right above: the kernel learns the server
    if final and s.offload and not f.needs:
        f.mark |= s.mark_final
        f.flags |= FLOW_OFFLOADED
