"""QUIC: opens the client's Initials and reads the ClientHello in their CRYPTO frames (RFC 9000, 9001, 9369).

The loop shows every datagram of a flow to quic_datagram() until it says YES or NO.  The first one comes with a
state of the loop's own; only where the answer is MORE (a ClientHello over several datagrams, a Retry, a packet of
the server's before any of the client's) does the flow get to keep it.

Which keys open an Initial is not looked up, it is tried: those that are known, then those that its own
destination id gives.  This one rule covers a Retry or a first Initial that was not seen, a flow that was
joined with the server's packets first, a new connection on the same ports, and a version that changed on the way
(RFC 9368); the AEAD says who is right, so that a name is never taken from bytes that were damaged or made up by
chance.  New keys start the CRYPTO stream anew, for the client sends all of its ClientHello again (RFC 9000,
17.2.5.2), and two ClientHellos must not be mixed.

The server's Initials are not opened: nothing in them names a flow.  Budgets: keys are derived DERIVED_MAX times for a
flow, and after DATAGRAMS_MAX datagrams or SHORT_MAX short headers without a result it is `quic` and no more.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

cimport cython

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.gquic cimport gquic_chlo, gquic_datagram, gquic_version
from dpi.dissect.quic_crypto cimport (
    CID_MAX,
    FRAMES_GOOGLE_CHLO,
    FRAMES_IETF,
    GENERATION_2,
    Profile,
    QuicCrypto,
    QuicKeys,
    quic_crypto_free,
    quic_crypto_new,
    quic_guess,
    quic_initial_keys,
    quic_open,
    quic_profile,
    quic_retry_is_genuine,
)
from dpi.dissect.tls cimport tls_handshake
from dpi.dissect.varint cimport length_of, varint
from dpi.flow.stream cimport (
    Pool,
    pool_init,
    stream_bytes,
    stream_free,
    stream_init,
    stream_put,
    stream_ready,
)
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, slice, skip, take, u8, u32


cdef enum:
    DATAGRAM_MIN = 1200     # RFC 9000, 14.1: a client pads the datagrams of its Initials to this
    DATAGRAMS_MAX = 24
    DERIVED_MAX = 8
    SHORT_MAX = 3
    PACKETS_MAX = 16        # coalesced in a datagram


cdef enum Type:             # RFC 9000, 17.2; version 2 turns them by one (RFC 9369, 3.2)
    INITIAL
    ZERO_RTT
    HANDSHAKE
    RETRY


cdef enum Frame:            # RFC 9000, 12.4: those that an Initial may carry
    PADDING = 0x00
    PING = 0x01
    ACK = 0x02
    ACK_ECN = 0x03
    CRYPTO = 0x06
    CONNECTION_CLOSE = 0x1c
    GOOGLE_PING = 0x07
    GOOGLE_CRYPTO = 0x08


cdef struct Header:         # of a long header packet, up to where versions begin to differ
    uint8_t first
    uint32_t version
    const uint8_t *dcid
    const uint8_t *scid
    uint8_t dcid_len
    uint8_t scid_len


cdef void quic_state_init(QuicState *s, Pool *pool) noexcept nogil:
    memset(s, 0, sizeof(QuicState))
    stream_init(&s.crypto, pool)
    s.largest = -1
    s.client = 1


cdef void quic_state_free(QuicState *s) noexcept nogil:
    stream_free(&s.crypto)


cdef inline void skip_varint(Cursor *c) noexcept nogil:
    varint(c)


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


cdef inline bint is_reserved(uint32_t version) noexcept nogil:
    """RFC 9000, 15: versions that nobody has, to keep version negotiation in use."""
    return version & 0x0f0f0f0f == 0x0a0a0a0a


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


cdef bint quic_looks(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a datagram starts like QUIC: cheap, and right but for a few of the versions that are not known."""
    cdef Cursor c = over(data, n)
    cdef Header h
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
        return negotiated(&c) != 0
    if quic_profile(h.version) != NULL:
        return True
    return (h.first & 0xc0) == 0xc0 and n >= DATAGRAM_MIN and h.dcid_len >= 8


cdef inline Type type_of(const Profile *profile, uint8_t first) noexcept nogil:
    cdef int bits = first >> 4 & 3
    return <Type>(bits - 1 & 3) if profile.generation == GENERATION_2 else <Type>bits


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


cdef Answer frames(QuicState *s, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """Reads the frames of an opened Initial of the client's (RFC 9000, 19)."""
    cdef Cursor c = over(data, n)
    cdef uint64_t kind, offset
    cdef Cursor body
    cdef bint google = s.profile.frames != FRAMES_IETF
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
            if offset == 0 and s.crypto.block == NULL:
                answer = hello(s.profile, body.p, <uint32_t>left(&body), out)
                if answer != MORE:
                    return YES
            if offset < s.crypto.pool.cap:
                grew |= stream_put(&s.crypto, <uint32_t>offset, body.p, <uint32_t>left(&body))
        elif kind == ACK or kind == ACK_ECN:
            skip_ack(&c, kind == ACK_ECN)
        elif kind == CONNECTION_CLOSE:
            return YES
        else:
            break                           # not of this packet type: nothing behind it can be read
    if grew and hello(s.profile, stream_bytes(&s.crypto), stream_ready(&s.crypto), out) != MORE:
        return YES
    return MORE


cdef void start_over(QuicState *s, const Profile *profile, const QuicKeys *keys, const uint8_t *dcid,
                     uint8_t dcid_len) noexcept nogil:
    """Takes new keys, and with them a new CRYPTO stream."""
    stream_free(&s.crypto)
    s.profile = profile
    s.keys = keys[0]
    memcpy(s.dcid, dcid, dcid_len)
    s.dcid_len = dcid_len


cdef int try_keys(QuicState *s, QuicCrypto *c, const Profile *profile, const uint8_t *dcid, uint8_t dcid_len,
                  const uint8_t *packet, uint32_t n, uint32_t number_at) noexcept nogil:
    """Opens a packet with the keys that a destination id gives; they are the connection's if they fit."""
    cdef QuicKeys keys
    cdef int got
    if s.derived >= DERIVED_MAX:
        return -1
    s.derived += 1
    if not quic_initial_keys(profile, dcid, dcid_len, False, &keys):
        return -1
    got = quic_open(c, &keys, packet, n, number_at, s.largest)
    if got >= 0:
        start_over(s, profile, &keys, dcid, dcid_len)
    return got


cdef int open_initial(QuicState *s, QuicCrypto *c, const Header *h, const Profile *profile, const uint8_t *packet,
                      uint32_t n, uint32_t number_at, bint from_opener) noexcept nogil:
    """Opens an Initial of the client's: the number of bytes of frames in c.plain, or -1."""
    cdef int got = -1
    cdef uint8_t dcid[20]
    cdef bint same = (s.profile != NULL and h.dcid_len == s.dcid_len
                      and memcmp(h.dcid, s.dcid, s.dcid_len) == 0)
    if s.profile != NULL:
        if s.client != from_opener:
            return -1
        got = quic_open(c, &s.keys, packet, n, number_at, s.largest)
    if got < 0 and not (same and profile == s.profile):
        got = try_keys(s, c, profile, h.dcid, h.dcid_len, packet, n, number_at)
        if got < 0 and s.profile != NULL and profile != s.profile and not same:
            memcpy(dcid, s.dcid, s.dcid_len)    # RFC 9369, 4.1: the same id, with the new version's salt
            got = try_keys(s, c, profile, dcid, s.dcid_len, packet, n, number_at)
    if got < 0:
        return -1
    s.client = from_opener
    s.version = h.version
    if c.number > s.largest:
        s.largest = c.number
    s.client_cid_len = h.scid_len
    memcpy(s.client_cid, h.scid, h.scid_len)
    return got


cdef Answer initial(QuicState *s, QuicCrypto *c, const Header *h, const Profile *profile, const uint8_t *packet,
                    uint32_t n, uint32_t number_at, bint from_opener, Found *out) noexcept nogil:
    cdef int got = open_initial(s, c, h, profile, packet, n, number_at, from_opener)
    return MORE if got < 0 else frames(s, c.plain, <uint32_t>got, out)


cdef Answer guess(QuicState *s, QuicCrypto *c, const Header *h, const uint8_t *packet, uint32_t n, Cursor *rest,
                  bint from_opener, Found *out) noexcept nogil:
    """An Initial of a version that is not known: perhaps it is protected like one that is."""
    cdef const Profile *profile
    cdef Cursor at
    cdef uint32_t number_at
    cdef int i, got
    cdef Py_ssize_t length
    for i in range(4):
        profile = quic_guess(i)
        if type_of(profile, h.first) != INITIAL:
            continue
        at = rest[0]
        skip(&at, length_of(&at))
        length = length_of(&at)
        number_at = <uint32_t>(at.p - packet) if alive(&at) else 0
        skip(&at, length)
        if not alive(&at):
            break
        got = open_initial(s, c, h, profile, packet, number_at + <uint32_t>length, number_at, from_opener)
        if got >= 0:
            return frames(s, c.plain, <uint32_t>got, out)
    return MORE


cdef void retry(QuicState *s, QuicCrypto *c, const Header *h, const Profile *profile, const uint8_t *packet,
                uint32_t n) noexcept nogil:
    """RFC 9000, 17.2.5: from now on the keys come from the id that the server has chosen."""
    cdef QuicKeys keys
    if (s.profile != NULL and s.profile == profile
            and quic_retry_is_genuine(c, profile, packet, n, s.dcid, s.dcid_len)
            and quic_initial_keys(profile, h.scid, h.scid_len, False, &keys)):
        start_over(s, profile, &keys, h.scid, h.scid_len)


cdef inline void remember_server(QuicState *s, const Header *h, bint from_opener) noexcept nogil:
    if s.profile != NULL and s.client != from_opener:
        s.server_cid_len = h.scid_len
        memcpy(s.server_cid, h.scid, h.scid_len)


cdef Answer packets(QuicState *s, QuicCrypto *c, const uint8_t *data, uint32_t n, bint from_opener,
                    Found *out) noexcept nogil:
    """The packets that were coalesced into a datagram (RFC 9000, 12.2)."""
    cdef Cursor at = over(data, n)
    cdef const uint8_t *packet
    cdef const Profile *profile
    cdef Header h
    cdef Type kind
    cdef uint32_t number_at, end, found
    cdef Py_ssize_t length
    cdef int i
    for i in range(PACKETS_MAX):
        packet = at.p
        if left(&at) == 0 or not packet[0] & 0x80:
            break
        h = long_header(&at)
        if not alive(&at) or h.dcid_len > CID_MAX or h.scid_len > CID_MAX:
            break
        if h.version == 0:
            if i == 0:
                found = negotiated(&at)
                s.version = s.version if s.version else found
                remember_server(s, &h, from_opener)
            break
        profile = quic_profile(h.version)
        if profile == NULL and s.profile != NULL and h.version == s.version:
            profile = s.profile
        if profile == NULL:
            if i == 0 and n >= DATAGRAM_MIN and s.profile == NULL:
                if s.version == 0 and is_reserved(h.version):
                    s.version = h.version
                return guess(s, c, &h, data, n, &at, from_opener, out)
            break
        if s.version == 0:
            s.version = h.version
        remember_server(s, &h, from_opener)
        kind = type_of(profile, h.first)
        if kind == RETRY:
            if i == 0 and s.client != from_opener:
                retry(s, c, &h, profile, packet, n)
            break
        if kind == INITIAL:
            skip(&at, length_of(&at))       # token
        length = length_of(&at)
        number_at = <uint32_t>(at.p - packet) if alive(&at) else 0
        skip(&at, length)
        if not alive(&at):
            break                           # cut short by the capture, or damaged
        end = number_at + <uint32_t>length
        if kind == INITIAL:
            if initial(s, c, &h, profile, packet, end, number_at, from_opener, out) == YES:
                return YES
        elif kind == HANDSHAKE and s.profile != NULL and s.client == from_opener:
            return YES                      # the client has the ServerHello: no ClientHello comes any more
    return MORE


cdef Answer quic_datagram(QuicState *s, QuicCrypto *c, const uint8_t *data, uint32_t n, bint from_opener,
                          Found *out) noexcept nogil:
    """Looks at a datagram's payload; `out` is empty when it comes.

    NO: not QUIC.  MORE: come again; the flow is QUIC for certain once out.quic_version is set.  YES: nothing more is
    to be learnt; host, ALPN and JA4 are set where the ClientHello was seen.
    """
    cdef Answer answer
    cdef bint from_client = s.client == from_opener
    if n == 0:
        return MORE if s.version else NO
    if s.version == 0 and (not data[0] & 0x80 or gquic_version(data, n)):
        answer = gquic_datagram(data, n, out, &from_client)
        s.client = from_client == from_opener
        return answer
    if data[0] & 0x80:
        answer = packets(s, c, data, n, from_opener, out)
    else:
        s.short_headers += s.short_headers < 255
        answer = YES if s.short_headers >= SHORT_MAX else MORE
    if s.version == 0:
        return NO
    out.quic_version = s.version
    s.datagrams += s.datagrams < 255
    return YES if s.datagrams >= DATAGRAMS_MAX else answer


@cython.final
cdef class Flow:
    """One flow's dissection, as the loop would do it; for tests, fuzzers and notebooks."""

    cdef QuicCrypto *_crypto
    cdef QuicState _state
    cdef Pool _pool
    cdef Found _found

    def __cinit__(self, size_t budget=1 << 20):
        pool_init(&self._pool, budget, 0)
        quic_state_init(&self._state, &self._pool)
        memset(&self._found, 0, sizeof(Found))
        self._crypto = quic_crypto_new()
        if self._crypto == NULL:
            raise MemoryError

    def __dealloc__(self):
        quic_state_free(&self._state)
        quic_crypto_free(self._crypto)

    def feed(self, data: bytes, from_opener: bool = True) -> int:
        """Shows a datagram's payload: NO 0, MORE 1, YES 2."""
        cdef uint8_t *block = block_of(data)
        cdef Answer answer
        cdef uint32_t n = len(data)
        cdef bint opener = from_opener
        memset(&self._found, 0, sizeof(Found))
        with nogil:
            answer = quic_datagram(&self._state, self._crypto, block, n, opener, &self._found)
        free(block)
        return answer

    @property
    def host(self) -> str:
        return self._found.host[:self._found.host_len].decode()

    @property
    def alpn(self) -> str:
        return self._found.alpn.decode()

    @property
    def ja4(self) -> str:
        return self._found.ja4.decode()

    @property
    def agent(self) -> str:
        return self._found.agent.decode()

    @property
    def version(self) -> int:
        return self._found.quic_version

    @property
    def opener_is_client(self) -> bool:
        return bool(self._state.client)

    @property
    def client_cid(self) -> bytes:
        return (<const char *>self._state.client_cid)[:self._state.client_cid_len]

    @property
    def server_cid(self) -> bytes:
        return (<const char *>self._state.server_cid)[:self._state.server_cid_len]

    @property
    def held(self) -> int:
        """Bytes of the pool that the flow holds."""
        return self._pool.used


def looks(data: bytes) -> bool:
    """Whether a datagram starts like QUIC."""
    cdef uint8_t *block = block_of(data)
    cdef bint answer = quic_looks(block, len(data))
    free(block)
    return answer


STATE_SIZE = sizeof(QuicState)


def first_datagrams(datagrams: list) -> list[str]:
    """The host of each datagram, taken as the first of a flow of its own, "" where it has none.

    With one set of contexts for all, as a thread of the loop has: this is what tests/bench/quic.py measures.
    """
    cdef QuicCrypto *crypto = quic_crypto_new()
    cdef QuicState state
    cdef Pool pool
    cdef Found found
    cdef bytes data
    cdef const uint8_t *p
    cdef uint32_t n
    if crypto == NULL:
        raise MemoryError
    pool_init(&pool, 1 << 20, 0)
    hosts = []
    try:
        for data in datagrams:
            p = data
            n = len(data)
            found.host_len = 0
            quic_state_init(&state, &pool)
            with nogil:
                quic_datagram(&state, crypto, p, n, True, &found)
            quic_state_free(&state)
            hosts.append(found.host[:found.host_len].decode())
    finally:
        quic_crypto_free(crypto)
    return hosts
