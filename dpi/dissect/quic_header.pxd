"""The headers of QUIC's packets; see quic_header.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.quic_crypto cimport GENERATION_2, Profile
from dpi.wire.cursor cimport Cursor, take, u8, u32


cdef enum:
    DATAGRAM_MIN = 1200     # RFC 9000, 14.1: a client pads the datagrams of its Initials to this


cdef enum Type:             # RFC 9000, 17.2; version 2 turns them by one (RFC 9369, 3.2)
    INITIAL
    ZERO_RTT
    HANDSHAKE
    RETRY


cdef struct Header:         # of a long header packet, up to where versions begin to differ
    uint8_t first
    uint32_t version
    const uint8_t *dcid
    const uint8_t *scid
    uint8_t dcid_len
    uint8_t scid_len


cdef uint32_t negotiated(Cursor *c) noexcept nogil
cdef bint quic_looks(const uint8_t *data, uint32_t n) noexcept nogil


cdef inline Header long_header(Cursor *c) noexcept nogil:
    """RFC 8999, 5.1."""
    cdef Header h
    h.first = u8(c)
    h.version = u32(c)
    h.dcid_len = u8(c)
    h.dcid = take(c, h.dcid_len)
    h.scid_len = u8(c)
    h.scid = take(c, h.scid_len)
    return h


cdef inline Type type_of(const Profile *profile, uint8_t first) noexcept nogil:
    cdef int bits = first >> 4 & 3
    return <Type>(bits - 1 & 3) if profile.generation == GENERATION_2 else <Type>bits
