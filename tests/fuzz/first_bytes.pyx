"""What is told by a side's first bytes, or by a datagram: the probes, and signatures of bytes that files declare.

An input's head: ports, the transport and who sends, payloads before, the words kept for both sides.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from dpi.dissect.answer cimport NO, YES, Answer, Found
from dpi.dissect.declared_table cimport declared_find
from dpi.dissect.probes.index cimport probe
from dpi.dissect.probes.sight cimport Sight
from dpi.fuzz.equipped cimport DECLARED
from dpi.fuzz.found cimport check_found
from dpi.fuzz.promise cimport check
from dpi.wire.packet cimport IP_TCP, IP_UDP


cdef enum:
    SIGHT_HEAD = 14


cdef void sight_of(const uint8_t *data, uint32_t n, uint32_t *words, Sight *sight) noexcept nogil:
    memset(sight, 0, sizeof(Sight))
    memcpy(words, data + 6, 8)
    sight.mine = words if data[4] & 1 else NULL
    sight.theirs = words + 1 if data[4] & 1 else NULL
    sight.sport = <uint16_t>data[0] << 8 | data[1]
    sight.dport = <uint16_t>data[2] << 8 | data[3]
    sight.proto = IP_UDP if data[4] & 1 else IP_TCP
    sight.from_opener = data[4] >> 1 & 1
    sight.turn = data[5]
    sight.data = data + SIGHT_HEAD
    sight.n = n - SIGHT_HEAD
    sight.wire = sight.n + (data[4] >> 2) if data[4] & 1 else sight.n


cdef void fuzz_probes(const uint8_t *data, uint32_t n) noexcept nogil:
    """All probes."""
    cdef Sight sight
    cdef Found out
    cdef Answer answer = NO
    cdef uint32_t[2] words
    if n < SIGHT_HEAD:
        return
    sight_of(data, n, words, &sight)
    memset(&out, 0, sizeof(out))
    if probe(&sight, &out, &answer):
        check_found(&out)


cdef void fuzz_declared(const uint8_t *data, uint32_t n) noexcept nogil:
    """The signatures of equipped.pyx; the second word is which of them the other side has shown its half of."""
    cdef Sight sight
    cdef Found out
    cdef Answer answer = NO
    cdef uint32_t[2] words
    cdef uint32_t half = 0
    if n < SIGHT_HEAD:
        return
    sight_of(data, n, words, &sight)
    memset(&out, 0, sizeof(out))
    if declared_find(&DECLARED.table, &sight, words[1], &half, &out, &answer) != NULL:
        check(answer == YES)
        check_found(&out)
    else:
        check(answer != YES)
    if half:                                # the other side may now show the other half
        declared_find(&DECLARED.table, &sight, half, &half, &out, &answer)
