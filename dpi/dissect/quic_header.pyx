"""QUIC's packets from outside: what all versions have alike (RFC 8999), and whether a datagram is any."""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free

from dpi.dissect.gquic cimport gquic_version
from dpi.dissect.quic_crypto cimport CID_MAX, TAG_LEN, Profile, quic_profile
from dpi.dissect.varint cimport length_of
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u32


cdef enum:
    SAMPLE_END = 20         # a packet number as if of four bytes, then a sample


cdef uint32_t negotiated(Cursor *c) noexcept nogil:
    """The rest of a Version Negotiation packet (RFC 9000, 17.2.1): the first version in it that is known, or 0."""
    cdef uint32_t found = 0
    cdef uint32_t version
    if left(c) % 4:
        return 0
    while left(c):
        version = u32(c)
        if not found and quic_profile(version) != NULL:
            found = version
    return found


cdef bint bounded(Cursor *c, const Profile *profile, uint8_t first) noexcept nogil:
    """Whether what is behind a long header has the length that it says, at least what protection takes (RFC 9001, 5.4.2)."""
    cdef Type kind = type_of(profile, first)
    cdef Py_ssize_t length
    if kind == RETRY:
        return left(c) > TAG_LEN
    if kind == INITIAL:
        skip(c, length_of(c))                   # token
    length = length_of(c)
    return alive(c) and SAMPLE_END <= length <= left(c)


cdef bint quic_looks(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a datagram starts like QUIC: cheap, and right but for a few of the versions that are not known."""
    cdef Cursor c = over(data, n)
    cdef Header h
    cdef const Profile *profile
    if n < 16:
        return False
    if gquic_version(data, n):
        return True
    if not data[0] & 0x80:                  # Google's, from the server: the start of the crypto stream must be in it
        return data[0] & 0xcb == 0x08
    h = long_header(&c)
    if not alive(&c) or h.dcid_len > CID_MAX or h.scid_len > CID_MAX:
        return False
    if h.version == 0:
        return h.scid_len >= 8 and negotiated(&c) != 0         # the number that the client drew (RFC 9000, 7.2)
    profile = quic_profile(h.version)
    if profile != NULL:                         # RFC 9000, 17.2 and 7.2: a fixed bit, or (RFC 9287) a client's first number
        return h.dcid_len >= 8 or h.first & 0x40 != 0 and h.dcid_len + h.scid_len > 0 and bounded(&c, profile, h.first)
    return (h.first & 0xc0) == 0xc0 and n >= DATAGRAM_MIN and h.dcid_len >= 8


def looks(data: bytes) -> bool:
    """Whether a datagram starts like QUIC."""
    cdef uint8_t *block = block_of(data)
    cdef bint answer = quic_looks(block, len(data))
    free(block)
    return answer
