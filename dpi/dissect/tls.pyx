"""TLS: what the two hellos, and up to TLS 1.2 the server's certificate, say in clear.

The client's first flight is records (RFC 8446, 5.1) that carry a handshake message (4.1.2), which may be cut into
records of any size, as some clients do to get past middleboxes.  The common case, a message within one record, is
read where it lies; fragments are put together on the stack first.  The message alone, as QUIC carries it, is
tls_handshake()'s.

All of these may be asked again with more bytes.  With MORE, what could be read so far already stands in `out`: a host
found there is the host, if the rest never comes.

Where out.ech is set, the hello has an encrypted_client_hello extension (RFC 9849), or its forerunner ESNI.  The host
is then only the public name of whoever serves the hidden one.  Browsers also send the extension with random bytes to
servers that do not know it, so that it alone does not mean that anything is hidden.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dpi.dissect.answer cimport ALPN_MAX, MORE, NO, YES, Answer, Certificate, Found, ServerFound
from dpi.dissect.answer cimport answer_name, found_dict, server_dict
from dpi.dissect.certificate cimport certificate
from dpi.dissect.ja4 cimport JA4_EXTENSIONS, Hello, grease, ja4
from dpi.dissect.text cimport host_name, put_text
from dpi.dissect.varint cimport length_of, varint
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u24


cdef enum:
    # record types
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    HEARTBEAT = 24
    PLAINTEXT_MAX = 16384           # RFC 8446, 5.1
    CIPHERTEXT_MAX = 16384 + 2048   # RFC 5246, 6.2.3
    # handshake messages
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    NEW_SESSION_TICKET = 4
    CERTIFICATE = 11
    CERTIFICATE_STATUS = 22
    # extensions
    SERVER_NAME = 0
    SIGNATURE_ALGORITHMS = 13
    ALPN = 16
    SUPPORTED_VERSIONS = 43
    QUIC_PARAMETERS = 0x39
    QUIC_PARAMETERS_DRAFT = 0xffa5
    ESNI = 0xffce                   # draft-ietf-tls-esni-02
    ECH = 0xfe0d
    # what is put together or waited for; a longer hello is answered with what can be read of it
    HELLO_MAX = 16384
    MESSAGE_MAX = 0x1ffff
    HELLO_MIN = 41                  # a body with one cipher suite and nothing optional
    USER_AGENT = 0x3129             # QUIC transport parameter of Google's


cdef inline uint16_t plain_version(uint16_t version) noexcept nogil:
    """The version that is spoken: drafts of TLS 1.3 (0x7f.., Facebook's 0xfb..) count as it."""
    return 0x0304 if version >> 8 == 0x7f or version >> 8 == 0xfb else version


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
    """RFC 6066, section 3."""
    cdef Cursor names = slice(&ext, u16(&ext))
    cdef uint8_t kind
    cdef uint16_t n
    cdef const uint8_t *p
    while left(&names) > 0:
        kind = u8(&names)
        n = u16(&names)
        p = take(&names, n)
        if p != NULL and kind == 0 and out.host_len == 0:
            out.host_len = host_name(p, n, out.host)


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


cdef struct Fragments:      # what the handshake records at the start of a stream carry
    const uint8_t *p
    uint32_t n
    bint over               # something else follows them


cdef Fragments gather(const uint8_t *data, uint32_t n, uint8_t *room, bint one) noexcept nogil:
    """Joins the handshake records at the start: in place where there is one record, else in room[HELLO_MAX].

    With `one`, stops when the first message is complete.
    """
    cdef Fragments f
    cdef Cursor c = over(data, n)
    cdef Cursor peek
    cdef const uint8_t *p
    cdef uint32_t have, part
    cdef uint16_t version, length
    cdef uint8_t kind
    f.p = NULL
    f.n = 0
    f.over = False
    while left(&c) > 0:
        kind = u8(&c)
        version = u16(&c)
        length = u16(&c)
        if kind != HANDSHAKE or (alive(&c) and (version >> 8 != 3 or not 0 < length <= PLAINTEXT_MAX)):
            f.over = True
            break
        if not alive(&c):
            break
        have = length if length < left(&c) else <uint32_t>left(&c)
        p = take(&c, have)
        if f.p == NULL:
            f.p = p
            f.n = have
        else:
            if f.p != room:
                f.n = f.n if f.n < HELLO_MAX else HELLO_MAX
                memcpy(room, f.p, f.n)
                f.p = room
            part = have if have < HELLO_MAX - f.n else HELLO_MAX - f.n
            memcpy(room + f.n, p, part)
            f.n += part
        if have < length:
            break
        if one:
            peek = over(f.p, f.n)
            skip(&peek, 1)
            if f.n >= 4 and u24(&peek) <= f.n - 4:
                break
    return f


cdef Answer joined_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """A ClientHello that one record does not hold.  Apart, so that the common case does not pay for the room."""
    cdef uint8_t room[HELLO_MAX]
    cdef Fragments f = gather(data, n, room, True)
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
    if kind != CLIENT_HELLO or length > 2048 or (alive(&c) and version != 2 and not 0x0300 <= version <= 0x0303):
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
    if version > 0x0304 or not 0 < length <= PLAINTEXT_MAX:
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


cdef Answer server_hello(Cursor c, ServerFound *out) noexcept nogil:
    """The body of a ServerHello (RFC 8446, 4.1.3).  MORE: a certificate will follow in clear."""
    cdef Cursor extensions, ext
    cdef uint16_t kind
    cdef uint16_t version = u16(&c)
    if version >> 8 != 3 and version >> 8 != 0x7f:
        return NO
    skip(&c, 32)                        # random
    skip(&c, u8(&c))                    # legacy_session_id_echo
    out.cipher = u16(&c)
    skip(&c, 1)                         # legacy_compression_method
    if not alive(&c):
        return NO
    extensions = slice(&c, u16(&c)) if left(&c) > 0 else over(c.p, 0)
    while left(&extensions) > 0:
        kind = u16(&extensions)
        ext = slice(&extensions, u16(&extensions))
        if kind == SUPPORTED_VERSIONS and left(&ext) >= 2:
            version = u16(&ext)
        elif kind == ALPN and left(&ext) > 3:
            skip(&ext, 2)
            ext = slice(&ext, u8(&ext))
            if alive(&ext):
                put_alpn(ext.p, <uint32_t>left(&ext), out.alpn)
    out.tls_version = plain_version(version)
    return YES if out.tls_version >= 0x0304 else MORE


cdef void certificate_host(ServerFound *out) noexcept nogil:
    """The name to go by: the first dNSName, else the common name where it is a host's, "*." left out."""
    cdef const char *name = out.certificate.names
    cdef uint32_t n = 0
    if out.certificate.n_names == 0:
        name = out.certificate.common_name
    if name[0] == 42 and name[1] == 46:
        name += 2
    while name[n]:
        n += 1
    out.host_len = host_name(<const uint8_t *>name, n, out.host)


cdef Answer leaf(Cursor c, bint whole, ServerFound *out) noexcept nogil:
    """The first certificate of a Certificate message (RFC 5246, 7.4.2): the server's own."""
    cdef uint32_t n
    cdef Answer answer
    skip(&c, 3)
    n = u24(&c)
    if not alive(&c):
        return YES if whole else MORE   # an empty list
    memset(&out.certificate, 0, sizeof(Certificate))
    answer = certificate(c.p, n if n < left(&c) else <uint32_t>left(&c), &out.certificate)
    if out.certificate.present:
        certificate_host(out)
    return MORE if answer == MORE and not whole else YES


cdef Answer server_messages(Fragments f, ServerFound *out) noexcept nogil:
    cdef Cursor c = over(f.p, f.n)
    cdef Cursor body
    cdef uint8_t kind
    cdef uint32_t n
    cdef Answer answer
    cdef bint first = True
    while True:
        kind = u8(&c)
        if alive(&c) and first and kind != SERVER_HELLO:
            return NO
        n = u24(&c)
        if not alive(&c):
            break
        if left(&c) < n:
            if first and n > PLAINTEXT_MAX:
                return NO
            if kind == CERTIFICATE and not first and leaf(c, False, out) == YES:
                return YES
            break
        body = slice(&c, n)
        if first:
            answer = server_hello(body, out)
            if answer != MORE:
                return answer
        elif kind == CERTIFICATE:
            return leaf(body, True, out)
        elif kind != CERTIFICATE_STATUS and kind != NEW_SESSION_TICKET:
            return YES                  # ServerKeyExchange: there is no certificate
        first = False
    if f.over:
        return NO if first else YES     # resumed: ChangeCipherSpec comes at once
    return MORE


cdef Answer tls_server_hello(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil:
    """The contiguous start of what a server sends over TCP.  `out` must be cleared.

    MORE with out.tls_version set: the hello has been read, the certificate has not.  From HELLO_MAX bytes on the
    answer is final.
    """
    cdef uint8_t room[HELLO_MAX]
    cdef Fragments f
    cdef Answer answer
    if n and data[0] != HANDSHAKE:
        return NO
    if n > 1 and data[1] != 3:
        return NO
    f = gather(data, n, room, False)
    answer = server_messages(f, out)
    return YES if answer == MORE and n >= HELLO_MAX and out.tls_version else answer


cdef Answer tls_records(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether bytes from the middle of a connection are TLS records, by nothing but their headers.

    YES needs a whole record that ends where the bytes end or another header follows; MORE means that the first
    record is longer than the bytes.  Only for flows whose start was not seen.
    """
    cdef Cursor c = over(data, n)
    cdef uint8_t kind
    cdef uint16_t version, length
    cdef int seen
    for seen in range(4):
        if left(&c) == 0:
            return YES if seen else MORE
        kind = u8(&c)
        version = u16(&c)
        length = u16(&c)
        if not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT:
            return NO
        if not alive(&c):
            return YES if seen and n > 5 and kind >= ALERT else MORE
        if not 0x0301 <= version <= 0x0303 and version != 0x0300:
            return NO
        if not 0 < length <= CIPHERTEXT_MAX or (kind == CHANGE_CIPHER_SPEC and length != 1):
            return NO
        if left(&c) < length:
            return YES if seen else MORE
        skip(&c, length)
    return YES


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


def server(data: bytes) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a server's TCP stream."""
    cdef ServerFound out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = tls_server_hello(block, len(data), &out)
    free(block)
    return answer_name(answer), server_dict(&out)


def records(data: bytes) -> str:
    """"no" | "more" | "yes": bytes from the middle of a connection are TLS records."""
    cdef uint8_t *block = block_of(data)
    answer = tls_records(block, len(data))
    free(block)
    return answer_name(answer)
