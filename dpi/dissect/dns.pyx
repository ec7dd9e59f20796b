"""DNS messages over UDP and TCP (RFC 1035, 2181, 9460): what was asked, and which addresses answer it.

Only addresses that belong to the question count: an answer may carry others, and whoever believed those could be
told anything.  They are found by following the aliases from the question's name, whatever order the records have.
A message is told from other payloads by its question, which must be there whole and sane.

A message's cost is bounded: compression pointers lead backwards and are followed a few times a name (else 64 KiB of
pointers would be walked for each of them), each record's name is read twice at the most, and so many records and
aliases are looked at.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, answer_name
from dpi.dissect.text cimport lower
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, take, u8, u16, u32


cdef enum:
    HEADER = 12
    NAME_MAX = 253          # as text: 255 bytes with its lengths and the root (RFC 1035, 2.3.4)
    RECORDS_MAX = 1024      # of the answer that are looked at; the stream that is looked at has no room for more
    FORM_RECORDS_MAX = 64   # … of any section, where their number is a part of what tells DNS
    ALIASES_MAX = 16        # that are followed
    JUMPS_MAX = 16          # a name; compressors need one, some two
    QUESTIONS_MAX = 32
    SVCB_IPV4HINT = 4       # RFC 9460, 14.3.2
    SVCB_ECH = 5
    SVCB_IPV6HINT = 6


cdef struct Name:
    char text[256]
    uint16_t n


cdef struct Record:
    Cursor owner            # its name, and what is behind
    uint16_t type
    uint16_t rclass
    uint32_t ttl            # seconds
    Cursor data


cdef struct Alias:
    Name owner
    Cursor target           # its name; dead once it was followed
    uint32_t ttl            # seconds


cdef void skip_name(Cursor *c) noexcept nogil:
    """The cursor goes behind the name (RFC 1035, 4.1.4), wherever its pointer leads."""
    cdef uint8_t length = u8(c)
    while 0 < length < 0x40:
        skip(c, length)
        length = u8(c)
    if length >= 0xC0:
        skip(c, 1)
    elif length:
        c.p = NULL


cdef bint read_name(const uint8_t *data, Cursor *c, Name *out) noexcept nogil:
    """A name at the cursor, which goes behind it (RFC 1035, 4.1.4); dead where it is none."""
    cdef Cursor at = c[0]
    cdef bint jumped = False
    cdef Py_ssize_t here = at.p - data if alive(&at) else 0
    cdef Py_ssize_t there
    cdef uint32_t n = 0
    cdef uint8_t length, byte
    cdef const uint8_t *label
    cdef int i
    cdef int jumps = 0
    out.n = 0
    out.text[0] = 0
    while True:
        length = u8(&at)
        if not alive(&at):
            c.p = NULL
            return False
        if length == 0:
            break
        if length & 0xC0 == 0xC0:
            there = (length & 0x3F) << 8 | u8(&at)
            jumps += 1
            if not alive(&at) or there < HEADER or there >= here or jumps > JUMPS_MAX:
                c.p = NULL
                return False
            if not jumped:
                c[0] = at
                jumped = True
            here = there
            at.p = data + there
            continue
        label = take(&at, length)
        if length & 0xC0 or label == NULL or n + (n != 0) + length > NAME_MAX:
            c.p = NULL
            return False
        if n:
            out.text[n] = b"."
            n += 1
        for i in range(length):
            byte = label[i]
            # What is no text must not look like another name: a dot inside a label, a control character.
            out.text[n] = lower(byte) if 0x21 <= byte <= 0x7E and byte != b"." else b"?"
            n += 1
    if not jumped:
        c[0] = at
    out.n = <uint16_t>n
    out.text[n] = 0
    return True


cdef inline bint same(const Name *a, const Name *b) noexcept nogil:
    return a.n == b.n and memcmp(a.text, b.text, a.n) == 0


cdef bint sane(const DnsMessage *m, uint16_t flags) noexcept nogil:
    """Whether a header is one that resolvers and servers send (RFC 1035, 4.1.1; RFC 6895, 2.2)."""
    if m.opcode == 3 or m.opcode > 6 or flags & 0x0040 or m.rcode > 11:
        return False
    if m.questions > QUESTIONS_MAX or max(m.answers, m.authorities, m.additionals) > RECORDS_MAX:
        return False
    if m.questions == 0:
        return m.response and m.answers + m.authorities > 0
    return m.response or m.rcode == 0


cdef bint half_ascii(const uint8_t *label, Py_ssize_t n) noexcept nogil:
    """Whether a label is a name of NetBIOS (RFC 1001, 14.1): 32 letters from A to P."""
    cdef int i
    if label[0] != 32 or n < 33:
        return False
    for i in range(1, 33):
        if not b"A" <= label[i] <= b"P":
            return False
    return True


cdef bint dns_by_form(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a header is so much DNS' that no port has to say it: one question with a name, flags as they are sent.

    Names whose first label is `2` are left to DNSCrypt and what descends from it: so they ask for certificates.
    NetBIOS' names (RFC 1002, 4.2.1) have the same header.
    """
    cdef Cursor c = over(data, n)
    cdef uint16_t flags, answers, authorities, additionals
    skip(&c, 2)
    flags = u16(&c)
    if u16(&c) != 1 or flags & 0x7840:              # RFC 1035, 4.1.1: a standard query; the bit that must be zero
        return False
    answers = u16(&c)
    authorities = u16(&c)
    additionals = u16(&c)
    if flags & 0x8000:
        if max(answers, authorities, additionals) > FORM_RECORDS_MAX or flags & 15 > 5:
            return False
    elif flags & 0x068F or answers or authorities or additionals > 2:       # EDNS (RFC 6891), a signature (RFC 8945)
        return False
    if left(&c) < 7 or not 1 <= c.p[0] <= 63:
        return False
    return memcmp(c.p, b"\x012", 2) != 0 and not half_ascii(c.p, left(&c))


cdef inline void cleared(DnsMessage *out) noexcept nogil:
    """All but the addresses, which are many and of which n_addresses says how many there are."""
    memset(out, 0, <char *>out.addresses - <char *>out)


cdef bint read_header(Cursor *c, DnsMessage *out) noexcept nogil:
    """RFC 1035, 4.1.1; False where it is not all there, or none that is sent."""
    cdef uint16_t flags
    cleared(out)
    out.id = u16(c)
    flags = u16(c)
    out.questions = u16(c)
    out.answers = u16(c)
    out.authorities = u16(c)
    out.additionals = u16(c)
    out.response = flags >> 15
    out.opcode = flags >> 11 & 15
    out.truncated = flags >> 9 & 1
    out.rcode = flags & 15
    return alive(c) and sane(out, flags)


cdef Answer dns_message(const uint8_t *data, uint32_t n, DnsMessage *out) noexcept nogil:
    """One message, as a UDP payload is.  YES or NO; where the payload was cut, what is there of its answer counts."""
    cdef Cursor c = over(data, n)
    cdef Name qname, other
    cdef uint16_t qtype, qclass
    cdef int i
    if not read_header(&c, out):
        return NO
    qname.n = 0
    if out.questions == 0 and not unasked(data, c, &qname):
        return NO
    for i in range(out.questions):
        if not read_name(data, &c, &qname if i == 0 else &other):
            return NO
        qtype = u16(&c)
        qclass = u16(&c) & 0x7FFF       # the top bit asks for a unicast answer (RFC 6762, 5.4)
        if not alive(&c) or qtype == 0 or qclass not in (1, 3, 4, 254, 255):
            return NO
        if i == 0:
            out.qtype = qtype
            out.qclass = qclass
    memcpy(out.qname, qname.text, qname.n)
    out.qname_len = qname.n
    if out.response and out.questions == 1 and out.rcode == 0:
        read_answers(data, c, &qname, out)
    return YES


cdef bint read_record(const uint8_t *data, Cursor *c, Record *out) noexcept nogil:
    """RFC 1035, 4.1.3."""
    out.owner = c[0]
    skip_name(c)
    out.type = u16(c)
    out.rclass = u16(c) & 0x7FFF        # the top bit flushes caches (RFC 6762, 10.2)
    out.ttl = u32(c)
    if out.ttl >> 31:                   # RFC 2181, 8
        out.ttl = 0
    out.data = slice(c, u16(c))
    return alive(c)


cdef bint unasked(const uint8_t *data, Cursor c, Name *name) noexcept nogil:
    """A message without a question, as multicast responders send (RFC 6762, 6), is about its first record's owner."""
    cdef Record record
    if not read_record(data, &c, &record) or record.type == 0 or record.rclass not in (1, 254, 255):
        return False
    return read_name(data, &record.owner, name)


cdef uint32_t read_aliases(const uint8_t *data, Cursor c, uint32_t n_records, Alias *aliases) noexcept nogil:
    """The first aliases of an answer section, ALIASES_MAX at the most: how many there are."""
    cdef Record record
    cdef uint32_t n = 0
    cdef uint32_t _i
    for _i in range(n_records):
        if n == ALIASES_MAX or not read_record(data, &c, &record):
            break
        if record.type == DNS_CNAME and record.rclass == 1 and read_name(data, &record.owner, &aliases[n].owner):
            aliases[n].target = record.data
            aliases[n].ttl = record.ttl
            n += 1
    return n


cdef void read_answers(const uint8_t *data, Cursor c, const Name *qname, DnsMessage *out) noexcept nogil:
    """Follows the question's name through the answer section, and collects the addresses at its end."""
    cdef Alias aliases[ALIASES_MAX]
    cdef Record record
    cdef Name current = qname[0]
    cdef Name owner
    cdef uint32_t n_records = min(<uint32_t>out.answers, <uint32_t>RECORDS_MAX)
    cdef uint32_t n = read_aliases(data, c, n_records, aliases)
    cdef uint32_t ttl = 0x7FFFFFFF
    cdef uint32_t i = 0
    cdef uint32_t _i
    while i < n:                        # from the start again after each alias: they come in any order
        if aliases[i].target.p != NULL and same(&aliases[i].owner, &current):
            if not read_name(data, &aliases[i].target, &current):
                return
            aliases[i].target.p = NULL  # … but each is followed once
            ttl = min(ttl, aliases[i].ttl)
            i = 0
        else:
            i += 1
    if not same(&current, qname):
        leads_to(out, &current, ttl)
    for _i in range(n_records):
        if not read_record(data, &c, &record):
            return
        if record.rclass == 1 and record.type in (DNS_A, DNS_AAAA, DNS_HTTPS, DNS_SVCB) and (
                read_name(data, &record.owner, &owner) and same(&owner, &current)):
            read_address(data, &record, min(ttl, record.ttl), out)


cdef inline void leads_to(DnsMessage *out, const Name *alias, uint32_t ttl) noexcept nogil:
    memcpy(out.cname, alias.text, alias.n)
    out.cname[alias.n] = 0              # it may take the place of a longer one
    out.cname_len = alias.n
    out.cname_ttl = ttl


cdef void read_address(const uint8_t *data, Record *r, uint32_t ttl, DnsMessage *out) noexcept nogil:
    if r.type == DNS_A and left(&r.data) == 4:
        add4(out, take(&r.data, 4), ttl)
    elif r.type == DNS_AAAA and left(&r.data) == 16:
        add6(out, take(&r.data, 16), ttl)
    elif r.type == DNS_HTTPS or r.type == DNS_SVCB:
        read_service(data, r, ttl, out)


cdef void read_service(const uint8_t *data, const Record *r, uint32_t ttl, DnsMessage *out) noexcept nogil:
    """Address hints and ECH keys of a service record, and the name whose addresses are asked for next (RFC 9460, 2.2).

    That goes for HTTPS.  What leads from the names of other services (RFC 9462) is not what is asked for there.
    """
    cdef Cursor c = r.data
    cdef Name target
    cdef Cursor value
    cdef uint16_t key
    skip(&c, 2)
    if not read_name(data, &c, &target):
        return
    if r.type == DNS_HTTPS and target.n and out.service == 0:
        out.service = 1
        if target.n != out.qname_len or memcmp(target.text, out.qname, target.n):
            leads_to(out, &target, ttl)
    while left(&c):
        key = u16(&c)
        value = slice(&c, u16(&c))
        if not alive(&c):
            return
        if key == SVCB_ECH:
            out.ech = 1
        while key == SVCB_IPV4HINT and left(&value) >= 4:
            add4(out, take(&value, 4), ttl)
        while key == SVCB_IPV6HINT and left(&value) >= 16:
            add6(out, take(&value, 16), ttl)


cdef void add4(DnsMessage *out, const uint8_t *address, uint32_t ttl) noexcept nogil:
    cdef uint8_t mapped[16]
    memset(mapped, 0, 10)
    mapped[10] = mapped[11] = 0xFF
    memcpy(mapped + 12, address, 4)
    add6(out, mapped, ttl)


cdef void add6(DnsMessage *out, const uint8_t *address, uint32_t ttl) noexcept nogil:
    if out.n_addresses < DNS_ADDRESSES_MAX:
        memcpy(out.addresses[out.n_addresses].address, address, 16)
        out.addresses[out.n_addresses].ttl = ttl
        out.n_addresses += 1


cdef Answer dns_stream(const uint8_t *data, uint32_t n, DnsMessage *out) noexcept nogil:
    """The first message of a TCP direction, behind its length (RFC 1035, 4.2.2); MORE until it is there whole."""
    cdef Cursor c = over(data, n)
    cdef uint32_t length = u16(&c)
    if n < 2:
        cleared(out)
        return MORE
    if length < HEADER:
        return NO
    if n - 2 >= length:
        return dns_message(data + 2, length, out)
    # The header decides at once that it is none; a question or an answer that is cut may yet come.
    return MORE if n - 2 < HEADER or read_header(&c, out) else NO


cdef tuple as_answer(Answer answer, const DnsMessage *m):
    if answer != YES:
        return answer_name(answer), None
    message = {
        "id": m.id,
        "response": bool(m.response),
        "opcode": m.opcode,
        "rcode": m.rcode,
        "truncated": bool(m.truncated),
        "ech": bool(m.ech),
        "questions": m.questions,
        "answers": m.answers,
        "authorities": m.authorities,
        "additionals": m.additionals,
        "qtype": m.qtype,
        "qclass": m.qclass,
        "qname": m.qname[:m.qname_len].decode("ascii"),
        "cname": m.cname[:m.cname_len].decode("ascii"),
        "addresses": [(m.addresses[i].address[:16], m.addresses[i].ttl) for i in range(<int>m.n_addresses)],
    }
    return answer_name(answer), message


def message(bytes data):
    """dns_message() on bytes: (answer, message or None)."""
    cdef DnsMessage m
    cdef uint8_t *block = block_of(data)
    try:
        answer = dns_message(block, <uint32_t>len(data), &m)
        return as_answer(answer, &m)
    finally:
        free(block)


def stream(bytes data):
    """dns_stream() on bytes: (answer, message or None)."""
    cdef DnsMessage m
    cdef uint8_t *block = block_of(data)
    try:
        answer = dns_stream(block, <uint32_t>len(data), &m)
        return as_answer(answer, &m)
    finally:
        free(block)
