"""Halls and studios: sound, light, projectors, cameras, contribution."""

from libc.stdint cimport uint32_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef enum:
    OSC_MAX = 65536         # bytes of a message whose rest is waited for


cdef Answer osc(const Sight *s, Found *out) noexcept nogil:
    """OSC 1.0: a bundle; or an address, zeros to four bytes, a comma and what kinds of values follow."""
    cdef uint32_t i = 1
    if s.data[0] == c'#':
        return yes(s.n >= 16 and has(s, 0, b"#bundle\0", 8))
    while i < s.n and i < 200 and is_print(s.data[i]) and s.data[i] not in (c' ', c'#', c','):
        i += 1
    if i < 2 or not zeros(s, i, 4 - i % 4) or s.wire % 4:
        return NO
    i += 4 - i % 4
    if byte_at(s, i) != c',':
        return NO
    i += 1
    while i < s.n and s.data[i] in (c'i', c'f', c's', c'b', c'h', c't', c'd', c'S', c'c', c'r', c'm', c'T', c'F', c'N', c'I'):
        i += 1
    return yes(i < s.n and s.data[i] == 0)


cdef Answer osc_stream(const Sight *s, Found *out) noexcept nogil:
    """The same over TCP: a length first."""
    cdef Sight message = s[0]
    message.wire = be32(s, 0)
    if s.n < 12 or message.wire % 4 or byte_at(s, 4) not in (c'/', c'#'):
        return NO
    if s.wire < message.wire + 4:
        return MORE if message.wire <= OSC_MAX else NO
    if not fills(s, message.wire + 4, 4, 1):
        return NO
    message.data += 4
    message.n = min(message.wire, s.n - 4)
    return osc(&message, out)


cdef Answer rtp_midi(const Sight *s, Found *out) noexcept nogil:
    """RTP-MIDI's sessions (AppleMIDI): invitations, their answers and ends have version 2; clocks a count and zeros."""
    if s.n < 12 or s.data[1] != 0xFF:
        return NO
    if has(s, 2, b"CK", 2):
        return yes(s.wire == 36 and s.data[8] <= 2 and zeros(s, 9, 3))
    return yes((has(s, 2, b"IN", 2) or has(s, 2, b"OK", 2) or has(s, 2, b"NO", 2) or has(s, 2, b"BY", 2))
               and be32(s, 4) == 2)


cdef Answer pjlink(const Sight *s, Found *out) noexcept nogil:
    """PJLink, 5: a projector's greeting; a command of class 1 or 2."""
    if s.data[0] == c'%':
        return yes(to_or_from(s, 4352) and byte_at(s, 1) in (c'1', c'2') and printable(s, 2, 4) and byte_at(s, 6) == c' ')
    return yes(has(s, 0, b"PJLINK 0\r", 9) or has(s, 0, b"PJLINK 1 ", 9) or has(s, 0, b"PJLINK ERRA", 11))


cdef Answer visca(const Sight *s, Found *out) noexcept nogil:
    """VISCA over IP: a kind, the length of what follows the sequence's number."""
    return yes(s.n >= 9 and be16(s, 0) in (0x0100, 0x0110, 0x0111, 0x0120, 0x0200, 0x0201) and be16(s, 2) + 8 == s.wire)


cdef Answer srt(const Sight *s, Found *out) noexcept nogil:
    """SRT's handshake (draft-sharabayko-srt, 3.2.1) and UDT's, of which it came: control, type 0, version 4 or 5, …, a
    size, a window, a step; UDT's streams have 1 where SRT has what it can do."""
    if s.n < 64 or be32(s, 0) != 0x80000000U or be32(s, 4) or not 4 <= be32(s, 16) <= 5:
        return NO
    if not 64 <= be32(s, 28) <= 65536 or be32(s, 32) > 1 << 24:
        return NO
    if be32(s, 36) > 2 and be32(s, 36) < 0xFFFFFFFDU and not 1000 <= be32(s, 36) < 2000:
        return NO
    if be32(s, 16) == 4 and be32(s, 20) == 1:
        out.label = P_UDT
    return YES


at_first(UDP, P_OSC, osc, b"#/")
at_first(TCP, P_OSC, osc_stream, b"\x00")
at_first(UDP, P_RTPMIDI, rtp_midi, b"\xff")
at_first(TCP, P_PJLINK, pjlink, b"P%")
at_first(UDP, P_SRT, srt, b"\x80")
at_ports(UDP, P_VISCA, visca, (52381,))
