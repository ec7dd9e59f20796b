"""Which probes are asked about a payload, and in which order.

Some hundred functions one after the other would be slow, so each says by what it is to be found:

    at_first    by the first byte, one of a few; it fixes 32 bits or more by itself
    at_ports    by a registered port of either end, which is a part of its evidence
    at_any      by nothing: it is asked about all that the others do not know

Those found by their first byte come first, since they are the surest; within a kind the order is that of
registration, and the families are registered in the order of __init__.py.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found, answer_name
from dpi.dissect.probes.sight cimport set_host
from dpi.wire.block cimport block_of


cdef struct Node:           # of a list; the list's head is a node's number, 0 ends it
    Probe probe
    uint16_t label
    uint16_t next
    uint16_t port


cdef enum:
    NODES = 2048            # a probe has one for each of its first bytes or ports


cdef Node[NODES] nodes
cdef uint16_t n_nodes = 1
cdef uint16_t[2][256] by_first      # TCP, UDP
cdef uint16_t[2][256] by_port       # by fold() of the port
cdef uint16_t[2] by_nothing
KINDS: list[tuple[str, int, int, bytes, tuple[int, ...]]] = []


cdef inline uint8_t fold(uint16_t port) noexcept nogil:
    return <uint8_t>(port ^ port >> 8)


cdef int append(uint16_t *head, Probe probe, uint16_t label, uint16_t port) except -1:
    global n_nodes
    if n_nodes == NODES:
        raise ValueError("NODES is too small")
    nodes[n_nodes].probe = probe
    nodes[n_nodes].label = label
    nodes[n_nodes].port = port
    while head[0]:
        head = &nodes[head[0]].next
    head[0] = n_nodes
    n_nodes += 1
    return 0


cdef int at_first(int proto, uint16_t label, Probe probe, bytes first) except -1:
    KINDS.append(("first", proto, label, first, ()))
    for byte in sorted(set(first)):
        if proto != UDP:
            append(&by_first[0][<uint8_t>byte], probe, label, 0)
        if proto != TCP:
            append(&by_first[1][<uint8_t>byte], probe, label, 0)
    return 0


cdef int at_ports(int proto, uint16_t label, Probe probe, ports) except -1:
    KINDS.append(("ports", proto, label, b"", tuple(ports)))
    for port in ports:
        if proto != UDP:
            append(&by_port[0][fold(port)], probe, label, port)
        if proto != TCP:
            append(&by_port[1][fold(port)], probe, label, port)
    return 0


cdef int at_any(int proto, uint16_t label, Probe probe) except -1:
    KINDS.append(("any", proto, label, b"", ()))
    if proto != UDP:
        append(&by_nothing[0], probe, label, 0)
    if proto != TCP:
        append(&by_nothing[1], probe, label, 0)
    return 0


cdef uint16_t ask(uint16_t i, uint16_t port, const Sight *s, Found *out, Answer *answer) noexcept nogil:
    """The label of the first of a list that says YES, else 0."""
    cdef Answer each
    while i:
        if nodes[i].port == port:
            each = nodes[i].probe(s, out)
            if each == YES:
                answer[0] = YES
                return out.label if out.label else nodes[i].label
            if each == MORE:
                answer[0] = MORE
            out.label = out.app = 0             # what one found that says no in the end
            out.unfinished = out.by_sizes = 0
            if out.host_len:
                set_host(out, NULL, 0)
        i = nodes[i].next
    return 0


cdef uint16_t probe(const Sight *s, Found *out, Answer *answer) noexcept nogil:
    """The label of the first probe that says YES, else 0; `answer` is MORE where one of them wants more."""
    cdef int t = s.proto == IP_UDP
    cdef uint16_t label
    answer[0] = NO
    if s.n == 0:
        answer[0] = MORE
        return 0
    if t == 0 and s.proto != IP_TCP:
        return 0
    label = ask(by_first[t][s.data[0]], 0, s, out, answer)
    if label == 0:
        label = ask(by_port[t][fold(s.dport)], s.dport, s, out, answer)
    if label == 0 and s.sport != s.dport:
        label = ask(by_port[t][fold(s.sport)], s.sport, s, out, answer)
    return label if label else ask(by_nothing[t], 0, s, out, answer)


def probe_bytes(bytes data, *, proto, sport=40000, dport=40001, from_opener=True, turn=0, wire=None):
    """(label, answer, host, agent, app) for the first bytes of a side, or for a datagram; labels are numbers."""
    return probe_messages([(data, from_opener)], proto=proto, sport=sport, dport=dport, turn=turn, wire=wire)


def probe_messages(messages, *, proto, sport=40000, dport=40001, turn=0, wire=None):
    """The same for what both sides send in turn: (data, whether the opener sent it), as far as it takes."""
    cdef Sight s
    cdef Found found
    cdef Answer answer = NO
    cdef uint8_t *block
    cdef uint16_t label = 0
    cdef uint32_t[2] words
    cdef int[2] turns
    memset(words, 0, sizeof(words))
    memset(&found, 0, sizeof(found))
    turns[0] = turns[1] = turn
    opener_port, other_port = (sport, dport) if messages[0][1] else (dport, sport)
    for data, from_opener in messages:
        block = block_of(data)
        s.data, s.n = block, <uint32_t>len(data)
        s.wire = s.n if wire is None else wire
        s.pushed = 1
        s.proto, s.from_opener, s.turn = proto, from_opener, turns[not from_opener]
        s.sport, s.dport = (opener_port, other_port) if from_opener else (other_port, opener_port)
        s.mine = &words[0 if from_opener else 1] if proto == IP_UDP else NULL
        s.theirs = &words[1 if from_opener else 0] if proto == IP_UDP else NULL
        turns[not from_opener] += 1
        memset(&found, 0, sizeof(found))
        try:
            label = probe(&s, &found, &answer)
        finally:
            free(block)
        if label:
            break
    host, agent = found.host.decode("latin-1"), found.agent.decode("latin-1")
    return label, answer_name(answer), host, agent, found.app
