"""Protocols that are told by their first bytes: one table, one small function each; see probes.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer, Found


cdef struct Sight:          # what a probe is shown
    const uint8_t *data     # TCP: what this side sent, from its first byte on; else this packet's payload
    uint32_t n
    uint32_t wire           # not TCP: bytes that the payload had on the wire, of which n were captured
    uint16_t sport          # of whoever sent it
    uint16_t dport
    uint8_t proto           # IP protocol
    uint8_t from_opener
    uint8_t turn            # how many payloads this side had sent before; 255 for that or more


ctypedef Answer (*Probe)(const Sight *s, Found *out) noexcept nogil


cdef uint16_t probe(const Sight *s, Found *out, Answer *answer) noexcept nogil
