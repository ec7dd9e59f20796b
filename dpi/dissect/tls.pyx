"""TLS: what the client's hello says in clear (RFC 8446, 4.1.2).

Its records are tls_records.pyx's business, the server's answer is tls_server.pyx's.  The message alone, as QUIC carries
it, is tls_handshake()'s.

All of these may be asked again with more bytes.  With MORE, what could be read so far already stands in `out`: a host
found there is the host, if the rest never comes.

Where out.ech is set, the hello has an encrypted_client_hello extension (RFC 9849), or its forerunner ESNI.  The host
is then only the public name of whoever serves the hidden one.  Browsers also send the extension with random bytes to
servers that do not know it, so that it alone does not mean that anything is hidden.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport ALPN_MAX, MORE, NO, YES, Answer, Found, answer_name, found_dict
from dpi.dissect.ja4 cimport JA4_EXTENSIONS, Hello, grease, ja4
from dpi.dissect.text cimport before_port, host_name, put_text
from dpi.dissect.tls_records cimport CLIENT_HELLO, HANDSHAKE, HELLO_MAX, PLAINTEXT_MAX, Fragments, joined_records
from dpi.dissect.tor cimport has_tor_groups
from dpi.dissect.varint cimport length_of, varint
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u24


cdef enum:
    # extensions
    SERVER_NAME = 0
    SUPPORTED_GROUPS = 10
    SIGNATURE_ALGORITHMS = 13
    QUIC_PARAMETERS = 0x39
    QUIC_PARAMETERS_DRAFT = 0xffa5
    ESNI = 0xffce                   # draft-ietf-tls-esni-02
    ECH = 0xfe0d
    MESSAGE_MAX = 0x1ffff
    HELLO_MIN = 41                  # a body with one cipher suite and nothing optional
    USER_AGENT = 0x3129             # QUIC transport parameter of Google's


cdef void put_alpn(const uint8_t *p, uint32_t n, char *out) noexcept nogil:
    """Copies a protocol's name where it is one; nobody registers more than printable characters, few send more."""
    cdef uint32_t i
    if n > ALPN_MAX:
        return
    for i in range(n):
        if not 32 < p[i] < 127:
            return
    put_text(p, n, out, ALPN_MAX + 1)


cdef void server_name(Cursor ext, Found *out) noexcept nogil:
    """RFC 6066, section 3, which has no port in a name; some programs put theirs there."""
    cdef Cursor names = slice(&ext, u16(&ext))
    cdef uint8_t kind
    cdef uint16_t n
    cdef const uint8_t *p
    while left(&names) > 0:
        kind = u8(&names)
        n = u16(&names)
        p = take(&names, n)
        if p != NULL and kind == 0 and out.host_len == 0:
            out.host_len = host_name(p, before_port(p, n), out.host)


cdef void protocols(Cursor ext, Hello *hello, char *out) noexcept nogil:
    """RFC 7301, 3.1: the first protocol that is not GREASE."""
    cdef Cursor names = slice(&ext, u16(&ext))
    cdef uint8_t n
    cdef const uint8_t *p
    while left(&names) > 0:
        n = u8(&names)
        p = take(&names, n)
        if p == NULL or (n == 2 and grease(<uint16_t>p[0] << 8 | p[1])):
            continue
        hello.alpn = p
        hello.alpn_len = n
        put_alpn(p, n, out)
        return


cdef uint16_t highest_version(Cursor ext, uint8_t transport) noexcept nogil:
    """RFC 8446, 4.2.1.  DTLS counts downwards."""
    cdef Cursor versions = slice(&ext, u8(&ext))
    cdef uint16_t best = 0
    cdef uint16_t version
    while left(&versions) > 1:
        version = u16(&versions)
        if grease(version):
            continue
        if best == 0 or (version < best if transport == c"d" else version > best):
            best = version
    return best


cdef void user_agent(Cursor ext, Found *out) noexcept nogil:
    """QUIC transport parameters (RFC 9000, 18) may name the client's software; Google's do."""
    cdef uint64_t kind
    cdef Cursor value
    while left(&ext) > 0:
        kind = varint(&ext)
        value = slice(&ext, length_of(&ext))
        if alive(&value) and kind == USER_AGENT:
            put_text(value.p, <uint32_t>left(&value), out.agent, sizeof(out.agent))
            return


cdef Answer client_hello(Cursor c, bint whole, Found *out, uint8_t transport) noexcept nogil:
    """The body of a ClientHello (RFC 8446, 4.1.2; RFC 6347, 4.2.1 for the cookie), or as much of it as is there.

    NO where it is none.  A whole one with damaged extensions is YES without fingerprint.
    """
    cdef Hello hello
    cdef Cursor extensions, ext
    cdef uint16_t kind, n
    cdef uint16_t legacy = u16(&c)
    cdef uint16_t offered = 0
    if alive(&c) and legacy >> 8 != (0xfe if transport == c"d" else 3) and not (transport == c"d" and legacy == 0x0100):
        return NO
    hello.transport = transport
    hello.sni = 0
    hello.alpn = NULL
    hello.alpn_len = 0
    hello.algorithms = NULL
    hello.algorithms_len = 0
    hello.n_extensions = 0
    skip(&c, 32)                        # random
    n = u8(&c)
    if n > 32:
        return NO
    skip(&c, n)                         # legacy_session_id
    if transport == c"d":
        skip(&c, u8(&c))                # cookie
    hello.ciphers_len = u16(&c)
    if alive(&c) and (hello.ciphers_len == 0 or hello.ciphers_len & 1):
        return NO
    hello.ciphers = take(&c, hello.ciphers_len)
    skip(&c, u8(&c))                    # legacy_compression_methods
    if not alive(&c):
        return NO if whole else MORE
    out.tls_version = legacy
    hello.version = legacy
    n = 0
    if left(&c) > 0:                    # SSL 3.0 and TLS 1.0 know none
        n = u16(&c)
    extensions = over(c.p, n if n < left(&c) else left(&c))
    while left(&extensions) > 0:
        kind = u16(&extensions)
        ext = slice(&extensions, u16(&extensions))
        if not alive(&ext):
            break
        if hello.n_extensions < JA4_EXTENSIONS:
            hello.extensions[hello.n_extensions] = kind
        hello.n_extensions += 1
        if kind == SERVER_NAME:
            hello.sni = 1
            server_name(ext, out)
        elif kind == ALPN:
            protocols(ext, &hello, out.alpn)
        elif kind == SUPPORTED_GROUPS:
            out.tor_groups = has_tor_groups(ext)
        elif kind == SUPPORTED_VERSIONS:
            offered = highest_version(ext, transport)
        elif kind == SIGNATURE_ALGORITHMS:
            hello.algorithms_len = u16(&ext)
            hello.algorithms = take(&ext, hello.algorithms_len)
            if hello.algorithms == NULL:
                hello.algorithms_len = 0
        elif kind == ECH or kind == ESNI:
            out.ech = 1
        elif kind == QUIC_PARAMETERS or kind == QUIC_PARAMETERS_DRAFT:
            user_agent(ext, out)
    if offered:
        hello.version = offered
        out.tls_version = plain_version(offered)
    if not whole:
        return MORE
    if alive(&extensions):
        ja4(&hello, out.ja4)
    return YES


cdef Answer tls_handshake(const uint8_t *data, uint32_t n, Found *out, bint quic) noexcept nogil:
    """A ClientHello with its handshake header and nothing around it.  `out` must be cleared."""
    cdef Cursor c = over(data, n)
    cdef uint8_t kind = u8(&c)
    cdef uint32_t length
    if n and kind != CLIENT_HELLO:
        return NO
    length = u24(&c)
    if not alive(&c):
        return MORE
    if not HELLO_MIN <= length <= MESSAGE_MAX:
        return NO
    if left(&c) >= length:
        return client_hello(slice(&c, length), True, out, c"q" if quic else c"t")
    return client_hello(c, False, out, c"q" if quic else c"t")


cdef Answer joined_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """A ClientHello that one record does not hold.  Apart, so that the common case does not pay for the room."""
    cdef uint8_t room[HELLO_MAX]
    cdef Fragments f = joined_records(data, n, room, True)
    cdef Answer answer = tls_handshake(f.p, f.n, out, False)
    if answer == MORE and f.over:
        return NO
    return answer


cdef Answer v2_hello(Cursor c, Found *out) noexcept nogil:
    """A ClientHello in SSL 2.0's form that offers any version (RFC 5246, appendix E.2)."""
    cdef uint32_t length = u16(&c) & 0x7fff
    cdef uint8_t kind = u8(&c)
    cdef uint16_t version, ciphers, session, challenge
    if not alive(&c):
        return MORE
    version = u16(&c)
    if kind != CLIENT_HELLO or length > 2048 or (alive(&c) and version != 2 and not 0x0300 <= version <= TLS_1_2):
        return NO
    ciphers = u16(&c)
    session = u16(&c)
    challenge = u16(&c)
    if not alive(&c):
        return MORE
    if ciphers == 0 or ciphers % 3 or (session != 0 and session != 16) or not 16 <= challenge <= 32:
        return NO
    if length != <uint32_t>9 + ciphers + session + challenge:
        return NO
    skip(&c, length - 9)
    out.tls_version = version
    return YES if alive(&c) else MORE


cdef Answer tls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """The contiguous start of what a client sends over TCP.  `out` must be cleared.

    From HELLO_MAX bytes on the answer is final.
    """
    cdef Cursor c = over(data, n)
    cdef uint8_t kind = u8(&c)
    cdef uint16_t version, length
    cdef Answer answer
    if n == 0:
        return MORE
    if kind & 0x80:
        return v2_hello(over(data, n), out)
    if kind != HANDSHAKE or (n > 1 and data[1] != 3):
        return NO
    version = u16(&c)
    length = u16(&c)
    if not alive(&c):
        return MORE
    if version > TLS_1_3 or not 0 < length <= PLAINTEXT_MAX:
        return NO
    if left(&c) > 0 and c.p[0] != CLIENT_HELLO:
        return NO
    if left(&c) <= length:
        answer = tls_handshake(c.p, <uint32_t>left(&c), out, False)
    else:
        answer = tls_handshake(c.p, length, out, False)
        if answer == MORE:
            memset(out, 0, sizeof(Found))
            answer = joined_hello(data, n, out)
    return YES if answer == MORE and n >= HELLO_MAX else answer


def client(data: bytes) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a client's TCP stream."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = tls_client_hello(block, len(data), &out)
    free(block)
    return answer_name(answer), found_dict(&out)


def handshake(data: bytes, quic: bool = False) -> tuple:
    """("no" | "more" | "yes", fields) of a ClientHello message without records."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = tls_handshake(block, len(data), &out, quic)
    free(block)
    return answer_name(answer), found_dict(&out)
