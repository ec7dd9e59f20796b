"""QUIC: opens the client's Initials, so that quic_frames.pyx can read their ClientHello (RFC 9000, 9001, 9369).

The loop shows every datagram of a flow to quic_datagram() until it says YES or NO.  The first one comes with a
state of the loop's own; only where the answer is MORE (a ClientHello over several datagrams, a Retry, a packet of
the server's before any of the client's) does the flow get to keep it.

Which keys open an Initial is not looked up, it is tried: those that are known, then those that its own
destination id gives.  This one rule covers a Retry or a first Initial that was not seen, a flow that was
joined with the server's packets first, a new connection on the same ports, and a version that changed on the way
(RFC 9368); the AEAD says who is right, so that a name is never taken from bytes that were damaged or made up by
chance.  New keys start the CRYPTO stream anew, for the client sends all of its ClientHello again (RFC 9000,
17.2.5.2), and two ClientHellos must not be mixed.  From then on its Initials bear a token: one without, which was
overtaken on the way, is not a new start.

The server's Initials are not opened: nothing in them names a flow.  Budgets: keys are derived DERIVED_MAX times for a
flow and DERIVED_AT_ONCE times for a datagram, and after DATAGRAMS_MAX datagrams or SHORT_MAX short headers without a result it is `quic` and no more.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

cimport cython

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.gquic cimport gquic_datagram, gquic_version, is_gquic
from dpi.dissect.quic_crypto cimport (
    CID_MAX,
    GUESSES,
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
from dpi.dissect.quic_frames cimport quic_frames
from dpi.dissect.quic_header cimport (
    DATAGRAM_MIN,
    HANDSHAKE,
    INITIAL,
    RETRY,
    Header,
    Type,
    long_header,
    negotiated,
    type_of,
)
from dpi.dissect.varint cimport length_of
from dpi.flow.stream cimport STREAM_MAX, Pool, pool_init, stream_free, stream_init
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip


cdef enum:
    DATAGRAMS_MAX = 24
    DERIVED_MAX = 8
    DERIVED_AT_ONCE = 2     # coalesced packets have one destination id (RFC 9000, 12.2); keys are what costs
    SHORT_MAX = 3
    GQUIC_MAX = 4           # datagrams of Google's QUIC; those that came before the first are few
    PACKETS_MAX = 16        # coalesced in a datagram


cdef void quic_state_init(QuicState *s, Pool *pool) noexcept nogil:
    memset(s, 0, sizeof(QuicState))
    stream_init(&s.crypto, pool)
    s.largest = -1
    s.client = 1


cdef void quic_state_free(QuicState *s) noexcept nogil:
    stream_free(&s.crypto)


cdef inline bint is_reserved(uint32_t version) noexcept nogil:
    """RFC 9000, 15: versions that nobody has, to keep version negotiation in use."""
    return version & 0x0f0f0f0f == 0x0a0a0a0a


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
                      uint32_t n, uint32_t number_at, bint token, bint from_opener) noexcept nogil:
    """Opens an Initial of the client's: the number of bytes of frames in c.plain, or -1.  token: it bears one."""
    cdef int got = -1
    cdef uint8_t dcid[CID_MAX]
    cdef bint same = (s.profile != NULL and h.dcid_len == s.dcid_len
                      and memcmp(h.dcid, s.dcid, s.dcid_len) == 0)
    if s.profile != NULL:
        if s.client != from_opener:
            return -1
        got = quic_open(c, &s.keys, packet, n, number_at, s.largest)
        if got < 0 and s.token and not token:
            return -1
    if got < 0 and not (same and profile == s.profile):
        got = try_keys(s, c, profile, h.dcid, h.dcid_len, packet, n, number_at)
        if got < 0 and s.profile != NULL and profile != s.profile and not same:
            memcpy(dcid, s.dcid, s.dcid_len)    # RFC 9369, 4.1: the same id, with the new version's salt
            got = try_keys(s, c, profile, dcid, s.dcid_len, packet, n, number_at)
    if got < 0:
        return -1
    s.client = from_opener
    s.version = h.version
    s.token = token
    if c.number > s.largest:
        s.largest = c.number
    s.client_cid_len = h.scid_len
    memcpy(s.client_cid, h.scid, h.scid_len)
    return got


cdef Answer initial(QuicState *s, QuicCrypto *c, const Header *h, const Profile *profile, const uint8_t *packet,
                    uint32_t n, uint32_t number_at, bint token, bint from_opener, Found *out) noexcept nogil:
    cdef int got = open_initial(s, c, h, profile, packet, n, number_at, token, from_opener)
    return MORE if got < 0 else quic_frames(s.profile, &s.crypto, c.plain, <uint32_t>got, out)


cdef Answer guess(QuicState *s, QuicCrypto *c, const Header *h, const uint8_t *packet, const Cursor *rest,
                  bint from_opener, Found *out) noexcept nogil:
    """An Initial of a version that is not known: perhaps it is protected like one that is."""
    cdef const Profile *profile
    cdef Cursor at
    cdef uint32_t number_at
    cdef int i, got
    cdef Py_ssize_t token, length
    for i in range(GUESSES):
        profile = quic_guess(i)
        if type_of(profile, h.first) != INITIAL:
            continue
        at = rest[0]
        token = length_of(&at)
        skip(&at, token)
        length = length_of(&at)
        number_at = <uint32_t>(at.p - packet) if alive(&at) else 0
        skip(&at, length)
        if not alive(&at):
            break
        got = open_initial(s, c, h, profile, packet, number_at + <uint32_t>length, number_at, token > 0, from_opener)
        if got >= 0:
            return quic_frames(s.profile, &s.crypto, c.plain, <uint32_t>got, out)
    return MORE


cdef void retry(QuicState *s, QuicCrypto *c, const Header *h, const Profile *profile, const uint8_t *packet,
                uint32_t n) noexcept nogil:
    """RFC 9000, 17.2.5: from now on the keys come from the id that the server has chosen."""
    cdef QuicKeys keys
    if (s.profile != NULL and s.profile == profile
            and quic_retry_is_genuine(c, profile, packet, n, s.dcid, s.dcid_len)
            and quic_initial_keys(profile, h.scid, h.scid_len, False, &keys)):
        start_over(s, profile, &keys, h.scid, h.scid_len)
        s.token = 1


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
    cdef Py_ssize_t token, length
    cdef int i
    cdef int derived = s.derived
    for i in range(PACKETS_MAX):
        packet = at.p
        if left(&at) == 0 or not packet[0] & 0x80 or s.derived - derived >= DERIVED_AT_ONCE:
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
                return guess(s, c, &h, data, &at, from_opener, out)
            break
        if s.version == 0:
            s.version = h.version
        remember_server(s, &h, from_opener)
        kind = type_of(profile, h.first)
        if kind == RETRY:
            if i == 0 and s.client != from_opener:
                retry(s, c, &h, profile, packet, n)
            break
        token = 0
        if kind == INITIAL:
            token = length_of(&at)
            skip(&at, token)
        length = length_of(&at)
        number_at = <uint32_t>(at.p - packet) if alive(&at) else 0
        skip(&at, length)
        if not alive(&at):
            break                           # cut short by the capture, or damaged
        end = number_at + <uint32_t>length
        if kind == INITIAL:
            if initial(s, c, &h, profile, packet, end, number_at, token > 0, from_opener, out) == YES:
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
    if is_gquic(s.version) or s.version == 0 and (not data[0] & 0x80 or gquic_version(data, n)):
        answer = gquic_datagram(data, n, out, &from_client)
        s.client = from_client == from_opener
        s.version = out.quic_version if out.quic_version else s.version
        s.datagrams += s.datagrams < 255
        return answer if s.datagrams < GQUIC_MAX or answer != MORE else YES
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
        pool_init(&self._pool, budget, STREAM_MAX)
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
    pool_init(&pool, 1 << 20, STREAM_MAX)
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
