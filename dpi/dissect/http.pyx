"""HTTP/1 (RFC 9110, RFC 9112): whom a request is for and what a response is; and HTTP/2 without TLS, by its preface.

A request says where it goes in three places: its target (absolute-form to a proxy, authority-form with CONNECT) and
the Host field; the target wins (RFC 9112, 3.2.2).  Whatever servers put up with is read too, since it is also what is
sent to get past middleboxes: empty lines before the request, lines that end in LF alone, a field's name in any case
and with space behind it, values folded onto the next line.

Where only part of a header is there, it is read from its start again when more comes; HEADER_MAX bounds that.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp, memset

from dpi.dissect.answer cimport MORE, NO, TARGET_ABSOLUTE, TARGET_AUTHORITY, YES, Answer, Found, ServerFound
from dpi.dissect.answer cimport answer_name, found_dict, server_dict
from dpi.dissect.login cimport asks_basic, shows_secret
from dpi.dissect.program cimport names_program, program_bytes, program_needs, program_type
from dpi.dissect.text cimport authority, lower, put_text
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, left, over, skip


cdef extern from *:
    """
    /* IANA's HTTP Method Registry, and UPnP's (UPnP Device Architecture 2.0, 1.3 and 4.1); the usual ones first. */
    static const char DPI_METHODS[] =
        " GET POST HEAD CONNECT OPTIONS PUT DELETE PATCH TRACE PROPFIND REPORT NOTIFY M-SEARCH SUBSCRIBE UNSUBSCRIBE"
        " ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL"
        " MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPPATCH QUERY REBIND SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK"
        " UPDATE UPDATEREDIRECTREF VERSION-CONTROL ";
    static const char DPI_PREFACE[] = "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n";
    """
    const char *METHODS "DPI_METHODS"
    const uint32_t METHODS_LEN "((int)sizeof(DPI_METHODS) - 1)"
    const char *PREFACE "DPI_PREFACE"       # RFC 9113, 3.4
    const uint32_t PREFACE_LEN "((int)sizeof(DPI_PREFACE) - 1)"


cdef enum:
    HEADER_MAX = 16384      # what servers accept at most, usually less; answers are final from there on
    METHOD_MAX = 17
    EMPTY_MAX = 8           # bytes of empty lines before a request
    BODY_MIN = 4            # bytes of the shortest body that is a program
    CR = 13
    LF = 10


cdef struct Span:
    const uint8_t *p
    uint32_t n


cdef inline bint blank(uint8_t c) noexcept nogil:
    return c == 32 or c == 9 or c == CR or c == LF


cdef inline Span trimmed(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef Span s
    while n and blank(p[0]):
        p += 1
        n -= 1
    while n and blank(p[n - 1]):
        n -= 1
    s.p = p
    s.n = n
    return s


cdef bint next_line(Cursor *c, Span *line, bint folds) noexcept nogil:
    """The next line without its end; with folds, lines that begin with space belong to it.

    False: its end is not there yet, or what comes next, which may be a fold, is not.
    """
    cdef const uint8_t *start = c.p
    cdef const uint8_t *at = start
    cdef const uint8_t *end
    while True:
        end = <const uint8_t *>memchr(at, LF, c.end - at)
        if end == NULL:
            return False
        at = end + 1
        if not folds or end - start <= 1:
            break
        if at == c.end:
            return False
        if not (at[0] == 32 or at[0] == 9):
            break
    skip(c, at - start)
    line.p = start
    line.n = <uint32_t>(end - start)
    if line.n and (end - 1)[0] == CR:
        line.n -= 1
    return True


cdef bint same(Span s, const char *name, uint32_t n) noexcept nogil:
    """Equal but for case; the name is in lower case."""
    cdef uint32_t i
    if s.n != n:
        return False
    for i in range(n):
        if lower(s.p[i]) != <uint8_t>name[i]:
            return False
    return True


cdef bint next_field(Cursor *c, Span *name, Span *value, bint *ended) noexcept nogil:
    """The next field (RFC 9112, 5) that is one.  False: the header has ended, or its rest is not there yet."""
    cdef Span line
    cdef const uint8_t *colon
    while next_line(c, &line, True):
        if line.n == 0:
            ended[0] = True
            return False
        colon = <const uint8_t *>memchr(line.p, c":", line.n)
        if colon == NULL:
            continue
        name[0] = trimmed(line.p, <uint32_t>(colon - line.p))
        value[0] = trimmed(colon + 1, line.n - <uint32_t>(colon + 1 - line.p))
        return True
    return False


cdef void media_type(Span value, char *out, uint32_t size) noexcept nogil:
    """Content-Type without its parameters (RFC 9110, 8.3.1), in lower case."""
    cdef const uint8_t *end = <const uint8_t *>memchr(value.p, c";", value.n) if value.n else NULL
    cdef char *p = out
    if end != NULL:
        value = trimmed(value.p, <uint32_t>(end - value.p))
    put_text(value.p, value.n, out, size)
    while p[0]:
        p[0] = lower(p[0])
        p += 1


cdef Answer method(const uint8_t *p, uint32_t n, uint32_t *length) noexcept nogil:
    """Whether the bytes, one at least and no space, begin with a method and a space; MORE where they end within one."""
    cdef const char *at = METHODS
    cdef const char *end = METHODS + METHODS_LEN
    cdef const uint8_t *space = <const uint8_t *>memchr(p, 32, n if n <= METHOD_MAX else METHOD_MAX + 1)
    cdef uint32_t want
    length[0] = <uint32_t>(space - p) if space != NULL else n
    if length[0] > METHOD_MAX:
        return NO
    want = length[0] + (space != NULL)
    while at + 1 + want <= end:     # at is the space before a method
        if memcmp(at + 1, p, want) == 0:
            return YES if space != NULL else MORE
        at = <const char *>memchr(at + 1, 32, end - at - 1)
    return NO


cdef inline bint is_version(Span s) noexcept nogil:
    """HTTP-version (RFC 9112, 2.3)."""
    return s.n == 8 and memcmp(s.p, <const char *>b"HTTP/", 5) == 0 and s.p[6] == c"." and digit(s.p[5]) and digit(s.p[7])


cdef inline bint digit(uint8_t c) noexcept nogil:
    return 48 <= c <= 57


cdef bint printable(const uint8_t *p, uint32_t n) noexcept nogil:
    """Text, with tabs where spaces should be (RFC 9112, 3)."""
    cdef uint32_t i
    for i in range(n):
        if p[i] < 32 and p[i] != 9 or p[i] == 127:
            return False
    return True


cdef void target_host(Span target, bint connect, Found *out) noexcept nogil:
    """The host in a request's target (RFC 9112, 3.2), where it has one."""
    cdef uint32_t i = 0
    if not connect:
        while i + 2 < target.n and i < 8 and not (target.p[i] == c":" and target.p[i + 1] == c"/"):
            i += 1
        if i + 3 > target.n or target.p[0] == c"/" or memcmp(target.p + i, <const char *>b"://", 3) != 0:
            return
        target.p += i + 3
        target.n -= i + 3
        i = 0
        while i < target.n and target.p[i] != c"/" and target.p[i] != c"?" and target.p[i] != c"#":
            i += 1
        target.n = i
        out.target = TARGET_ABSOLUTE
    else:
        out.target = TARGET_AUTHORITY
    out.host_len = authority(target.p, target.n, out.host)


cdef Answer request_line(Span line, uint32_t method_len, Found *out) noexcept nogil:
    """NO: it is no HTTP.  MORE: fields follow.  YES: none do, it is HTTP/0.9."""
    cdef Span rest = trimmed(line.p + method_len, line.n - method_len)
    cdef Span version
    cdef uint32_t i = rest.n
    cdef bint connect = method_len == 7 and line.p[0] == c"C" and line.p[3] == c"N"
    if not printable(rest.p, rest.n):
        return NO
    while i and not blank(rest.p[i - 1]):
        i -= 1
    version.p = rest.p + i
    version.n = rest.n - i
    if not is_version(version):
        return YES if i == 0 and method_len == 3 and line.p[0] == c"G" and rest.n and rest.p[0] == c"/" else NO
    target_host(trimmed(rest.p, i), connect, out)
    return MORE


cdef Answer http_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """The contiguous start of what a client sends.  `out` must be cleared.

    YES once the host is known or the header has ended; user agent and content type are there if they came with it, and
    unfinished says that more fields will come.  HTTP/2 in clear is YES with alpn "h2c" and no host.  From HEADER_MAX bytes
    on the answer is final.
    """
    cdef Cursor c = over(data, n if n < HEADER_MAX else HEADER_MAX)
    cdef Span line, name, value
    cdef uint32_t method_len
    cdef Answer answer
    cdef bint ended = False
    while left(&c) > 0 and c.p - data < EMPTY_MAX and (c.p[0] == CR or c.p[0] == LF):
        skip(&c, 1)
    if left(&c) <= 0:
        return MORE
    if not 65 <= c.p[0] <= 90 or left(&c) >= 5 and memcmp(c.p, <const char *>b"HTTP/", 5) == 0:
        return NO           # a response begins so, and no method
    if memcmp(c.p, PREFACE, PREFACE_LEN if left(&c) > PREFACE_LEN else left(&c)) == 0:
        if left(&c) < PREFACE_LEN:
            return MORE
        put_text(<const uint8_t *>b"h2c", 3, out.alpn, sizeof(out.alpn))
        return YES
    answer = method(c.p, <uint32_t>left(&c), &method_len)
    if answer != YES:
        return answer
    if not next_line(&c, &line, False):
        line = trimmed(c.p + method_len, <uint32_t>left(&c) - method_len)
        if not printable(line.p, line.n):
            return NO
        return YES if n >= HEADER_MAX else MORE
    answer = request_line(line, method_len, out)
    if answer != MORE:
        return answer
    while next_field(&c, &name, &value, &ended):
        if out.host_len == 0 and same(name, b"host", 4):
            out.host_len = authority(value.p, value.n, out.host)
        elif out.agent[0] == 0 and same(name, b"user-agent", 10):
            put_text(value.p, value.n, out.agent, sizeof(out.agent))
        elif out.content_type[0] == 0 and same(name, b"content-type", 12):
            media_type(value, out.content_type, sizeof(out.content_type))
        elif same(name, b"soapaction", 10):
            out.soap = 1
        elif same(name, b"upgrade", 7):             # RFC 6455, 4.1
            out.websocket = same(value, b"websocket", 9)
        elif same(name, b"authorization", 13) or same(name, b"proxy-authorization", 19):
            out.credentials |= shows_secret(value.p, value.n)
    out.unfinished = not ended and n < HEADER_MAX
    out.ends = <uint32_t>(c.p - data) if ended else 0
    return YES if ended or out.host_len or n >= HEADER_MAX else MORE


cdef Answer http_response(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil:
    """The contiguous start of what a server sends.  `out` must be cleared.

    YES once the content type is known or the header has ended.  From HEADER_MAX bytes on the answer is final.
    """
    cdef Cursor c = over(data, n if n < HEADER_MAX else HEADER_MAX)
    cdef Span line, name, value, version
    cdef uint32_t length = BODY_MIN
    cdef bint ended = False
    cdef bint chunked = False
    cdef bint begun
    cdef uint32_t begin = 5 if n > 5 else n
    if n and memcmp(data, <const char *>b"HTTP/", begin) != 0:
        return NO
    if n < 13:
        return MORE
    version.p = data
    version.n = 8
    if not is_version(version) or data[8] != 32 or not (digit(data[9]) and digit(data[10]) and digit(data[11])):
        return NO
    if not blank(data[12]):
        return NO
    out.status = (data[9] - 48) * 100 + (data[10] - 48) * 10 + data[11] - 48
    if not next_line(&c, &line, False):
        return YES if n >= HEADER_MAX else MORE
    while next_field(&c, &name, &value, &ended):
        if out.content_type[0] == 0 and same(name, b"content-type", 12):
            media_type(value, out.content_type, sizeof(out.content_type))
        elif out.server[0] == 0 and same(name, b"server", 6):
            put_text(value.p, value.n, out.server, sizeof(out.server))
        elif same(name, b"content-length", 14):
            length = few(value)
        elif same(name, b"transfer-encoding", 17):
            chunked = same(value, b"chunked", 7)
        elif same(name, b"content-disposition", 19):
            out.program |= names_program(value.p, value.n)
        elif same(name, b"www-authenticate", 16) or same(name, b"proxy-authenticate", 18):
            out.asks |= asks_basic(value.p, value.n)
    out.ends = <uint32_t>(c.p - data) if ended else 0
    if out.status == 200 or out.status == 206:
        out.program |= program_type(out.content_type)
        begun = ended and (not chunked or next_line(&c, &line, False))      # RFC 9112, 7.1: a chunk's size
        if begun and not out.program:
            out.program = program_bytes(c.p, <uint32_t>left(&c))
        out.awaited = not out.program and length >= BODY_MIN and not (
            begun and left(&c) >= program_needs(c.p, <uint32_t>left(&c)))
    else:
        out.program = 0
    if out.status == 401 or out.status == 407:
        out.awaited = not ended
    else:
        out.asks = 0
    return YES if ended or out.content_type[0] or n >= HEADER_MAX else MORE


cdef uint32_t few(Span digits) noexcept nogil:
    """A length as far as it is below BODY_MIN; BODY_MIN for all others, and for what is none."""
    return digits.p[0] - 48 if digits.n == 1 and 48 <= digits.p[0] < 48 + BODY_MIN else <uint32_t>BODY_MIN


cdef bint http_begun(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether the start of a request, whatever is missing, is no other protocol's: a method and a path, or a whole line.

    Others ask for URIs of their own (`OPTIONS sip:…`) and say so at the line's end.
    """
    cdef uint32_t length
    while n and (data[0] == CR or data[0] == LF):
        data += 1
        n -= 1
    if n >= PREFACE_LEN and memcmp(data, PREFACE, PREFACE_LEN) == 0:
        return True
    if n == 0 or method(data, n, &length) != YES or n < length + 2:
        return False
    return data[length + 1] == c"/" or memchr(data, LF, n) != NULL


def request(data: bytes) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a client's stream."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = http_request(block, len(data), &out)
    free(block)
    return answer_name(answer), found_dict(&out)


def response(data: bytes) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a server's stream."""
    cdef ServerFound out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = http_response(block, len(data), &out)
    free(block)
    return answer_name(answer), server_dict(&out)
