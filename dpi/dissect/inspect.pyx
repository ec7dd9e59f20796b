"""Shows a flow's payload to the dissectors until one says yes, all say no, or the budget is used up.

A TCP segment that comes in order is shown as it lies in the packet; only what is split or out of order is put
together, in streams that are lent to the flow out of a bounded pool.  UDP is shown datagram by datagram; while a hello
of DTLS goes on, to nobody else.  What was found is left in the inspector (inspector.pyx), one place a thread, and copied
by the loop.

TLS, DTLS, HTTP, DNS, QUIC (find.pyx), SSH (ssh.pyx) and what goes through proxies (tunnelled.pyx) have dissectors of their
own, all else is told by its first bytes (first_bytes.pyx).  Both sides are looked at independently, so it does not matter
which comes first, or whether only one is there.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer
from dpi.dissect.decoys cimport before_urgent, in_doubt, unanswered, unlearn, weigh, weighed, weighed_quic
from dpi.dissect.dialogue cimport clear, in_clear, message_ends
from dpi.dissect.dns cimport dns_by_form, dns_message, dns_stream
from dpi.dissect.find cimport (
    find_cut_dtls,
    find_dtls,
    find_http,
    find_question,
    find_quic,
    find_tls,
    find_unfinished,
    server_port,
    untold,
)
from dpi.dissect.first_bytes cimport find_app_beside, find_by_first_bytes
from dpi.dissect.http cimport http_begun
from dpi.dissect.inspector cimport (
    NEED_ANSWER,
    NEED_MESSAGES,
    NOBODY,
    Finding,
    Inspector,
    Work,
    hello_begun,
    is_tunnel_of,
    unknown,
    work_of,
)
from dpi.dissect.noise cimport expects_text, noise
from dpi.dissect.obfuscated cimport find_obfuscated
from dpi.dissect.over_tls cimport cut_short, in_messages
from dpi.dissect.protocols cimport (
    P_DIAMETER,
    P_DNS,
    P_FASTCGI,
    P_HTTP,
    P_LLMNR,
    P_MDNS,
    P_MEGACO,
    P_QUIC,
    P_SCTP,
    P_SOCKS,
    P_SSH,
    P_STUN,
)
from dpi.dissect.proxied cimport header_ends
from dpi.dissect.risks cimport RISK_ENTROPY
from dpi.dissect.shown cimport shown_name
from dpi.dissect.ssh cimport find_offer, past_its_offer
from dpi.dissect.tls_records cimport RECORD_HEADER, begins_hello
from dpi.dissect.tunnelled cimport find_tunnelled, within
from dpi.flow.evidence cimport BY_SIGNATURE, confidence_of
from dpi.flow.flow cimport BASED_DOUBTED, BASED_PLAIN, FLOW_SYN_SEEN, FLOW_TLS, NONE, Flow, opener
from dpi.flow.stream cimport STREAM_MAX, Stream, stream_bytes, stream_put, stream_ready, stream_replace
from dpi.wire.cursor cimport Cursor, left, over, skip, u8, u16, u32
from dpi.wire.packet cimport IP_SCTP, IP_TCP, IP_UDP, TCP_FIN, TCP_PSH, TCP_SYN, TCP_URG, Packet


cdef enum:
    PAYLOADS_MAX = 10       # packets with payload that each side is looked at for
    BEGUN_PAYLOADS = 40     # the same while a message goes on that may name the flow: one cut small, or filled up, hides no name
    TELLING = 16            # bytes of a stream; fewer are too short for most that could be told
    LONG = 4096             # bytes of a stream from which on reading it again for a few more costs much …
    FEW = 256               # … fewer than these, …
    DEAR = 7                # … so that it counts for as many packets more
    UNFINISHED_MAX = 2048   # … that no dissector knows, up to which the end of what was written is waited for


cdef uint32_t payloads_max(const Inspector *s, const Flow *f, const Packet *p, int side, Answer answer) noexcept nogil:
    """How many packets of a side are looked at: more where what it has sent may name the flow and is not there yet."""
    cdef const Stream *stream
    cdef const uint8_t *data
    cdef uint32_t ready
    if hello_begun(s, f):
        return BEGUN_PAYLOADS
    if f.proto != IP_TCP or f.work == NONE:
        return PAYLOADS_MAX
    stream = &s.works[f.work].streams[side]
    ready = stream_ready(stream)
    if f.protocol.id == P_SSH or f.protocol.id == P_SOCKS or goes_on(p, ready) or p.seq + p.n - f.isn[side] - 1 > ready or (
            unknown(f) and answer == MORE and ready < UNFINISHED_MAX):
        return BEGUN_PAYLOADS
    if ready <= RECORD_HEADER:
        return PAYLOADS_MAX
    data = stream_bytes(stream)
    return BEGUN_PAYLOADS if begins_hello(data) or http_begun(data, ready) else PAYLOADS_MAX


cdef inline bint within_message(const Inspector *s, const Flow *f, int side) noexcept nogil:
    """Whether a message of a dialogue in clear was cut short: its packets are one."""
    return (in_messages(f.protocol.id) and not f.flags & FLOW_TLS and f.work != NONE
            and stream_ready(&s.works[f.work].streams[side]) > 0)


cdef inline void nothing_yet(Finding *out) noexcept nogil:
    memset(out, 0, sizeof(Finding))
    out.client = NOBODY


cdef Answer inspect(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    """Looks at a packet with payload.  YES: `out` holds something new.  NO: nothing will come any more."""
    cdef Answer answer
    cdef uint32_t before = s.works[f.work].shown[side] if f.work != NONE else 0
    cdef uint32_t shown
    nothing_yet(out)
    if f.needs & NEED_MESSAGES and p.proto == IP_UDP:
        return datagram(s, f, p, side, out)
    if p.proto == IP_TCP and begins_earlier(f, p, side):
        f.isn[side] = p.seq - 1
        f.spent &= <uint8_t>~(1 << side)
        clear(s, f, side)
    if f.spent & (1 << side):
        if f.protocol.id == P_SSH and past_its_offer(s, f, p, side):
            f.spent = 3                         # it has heard the other side's offer, which then does not come by here
        return MORE if f.spent != 3 else NO
    answer = segment(s, f, p, side, out) if p.proto == IP_TCP else datagram(s, f, p, side, out)
    if f.payloads[side] < 255 and not out.ends and not within_message(s, f, side) and not out.doubted:
        shown = s.works[f.work].shown[side] if f.work != NONE else 0
        f.payloads[side] += DEAR if shown > LONG and 0 < shown - before < FEW and f.payloads[side] < 255 - DEAR else 1
    if answer == NO or f.payloads[side] >= PAYLOADS_MAX and f.payloads[side] >= payloads_max(s, f, p, side, answer):
        f.spent |= <uint8_t>(1 << side)
    if answer == YES:
        return YES
    return NO if f.spent == 3 else MORE


cdef bint inspect_next(Inspector *s, Flow *f, const Packet *p, int side, Finding *out, Answer *answer) noexcept nogil:
    """Looks at a side's next message, where it had come before the one that p ended; False where it had not.

    What was shown is not shown again, so each turn of a loop over this has less to look at.
    """
    cdef Work *w = &s.works[f.work] if f.work != NONE else NULL
    if w == NULL or stream_ready(&w.streams[side]) <= w.shown[side]:
        return False
    nothing_yet(out)
    w.shown[side] = stream_ready(&w.streams[side])
    answer[0] = show(s, f, p, side, stream_bytes(&w.streams[side]), w.shown[side], out)
    if answer[0] == NO:
        f.spent |= <uint8_t>(1 << side)
        answer[0] = NO if f.spent == 3 else MORE
    return True


cdef bint rest_matters(const Inspector *s, const Flow *f) noexcept nogil:
    """Whether a message that is not whole yet, and never will be, may tell what is not known: what the flow is or its name, a
    DTLS hello, or what goes through a proxy's tunnel, unless its app is sure."""
    return untold(f) or hello_begun(s, f) or (
        is_tunnel_of(f.protocol.id) and f.app.confidence < confidence_of(BY_SIGNATURE))


cdef void inspect_end(Inspector *s, Flow *f, Finding *out) noexcept nogil:
    """What can be said of a flow that is given up, or has ended: by the side that shows a name, else by any that tells."""
    cdef Work *w
    cdef int teller = NOBODY
    cdef int side
    nothing_yet(out)
    out.complete = 1
    if f.work == NONE:
        return
    w = &s.works[f.work]
    if w.quic_on and w.quic.version:
        out.protocol = P_QUIC
        s.found.quic_version = w.quic.version
    elif hello_begun(s, f):
        find_cut_dtls(s, w, out)
    elif f.proto == IP_TCP:
        for side in range(2):
            if begun_tells(s, f, side, out):
                if out.app or s.found.host_len:
                    return
                if teller == NOBODY:
                    teller = side
        if teller != NOBODY:
            begun_tells(s, f, teller, out)


cdef bint begun_tells(Inspector *s, Flow *f, int side, Finding *out) noexcept nogil:
    """What a side's message tells whose rest never came."""
    cdef const Stream *begun = &s.works[f.work].streams[side]
    cdef uint32_t n = stream_ready(begun)
    cdef bint found
    nothing_yet(out)
    out.complete = 1
    if n == 0:
        return False
    found = find_unfinished(s, f, side, stream_bytes(begun), n, out)
    find_app_beside(s, f, side, stream_bytes(begun), n, out)
    if is_tunnel_of(f.protocol.id):
        within(f, out)
    return found or out.app


# TCP

cdef bint padding(const Packet *p) noexcept nogil:
    """A bare ACK with a few zeros: a frame's padding that a wrong length counts in.  The next segment has its place.

    Only asked of what would be a stream's first bytes: nothing that we know begins so, and later zeros may be data.
    """
    cdef uint32_t i
    if not 2 <= p.n <= 6 or p.tcp_flags & (TCP_SYN | TCP_PSH | TCP_FIN):
        return False
    for i in range(p.n):
        if p.payload[i]:
            return False
    return True


cdef inline bint begins_earlier(const Flow *f, const Packet *p, int side) noexcept nogil:
    """Of a side joined later, whose first bytes nobody knew: whether this comes before them.  One byte is a keep-alive."""
    cdef int32_t offset = <int32_t>(p.seq - f.isn[side] - 1)
    return (f.based & 1 << side and not f.flags & FLOW_SYN_SEEN << side and f.protocol.id == 0
            and -<int32_t>STREAM_MAX <= offset < 0 and p.n > 1)


cdef struct Piece:          # what a segment brings
    const uint8_t *data
    uint32_t n
    uint32_t offset         # where in its side's stream it begins
    bint doubted            # it may be a decoy


cdef bint place(Flow *f, const Packet *p, int side, Piece *out) noexcept nogil:
    """Finds where a segment's payload belongs; False where it is padding, or was all sent before."""
    cdef uint8_t bit = <uint8_t>(1 << side)
    cdef int32_t offset
    if not f.based & bit and padding(p):
        return False
    if not f.based & bit:                       # joined later: the first byte seen is the first
        f.based |= bit
        f.isn[side] = p.seq - 1
    offset = <int32_t>(p.seq - f.isn[side] - 1)
    if unanswered(f, p, side) and not -1 <= offset < STREAM_MAX:
        f.flags &= ~<uint8_t>(FLOW_SYN_SEEN << side)    # that SYN was not this connection's
        f.isn[side] = p.seq - 1
        offset = 0
    if p.tcp_flags & TCP_SYN:
        offset = 0                              # TCP Fast Open: the SYN itself takes a number
    if offset < 0 and offset + <int32_t>p.n <= 0:
        return False
    out.data = p.payload - min(offset, 0)       # sent again, with more
    out.n = p.n + min(offset, 0)
    out.offset = max(offset, 0)
    return out.offset > 0 or not padding(p)


cdef Answer segment(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    cdef Piece piece
    cdef bint first
    cdef Answer answer
    if in_messages(f.protocol.id) and not f.flags & FLOW_TLS and not (f.based & BASED_DOUBTED and side == opener(f)):
        answer = in_clear(s, f, p, side, out)
        if answer != YES:
            return answer
    if not place(f, p, side, &piece):
        return MORE
    piece.doubted = in_doubt(f, p, side)
    if p.tcp_flags & TCP_URG and side == opener(f) and not piece.doubted:
        piece.n = before_urgent(f, p, piece.n)
        if piece.n == 0:
            return MORE
    if piece.offset >= STREAM_MAX and f.flags & FLOW_SYN_SEEN << side:
        out.doubted = piece.doubted
        return MORE
    weigh(s, f, side, piece.doubted)
    first = piece.offset == 0 and (f.work == NONE or s.works[f.work].streams[side].block == NULL)
    first = first and not (piece.doubted and f.based & BASED_PLAIN)     # then it only fills what others leave
    if first:
        if piece.doubted:
            answer = stream(s, f, p, side, piece.data, piece.n, out)
        else:
            answer = show(s, f, p, side, piece.data, piece.n, out)
        answer = weighed(f, side, answer, piece.doubted, out)
        if answer != MORE:
            return answer
    if piece.offset >= STREAM_MAX:
        return MORE if f.work != NONE else NO
    if f.needs & NEED_ANSWER and s.used > s.capacity // 2:
        return NO                               # what is left is for flows that have no name yet
    return put_together(s, f, p, side, &piece, first, out)


cdef Answer put_together(Inspector *s, Flow *f, const Packet *p, int side, const Piece *piece, bint shown,
                         Finding *out) noexcept nogil:
    """Keeps a piece, and shows what there is of the stream now; shown: the piece alone was, as it came."""
    cdef Work *w = work_of(s, f)
    cdef uint32_t before = stream_ready(&w.streams[side]) if w != NULL else 0
    cdef uint32_t ready, changed
    cdef Answer answer
    if w == NULL or not stream_put(&w.streams[side], piece.offset, piece.data, piece.n):
        if piece.offset == 0 and untold(f) and find_unfinished(s, f, side, piece.data, piece.n, out):
            out.complete = 1                    # there is no room to wait for the rest
            return YES
        return NO if w == NULL or piece.offset == 0 else MORE
    if not piece.doubted and (f.based & BASED_DOUBTED or piece.offset <= before):
        changed = stream_replace(&w.streams[side], piece.offset, piece.data, piece.n,
                                 0 if f.based & BASED_DOUBTED else before)
        if changed < w.shown[side]:
            w.shown[side] = changed
            unlearn(f)
    ready = stream_ready(&w.streams[side])
    if shown and ready == piece.n:
        w.shown[side] = ready
    if ready <= w.shown[side]:
        return MORE
    w.shown[side] = ready
    if side == opener(f) and f.based & BASED_DOUBTED:
        answer = stream(s, f, p, side, stream_bytes(&w.streams[side]), ready, out)
        return weighed(f, side, answer, True, out)
    return show(s, f, p, side, stream_bytes(&w.streams[side]), ready, out)


cdef Answer show(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                 Finding *out) noexcept nogil:
    """The first n bytes of what a side has sent, or of its next message where one was seen to the end."""
    cdef Answer answer = stream(s, f, p, side, data, n, out)
    if answer == YES and out.ends:
        header_ends(s, f, side, data, n, out)
    elif answer == YES and (out.goes_on or in_messages(out.protocol)):
        message_ends(s, f, p, side, s.found.unfinished or cut_short(out.protocol, data, n), data, n)
    return answer


cdef Answer stream(Inspector *s, Flow *f, const Packet *p, int side, const uint8_t *data, uint32_t n,
                   Finding *out) noexcept nogil:
    """The first n bytes that a side has sent."""
    cdef Answer answer
    cdef bint more = False
    if n == 0:
        return MORE
    if is_tunnel_of(f.protocol.id):
        return find_tunnelled(s, f, p, side, data, n, out)
    if p.sport == 53 or p.dport == 53 or f.protocol.id == P_DNS or (
            n > 2 and (data[0] << 8 | data[1]) + 2 <= n and dns_by_form(data + 2, n - 2)):
        answer = dns_stream(data, n, &s.dns)
        if answer == YES:
            f.spent |= <uint8_t>(1 << side)
            find_question(s, f, side, P_DNS, out)
            return YES
        if answer == MORE or f.protocol.id == P_DNS:
            return answer
    if f.protocol.id == P_FASTCGI:
        memset(&s.found, 0, sizeof(s.found))
        shown_name(P_FASTCGI, data, n, &s.found)
        if s.found.unfinished:
            return MORE
        out.protocol = P_FASTCGI
        out.complete = 1
        return YES
    if f.protocol.id == P_SSH:
        return find_offer(s, f, p, side, data, n, out)
    if 0x14 <= data[0] <= 0x18 or f.flags & FLOW_TLS or data[0] & 0x80:
        answer = find_tls(s, f, side, data, n, out)
        if answer == YES:
            find_app_beside(s, f, side, data, n, out)
            return YES
        more |= answer == MORE
    if f.flags & FLOW_TLS:
        return MORE if more else NO
    answer = find_http(s, f, side, data, n, out)
    if answer == YES:
        find_app_beside(s, f, side, data, n, out)
        return YES
    if answer == MORE and s.found.alpn[0]:      # HTTP/2 by its preface
        return MORE
    more |= answer == MORE
    if f.protocol.id == P_HTTP or f.needs & NEED_ANSWER:
        return MORE if more else NO
    answer = find_by_first_bytes(s, f, p, side, data, n, n + p.payload_len - p.n, out)
    if answer == YES and more and out.protocol == 0:
        nothing_yet(out)                        # an app's bytes alone, in what may become TLS or HTTP
        return MORE
    if answer == NO and goes_on(p, n):
        answer = MORE
    if answer != YES and f.flags & FLOW_SYN_SEEN << side and expects_text(server_port(f)) and noise(data, n):
        out.risks |= RISK_ENTROPY
    if answer == NO and not more:
        return find_obfuscated(s, f, side, data, n, out)
    return MORE if more and answer == NO else answer


cdef inline bint goes_on(const Packet *p, uint32_t n) noexcept nogil:
    """Whether a segment cuts a message short: senders push the last one of what a program has written (RFC 9293, 3.9.1)."""
    return n < TELLING or (n < UNFINISHED_MAX and not p.tcp_flags & (TCP_PSH | TCP_FIN))


# Datagrams

cdef uint16_t dns_label(const Flow *f, const Packet *p) noexcept nogil:
    """RFC 1035, 4.2.1; RFC 6762, 3; RFC 4795, 2.  On other ports the message itself shows it."""
    if p.sport == 53 or p.dport == 53:
        return P_DNS
    if p.sport == 5353 or p.dport == 5353:
        return P_MDNS
    if p.sport == 5355 or p.dport == 5355:
        return P_LLMNR
    return P_DNS if f.protocol.id == P_DNS or dns_by_form(p.payload, p.n) else 0


cdef uint16_t sctp_label(const Packet *p) noexcept nogil:
    """RFC 9260, 3.2 and 3.3.1: what the first chunk of data says that it carries (IANA, SCTP Payload Protocol
    Identifiers); 0 where chunks of control are all there is.  Diameter had no number of its own (RFC 3588, 2.1), but
    a port and a version."""
    cdef Cursor c = over(p.payload, p.n)
    cdef uint32_t kind, n
    while left(&c) >= 16:
        kind = u8(&c)
        skip(&c, 1)
        n = u16(&c)
        if n < 4:
            return 0
        if kind == 0:
            skip(&c, 8)
            kind = u32(&c)
            if kind == 0 and (p.sport == 3868 or p.dport == 3868) and u8(&c) == 1:
                return P_DIAMETER
            return P_MEGACO if kind == 7 else P_DIAMETER if kind == 46 or kind == 47 else P_SCTP
        skip(&c, (n + 3 & ~3U) - 4)
    return 0


cdef Answer datagram(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil:
    cdef Answer answer
    cdef uint16_t label
    if p.proto == IP_SCTP:
        out.protocol = sctp_label(p)
        out.complete = 1
        return YES if out.protocol else MORE
    if hello_begun(s, f):
        return find_dtls(s, f, side, p.payload, p.n, out)
    if p.proto == IP_UDP:
        label = dns_label(f, p)
        if label and dns_message(p.payload, p.n, &s.dns) == YES:
            if f.protocol.id == 0:
                f.isn[0] = f.isn[1] = 0         # where probes may have kept a word, questions are kept now
            find_question(s, f, side, label, out)
            return YES
        if f.protocol.id and f.protocol.id != P_STUN and not f.based & BASED_DOUBTED:
            return MORE
        answer = find_quic(s, f, p, side, out)
        if side == opener(f) and answer == YES:
            answer = weighed_quic(s, f, p, side, out)
        if answer != NO or f.based & BASED_DOUBTED:
            return MORE if answer == NO else answer
    answer = find_by_first_bytes(s, f, p, side, p.payload, p.n, p.payload_len, out)
    return YES if answer == YES else MORE       # the next datagram may be another matter
