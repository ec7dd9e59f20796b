"""The shape of a nameless flow: bursts of video at an owner who has it, else the cadence of a voice; at its end, bulk.

And what a call carries once it has got through by STUN, where that did not tell whose it is.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from dpi.decide.calls cimport call_learn
from dpi.decide.labels cimport categorise
from dpi.decide.shard cimport Shard
from dpi.dissect.protocols cimport P_BULK, P_QUIC, P_SIGNALVOIP, P_STUN, P_TLS, P_VOICE
from dpi.flow.evidence cimport BY_BEHAVIOUR, BY_PORT, BY_PREFIX, BY_SIGNATURE, confidence_of, improve
from dpi.flow.flow cimport FLOW_NAMED, NONE, Flow, opener
from dpi.match.prefix_table cimport prefix_match
from dpi.wire.cursor cimport be32
from dpi.wire.packet cimport IP_TCP, IP_UDP, Packet


cdef enum:
    BURST_MIN = 192 << 10   # bytes: a second of 1.5 Mbit/s, the least that players fetch at a time
    BURSTS = 3              # a page and its pictures come in one or two
    WATCH_PACKETS = 8192
    VOICE_MIN = 44          # bytes of an IP packet: headers, and a frame of 20 ms of the thriftiest codec
    VOICE_MAX = 320         # G.711 of 30 ms in SRTP in IPv6
    VOICE_SECONDS = 4       # in a row
    VOICE_WATCH = 8         # seconds without one of them
    VOICE_PACKETS = 1024    # what is no voice has come to these sooner
    MEDIA_PACKETS = 64      # of a call, while it gets through and then carries something
    BULK_MIN = 8 << 20      # bytes
    BULK_RATE = 128 << 10   # bytes a second

# isn[0] of a flow that is watched for a cadence
cdef enum:
    CADENCE = 1 << 30       # it is one; what counts bursts never comes to this bit
    SPOILED = 1 << 29       # this second cannot be speech: a packet is too large, or it has begun before we looked
    RUN_AT = 24             # seconds of speech in a row
    RUN_MASK = 0xF
    COUNT_BITS = 12         # packets of each side in this second
    COUNT_MASK = 0xFFF


cdef int64_t BURST_GAP = 400000000      # ns: longer than a round trip, shorter than a player waits
cdef int64_t WATCH_TIME = 60000000000
cdef int64_t A_SECOND = 1000000000


cdef uint16_t owner_of(Shard *s, const Flow *f) noexcept nogil:
    """Whose address it is, where nothing better names the flow; 0 for nobody's."""
    if f.app.id:
        return f.app.id if f.app.method == BY_PREFIX else 0
    return prefix_match(s.prefixes, f.addr[1 - opener(f)]) if s.prefixes != NULL and f.host == NONE else 0


cdef void named(Shard *s, Flow *f, uint64_t packets) noexcept nogil:
    """The shape has named the flow, after so many packets of it and not when it was settled."""
    cdef uint16_t before = f.decided_at
    f.decided_at = <uint16_t>min(packets, <uint64_t>65535)
    s.counters.decided_at += f.decided_at - before
    categorise(s, f)


cdef inline uint64_t seen_with_this(const Flow *f) noexcept nogil:
    """Packets, of which the one that is looked at is not counted yet."""
    return <uint64_t>f.packets[0] + f.packets[1] + 1


cdef bint unknown(const Flow *f) noexcept nogil:
    """Whether nothing but its port tells what is spoken."""
    return f.protocol.id == 0 or f.protocol.method == BY_PORT


cdef bint shape_begin(Shard *s, Flow *f) noexcept nogil:
    """Whether the shape of the flow may yet tell what it is.

    isn[], of no use any more, holds what was seen: of bursts the bytes of the one that goes on and how many there were;
    of a cadence the counts of this second; of a call, which part each side has in it.
    """
    if f.flags & FLOW_NAMED or not f.bytes[1 - opener(f)]:
        return False
    f.isn[0] = f.isn[1] = 0
    if f.protocol.id == P_STUN:
        return f.proto == IP_UDP and f.app.id == 0
    if (unknown(f) or f.protocol.id == P_TLS or f.protocol.id == P_QUIC) and s.video[owner_of(s, f)]:
        return True
    f.isn[0] = CADENCE | SPOILED
    return unknown(f) and (f.app.id == 0 or f.app.method == BY_PREFIX) and f.proto == IP_UDP


cdef bint shape_watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """True once there is nothing more to be seen, whatever the flow is called then."""
    if f.protocol.id == P_STUN:
        return media_watch(s, f, p, side)
    if f.isn[0] & CADENCE:
        return cadence_watch(s, f, p, side)
    return bursts_watch(s, f, p, side)


cdef bint bursts_watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Tells video by its bursts: a player fetches some seconds of it at full speed, then waits (RFC 9317, 2.1)."""
    cdef int server = 1 - opener(f)
    cdef bint video
    if p.time - f.last >= BURST_GAP:
        f.isn[1] += f.isn[0] >= BURST_MIN
        f.isn[0] = 0
    if side == server and f.isn[0] < BURST_MIN:
        f.isn[0] += p.length
    video = f.isn[1] >= BURSTS and f.bytes[server] > 16 * f.bytes[1 - server]
    if video and improve(&f.app, s.video[owner_of(s, f)], BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR)):
        named(s, f, seen_with_this(f))
    return video or p.time - f.start >= WATCH_TIME or f.packets[0] + f.packets[1] >= WATCH_PACKETS


cdef bint cadence_watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Tells speech by its clock, second by second from the flow's start.

    Codecs send a frame each 20, 30 or 60 ms (RFC 3551, 4.2; RFC 7587, 4.2), both sides the same.  Games have clocks as
    well, but other ones, and larger packets when much happens.
    """
    cdef int64_t second = (p.time - f.start) // A_SECOND
    cdef int64_t before = (f.last - f.start) // A_SECOND
    cdef uint32_t run = f.isn[0] >> RUN_AT & RUN_MASK
    if second > before:
        run = run + 1 if second == before + 1 and is_speech(f.isn[0]) else 0
        f.isn[0] = CADENCE | run << RUN_AT
    if p.length < VOICE_MIN or p.length > VOICE_MAX:
        f.isn[0] |= SPOILED
    elif f.isn[0] >> (side * COUNT_BITS) & COUNT_MASK < COUNT_MASK:
        f.isn[0] += 1U << (side * COUNT_BITS)
    if run >= VOICE_SECONDS:
        if improve(&f.protocol, P_VOICE, BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR)):
            named(s, f, seen_with_this(f))
        return True
    return (second >= VOICE_WATCH and run == 0) or f.packets[0] + f.packets[1] >= VOICE_PACKETS


cdef bint is_speech(uint32_t seen) noexcept nogil:
    """Of a second that has gone by: both sides sent 50, 33 or 17 packets and nothing large."""
    cdef uint32_t a = seen & COUNT_MASK
    cdef uint32_t b = seen >> COUNT_BITS & COUNT_MASK
    return not seen & SPOILED and ((48 <= a <= 52 and 48 <= b <= 52) or (32 <= a <= 35 and 32 <= b <= 35)
                                   or (16 <= a <= 18 and 16 <= b <= 18))


cdef uint32_t media_source(const Packet *p) noexcept nogil:
    """The source (SSRC) of an RTP or RTCP packet (RFC 3550, 5.1 and 6.4; which of them, RFC 5761, 4); 0 for neither."""
    if p.n < 12 or p.payload[0] >> 6 != 2:
        return 0
    return be32(p.payload + (4 if 192 <= p.payload[1] <= 223 else 8))


cdef bint media_watch(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """Tells Signal's calls.  Others draw their sources at random (RFC 3550, 8.1); those of its library (RingRTC) are
    fixed: data, sound, picture and what is sent of it again are 1001, 1002, 1003 and 1013 of who calls, 2001 and so on
    of who answers.  One of each, from either side, fixes more than 50 bits.
    """
    cdef uint32_t source = media_source(p)
    cdef uint32_t caller = source // 1000
    if (caller == 1 or caller == 2) and source % 1000 in (1, 2, 3, 13):
        f.isn[side] = caller
    if f.isn[0] + f.isn[1] == 3 and f.isn[0] and f.isn[1]:
        if improve(&f.app, P_SIGNALVOIP, BY_SIGNATURE, confidence_of(BY_SIGNATURE)):
            call_learn(s, f)
            named(s, f, seen_with_this(f))
        return True
    return p.time - f.start >= WATCH_TIME or f.packets[0] + f.packets[1] >= MEDIA_PACKETS


cdef void shape_end(Shard *s, Flow *f) noexcept nogil:
    """Tells bulk where nothing told more: much, fast, nearly all one way.  By then the kernel's counts are in, so no
    packet has to come by here for it."""
    cdef uint64_t most = max(f.bytes[0], f.bytes[1])
    cdef uint64_t least = min(f.bytes[0], f.bytes[1])
    if (f.proto != IP_TCP and f.proto != IP_UDP) or most < BULK_MIN or most // 16 < least or not unknown(f) or f.app.id:
        return
    if most // BULK_RATE >= <uint64_t>(f.last - f.start) // A_SECOND and improve(
            &f.protocol, P_BULK, BY_BEHAVIOUR, confidence_of(BY_BEHAVIOUR)):
        named(s, f, <uint64_t>f.packets[0] + f.packets[1])
