"""A packet handler that decides by the mark a packet comes with, and remembers what it saw.

It shows what the queue costs without the engine, and lets an admin or a test drive a queue by firewall rules alone:
mark packets on their way in, and say here what each mark means.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from dpi.capture.decision cimport ACCEPT, DROP, HOLD, Decision
from dpi.capture.nfnetlink cimport QueuedPacket
from dpi.capture.nfqueue cimport PacketHandler


cdef enum:
    RULES_MAX = 16
    SEEN_MAX = 256


cdef struct Rule:
    uint32_t mark
    Decision decision


cdef struct Seen:
    uint32_t id
    uint32_t protocol
    uint32_t mark
    uint32_t indev
    uint32_t outdev
    uint32_t skb_info
    uint32_t length
    uint32_t n
    int64_t time


cdef struct State:
    Rule rules[RULES_MAX]
    uint32_t n_rules
    Seen seen[SEEN_MAX]     # the first ones
    uint32_t n_seen


cdef void decide_by_mark(void *ctx, const QueuedPacket *packets, Decision *decisions, uint32_t n,
                         int64_t now) noexcept nogil:
    cdef State *s = <State *>ctx
    cdef const QueuedPacket *p
    cdef Seen *seen
    cdef uint32_t i, r
    for i in range(n):
        p = &packets[i]
        for r in range(s.n_rules):
            if s.rules[r].mark == p.mark:
                decisions[i] = s.rules[r].decision
                decisions[i].hold = p.id
                break
        if s.n_seen < SEEN_MAX:
            seen = &s.seen[s.n_seen]
            seen.id = p.id
            seen.protocol = p.protocol
            seen.mark = p.mark
            seen.indev = p.indev
            seen.outdev = p.outdev
            seen.skb_info = p.skb_info
            seen.length = p.length
            seen.n = p.n
            seen.time = p.time
            s.n_seen += 1


VERDICTS = {"accept": ACCEPT, "drop": DROP, "hold": HOLD}


cdef class ByMark(PacketHandler):
    """`rules` maps a packet's mark to ("accept" | "drop" | "hold", new mark or None); all else is accepted.

    Held packets are released by their id.
    """
    cdef State state

    def __cinit__(self, rules: dict[int, tuple[str, int | None]] | None = None):
        cdef uint32_t n = 0
        memset(&self.state, 0, sizeof(State))
        rules = rules or {}
        if len(rules) > RULES_MAX:
            raise ValueError(f"at most {RULES_MAX} marks")
        for mark, (verdict, new) in rules.items():
            self.state.rules[n].mark = mark
            self.state.rules[n].decision.verdict = VERDICTS[verdict]
            self.state.rules[n].decision.has_mark = new is not None
            self.state.rules[n].decision.mark = new or 0
            n += 1
        self.state.n_rules = n
        self.handler.decide = decide_by_mark
        self.handler.ctx = &self.state

    @property
    def seen(self) -> list[dict[str, int]]:
        """The first 256 packets: id, protocol (ethertype), mark, indev, outdev, skb_info, length, n, time."""
        return [dict(self.state.seen[i]) for i in range(self.state.n_seen)]
