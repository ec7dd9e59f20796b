"""What an opened Initial of a client's holds: frames, and in its CRYPTO frames the ClientHello (RFC 9000, 19)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.gquic cimport gquic_chlo
from dpi.dissect.quic_crypto cimport FRAMES_GOOGLE_CHLO, FRAMES_IETF, Profile
from dpi.dissect.tls cimport tls_handshake
from dpi.dissect.varint cimport length_of, varint
from dpi.flow.stream cimport Stream, stream_bytes, stream_free, stream_put, stream_ready
from dpi.wire.cursor cimport Cursor, alive, left, over, slice


cdef enum Frame:            # RFC 9000, 12.4: those that an Initial may carry
    PADDING = 0x00
    PING = 0x01
    ACK = 0x02
    ACK_ECN = 0x03
    CRYPTO = 0x06
    CONNECTION_CLOSE = 0x1c
    GOOGLE_PING = 0x07
    GOOGLE_CRYPTO = 0x08


cdef inline void skip_varint(Cursor *c) noexcept nogil:
    varint(c)


cdef Answer hello(const Profile *profile, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """What the start of the CRYPTO stream says.  A ClientHello that is not all there costs four bytes' reading."""
    if profile.frames == FRAMES_GOOGLE_CHLO:
        return gquic_chlo(data, n, out)
    if n < 4 or (n - 4 < (<uint32_t>data[1] << 16 | <uint32_t>data[2] << 8 | data[3]) and data[0] == 1):
        return MORE
    return tls_handshake(data, n, out, True)


cdef void skip_ack(Cursor *c, bint ecn) noexcept nogil:
    """RFC 9000, 19.3."""
    cdef uint64_t ranges
    skip_varint(c)
    skip_varint(c)
    ranges = varint(c)
    skip_varint(c)
    while ranges and alive(c):
        skip_varint(c)
        skip_varint(c)
        ranges -= 1
    if ecn:
        skip_varint(c)
        skip_varint(c)
        skip_varint(c)


cdef Answer quic_frames(const Profile *profile, Stream *crypto, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """YES: nothing more is to be learnt from the connection; else what came of the ClientHello is in `crypto`."""
    cdef Cursor c = over(data, n)
    cdef uint64_t kind, offset
    cdef Cursor body
    cdef bint google = profile.frames != FRAMES_IETF
    cdef Answer answer
    cdef bint grew = False
    while left(&c):
        kind = varint(&c)
        if kind == PADDING or kind == (GOOGLE_PING if google else PING):
            continue
        if kind == (GOOGLE_CRYPTO if google else CRYPTO):
            offset = varint(&c)
            body = slice(&c, length_of(&c))
            if not alive(&body):
                break
            if offset == 0 and crypto.block == NULL:
                answer = hello(profile, body.p, <uint32_t>left(&body), out)
                if answer == YES:
                    return YES
                if answer == NO:            # no hello: a decoy's, whose connection nobody opens
                    return MORE
            if offset < crypto.pool.cap:
                grew |= stream_put(crypto, <uint32_t>offset, body.p, <uint32_t>left(&body))
        elif kind == ACK or kind == ACK_ECN:
            skip_ack(&c, kind == ACK_ECN)
        elif kind == CONNECTION_CLOSE:
            return MORE                     # another may begin on the same ports, and this one may be a decoy
        else:
            break                           # not of this packet type: nothing behind it can be read
    if not grew:
        return MORE
    answer = hello(profile, stream_bytes(crypto), stream_ready(crypto), out)
    if answer == NO:
        stream_free(crypto)
    return YES if answer == YES else MORE
