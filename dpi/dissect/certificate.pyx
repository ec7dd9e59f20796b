"""What a certificate says of the server that shows it: its names, its issuer and when it is good.

Up to TLS 1.2 the server's certificate crosses the wire in clear, and its names tell the app where the client sent
no server name.  This walks the DER (ITU-T X.690) of the one structure that RFC 5280, 4.1 draws, downwards only: each
element is read once, within the element that holds it, so the work is bounded by the bytes.  Nothing is verified:
whoever answers may show any certificate, so what is read here is a hint, and is labelled as one.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset, strchr, strlen

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Certificate
from dpi.dissect.answer cimport answer_name, certificate_dict
from dpi.dissect.text cimport host_name, lower, put_text
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, slice, take, u8, u16, u24


cdef enum:
    INTEGER = 0x02
    OBJECT_IDENTIFIER = 0x06
    SEQUENCE = 0x30
    SET = 0x31
    UTC_TIME = 0x17
    GENERALIZED_TIME = 0x18
    BMP_STRING = 0x1e
    VERSION = 0xa0          # [0] EXPLICIT
    EXTENSIONS = 0xa3       # [3] EXPLICIT
    DNS_NAME = 0x82         # GeneralName [2] IA5String


cdef Cursor element(Cursor *c, uint8_t *tag) noexcept nogil:
    """The content of the next element and its tag.  Dead where it is not DER or not all there."""
    cdef uint32_t n
    cdef uint8_t first
    tag[0] = u8(c)
    first = u8(c)
    if first < 0x80:
        n = first
    elif first == 0x81:
        n = u8(c)
    elif first == 0x82:
        n = u16(c)
    elif first == 0x83:
        n = u24(c)
    else:
        c.p = NULL          # indefinite, or larger than any certificate
        n = 0
    if tag[0] & 0x1f == 0x1f:
        c.p = NULL          # a tag of several bytes
    return slice(c, n)


cdef Cursor expect(Cursor *c, uint8_t wanted) noexcept nogil:
    """The content of the next element, which is of this kind; dead otherwise."""
    cdef uint8_t tag
    cdef Cursor content = element(c, &tag)
    if tag != wanted:
        c.p = NULL
        content.p = NULL
    return content


cdef bint is_oid(const Cursor *oid, const char *wanted, uint32_t n) noexcept nogil:
    return alive(oid) and left(oid) == n and memcmp(oid.p, wanted, n) == 0


cdef void put_string(Cursor *value, uint8_t tag, char *out, uint32_t size) noexcept nogil:
    """A DirectoryString as text; of BMPString (UCS-2) the characters below 256, "?" for others."""
    cdef uint32_t i = 0
    cdef uint16_t c
    if tag != BMP_STRING:
        put_text(value.p, <uint32_t>left(value), out, size)
        return
    while left(value) >= 2 and i < size - 1:
        c = u16(value)
        out[i] = c if 32 <= c < 127 else 63
        i += 1
    out[i] = 0


cdef void name(Cursor c, char *common, uint32_t common_size, char *organisation, uint32_t size) noexcept nogil:
    """Reads a Name (RFC 5280, 4.1.2.4): the first common name and the first organisation."""
    cdef Cursor rdn, attribute, oid, value
    cdef uint8_t tag
    while left(&c) > 0:
        rdn = expect(&c, SET)
        while left(&rdn) > 0:
            attribute = expect(&rdn, SEQUENCE)
            oid = expect(&attribute, OBJECT_IDENTIFIER)
            value = element(&attribute, &tag)
            if not alive(&value):
                return
            if common[0] == 0 and is_oid(&oid, b"\x55\x04\x03", 3):
                put_string(&value, tag, common, common_size)
            elif organisation[0] == 0 and is_oid(&oid, b"\x55\x04\x0a", 3):
                put_string(&value, tag, organisation, size)


cdef int two(Cursor *c) noexcept nogil:
    """Two digits; what is none makes the cursor dead."""
    cdef uint8_t a = u8(c)
    cdef uint8_t b = u8(c)
    if not (48 <= a <= 57 and 48 <= b <= 57):
        c.p = NULL
        return 0
    return (a - 48) * 10 + b - 48


cdef int64_t time(Cursor *c) noexcept nogil:
    """A Time (RFC 5280, 4.1.2.5) in s since 1970; 0 where it is none."""
    cdef uint8_t tag
    cdef Cursor t = element(c, &tag)
    cdef int64_t year, month, day, hour, minute, second
    if tag == UTC_TIME:
        year = two(&t)
        year += 2000 if year < 50 else 1900
    elif tag == GENERALIZED_TIME:
        year = two(&t) * 100
        year += two(&t)
    else:
        return 0
    month = two(&t)
    day = two(&t)
    hour = two(&t)
    minute = two(&t)
    second = two(&t)
    if not alive(&t) or not 1 <= month <= 12:
        return 0
    # days since 0000-03-01 in the Gregorian calendar; years begin in March so that the leap day is the last
    if month < 3:
        year -= 1
        month += 12
    day += year * 365 + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 - 1
    return ((day - 719468) * 24 + hour) * 3600 + minute * 60 + second


cdef bint is_name_of(const uint8_t *name, uint32_t n, const char *host) noexcept nogil:
    """Whether a certificate's name is the host's: RFC 9525, 6.3.  "*" stands for the first label alone."""
    cdef uint32_t i
    if n > 2 and name[0] == 42 and name[1] == 46:
        host = strchr(host, 46)
        if host == NULL:
            return False
        name += 1
        n -= 1
    if n and name[n - 1] == 46:
        n -= 1
    for i in range(n):
        if host[i] == 0 or lower(name[i]) != <uint8_t>host[i]:
            return False
    return n > 0 and host[n] == 0


cdef void add_name(Cursor *value, Certificate *out, uint32_t *at) noexcept nogil:
    """Adds a dNSName to the names, at this place in them, where it is a host name or "*." and one, and there is room."""
    cdef char host[256]
    cdef uint32_t wildcard = 0
    cdef uint32_t n
    if left(value) > 2 and value.p[0] == 42 and value.p[1] == 46:
        wildcard = 2
    n = host_name(value.p + wildcard, <uint32_t>left(value) - wildcard, host)
    if n == 0 or wildcard + n >= sizeof(host) or at[0] + wildcard + n + 1 > sizeof(out.names):
        return
    if wildcard:
        out.names[at[0]] = 42
        out.names[at[0] + 1] = 46
    put_text(<const uint8_t *>host, n, out.names + at[0] + wildcard, n + 1)
    at[0] += wildcard + n + 1
    out.n_names += 1


cdef bint alternative_names(Cursor *value, Certificate *out) noexcept nogil:
    """Reads a SubjectAltName (RFC 5280, 4.2.1.6).  Whether a dNSName is in it: then the subject is none."""
    cdef Cursor general = expect(value, SEQUENCE)
    cdef Cursor each
    cdef uint32_t at = 0
    cdef uint8_t tag
    cdef bint named = False
    while left(&general) > 0:
        each = element(&general, &tag)
        if tag != DNS_NAME or not alive(&each):
            continue
        named = True
        if out.asked != NULL and not out.covers:
            out.covers = is_name_of(each.p, <uint32_t>left(&each), out.asked)
        if not out.brief:
            add_name(&each, out, &at)
    return named


cdef Answer certificate(const uint8_t *der, uint32_t n, Certificate *out) noexcept nogil:
    """Reads a certificate's DER.  YES, NO where it is none, MORE where the n bytes end before it does.

    `out` must be zeroed but for what is given.  present is set, and what can be read stands in out, in all cases where
    the subject was read.
    """
    cdef Cursor c = over(der, n)
    cdef Cursor tbs, issuer, subject, validity, extensions, extension, oid, value
    cdef char organisation[64]
    cdef uint8_t tag
    cdef uint32_t length
    cdef bint whole
    cdef bint named = False
    # the outer two lengths may be larger than what is there
    tag = u8(&c)
    if n and tag != SEQUENCE:
        return NO
    tag = u8(&c)
    if alive(&c) and not 0x81 <= tag <= 0x83:
        return NO           # a public key and a signature are longer than 127 bytes
    length = u8(&c) if tag == 0x81 else u16(&c) if tag == 0x82 else u24(&c)
    if not alive(&c):
        return MORE
    whole = left(&c) >= length
    c = over(c.p, length if whole else left(&c))
    if whole:
        tbs = expect(&c, SEQUENCE)
    else:
        tag = u8(&c)
        if alive(&c) and tag != SEQUENCE:
            return NO
        tag = u8(&c)
        take(&c, 2 if tag == 0x82 else 1 if tag == 0x81 else 0)
        tbs = c
    if left(&tbs) > 0 and tbs.p[0] == VERSION:
        element(&tbs, &tag)
    expect(&tbs, INTEGER)
    expect(&tbs, SEQUENCE)  # signature
    issuer = expect(&tbs, SEQUENCE)
    validity = expect(&tbs, SEQUENCE)
    subject = expect(&tbs, SEQUENCE)
    if not alive(&subject):
        return NO if whole else MORE
    out.present = 1
    out.partial = not whole
    out.self_signed = left(&issuer) == left(&subject) and memcmp(issuer.p, subject.p, left(&issuer)) == 0
    out.not_before = time(&validity)
    out.not_after = time(&validity)
    if not out.brief:
        name(subject, out.common_name, sizeof(out.common_name), out.organisation, sizeof(out.organisation))
        organisation[0] = 0
        name(issuer, out.issuer, sizeof(out.issuer), organisation, sizeof(organisation))
        if organisation[0]:
            memcpy(out.issuer, organisation, sizeof(organisation))
    expect(&tbs, SEQUENCE)  # subjectPublicKeyInfo
    while left(&tbs) > 0:
        value = element(&tbs, &tag)
        if tag != EXTENSIONS:
            continue
        extensions = expect(&value, SEQUENCE)
        while left(&extensions) > 0:
            extension = expect(&extensions, SEQUENCE)
            oid = expect(&extension, OBJECT_IDENTIFIER)
            if is_oid(&oid, b"\x55\x1d\x11", 3):
                value = element(&extension, &tag)
                if tag == 0x01:     # critical
                    value = element(&extension, &tag)
                named |= alternative_names(&value, out)
    if out.asked != NULL and not named:     # RFC 6125, 6.4.4
        if out.brief:
            name(subject, out.common_name, sizeof(out.common_name), out.organisation, sizeof(out.organisation))
        out.covers = is_name_of(<const uint8_t *>out.common_name, <uint32_t>strlen(out.common_name), out.asked)
    return YES if whole else MORE


def read(data: bytes, asked: str | None = None, brief: bool = False) -> tuple:
    """("no" | "more" | "yes", fields) of a certificate's DER; asked: a host looked for in it; brief: without its texts."""
    cdef Certificate out
    cdef Answer answer
    cdef uint8_t *block = block_of(data)
    cdef bytes host = (asked or "").encode()
    memset(&out, 0, sizeof(out))
    out.asked = <const char *>host if asked is not None else NULL
    out.brief = brief
    answer = certificate(block, len(data), &out)
    free(block)
    return answer_name(answer), certificate_dict(&out)
