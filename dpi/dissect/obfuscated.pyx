"""BitTorrent's Message Stream Encryption, of connections that nobody else knows.

Either side sends a key with padding at first, which is noise; then the opener sends hashes, what it can do and mostly a first
message, and the answer is what was chosen, in 14 to 526 bytes that are encrypted.  Where both go on in clear, the
handshake of BEP 3 follows.  Else nothing in it tells: how it began is kept, for dpi/decide/peers.pyx to compare.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer
from dpi.dissect.inspector cimport Finding, Inspector, Work, work_of
from dpi.dissect.noise cimport noise
from dpi.dissect.protocols cimport P_BITTORRENT
from dpi.flow.flow cimport FLOW_SYN_SEEN, NONE, SYSTEM_PORTS, Flow, opener
from dpi.wire.memmem cimport memmem


cdef enum:
    CLEAR_MAX = 1280        # bytes of an answer within which a handshake in clear stands
    CLEAR_PAYLOADS = 3      # packets with payload that it takes: the key, the choice, the handshake


cdef Answer find_obfuscated(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                            Finding *out) noexcept nogil:
    """The first n bytes that a side has sent, of which no dissector knows anything.  NO of the answer ends the search."""
    cdef Work *w = &s.works[f.work] if f.work != NONE else NULL
    cdef int client = opener(f)
    if f.protocol.id or f.port[0] < SYSTEM_PORTS or f.port[1] < SYSTEM_PORTS or not f.flags & (FLOW_SYN_SEEN << client):
        return NO
    if side == client:
        if w == NULL or w.noise[side] == 0:
            if not noise(data, n):
                return NO
            w = work_of(s, f)
            if w == NULL:
                return NO
            w.noise[side] = <uint16_t>min(n, 65535)
        return MORE if key_sized(w.noise[side]) else NO
    if w == NULL or not key_sized(w.noise[client]):
        return NO
    if w.noise[side] == 0:
        if noise(data, n):
            w.noise[side] = <uint16_t>min(n, 65535)
        if key_sized(w.noise[side]):
            return MORE
    elif memmem(data, n if n < CLEAR_MAX else CLEAR_MAX, b"\x13BitTorrent protocol", 20) != NULL:
        memset(&s.found, 0, sizeof(s.found))
        out.protocol = P_BITTORRENT
        out.complete = 1
        return YES
    elif n < CLEAR_MAX and f.payloads[side] + 1 < CLEAR_PAYLOADS:
        return MORE
    f.spent = 3                                 # what the opener may add tells nothing
    return NO
