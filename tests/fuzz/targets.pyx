"""What is fuzzed, and what must hold of it beside that no byte outside is touched.

A target takes bytes and aborts where a promise of the C face was broken:

* what was found is as found.pyx says;
* an answer but MORE is final: the same start with more behind it gets the same answer;
* memory lent out of a pool comes back.

The first byte of most inputs says where the start ends that is shown first, in 256ths.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strcmp, strlen

from dpi.capture.nfnetlink cimport MESSAGE_END, MESSAGE_MALFORMED, MESSAGE_PACKET, Message, next_message
from dpi.capture.pcapfile cimport CaptureReader, Record, capture_close, capture_open, next_record
from dpi.decide.shard cimport Shard
from dpi.dissect.answer cimport MORE, NO, YES, Answer, Certificate, Found, ServerFound
from dpi.dissect.certificate cimport certificate
from dpi.dissect.declared cimport declared_find
from dpi.dissect.dns cimport DNS_ADDRESSES_MAX, DnsMessage, dns_message, dns_stream
from dpi.dissect.dtls cimport dtls_client_hello
from dpi.dissect.http cimport http_request, http_response
from dpi.dissect.http2 cimport http2_request
from dpi.dissect.probes.index cimport probe
from dpi.dissect.probes.sight cimport Sight
from dpi.dissect.quic cimport QuicState, quic_datagram, quic_looks, quic_state_free, quic_state_init
from dpi.dissect.quic_crypto cimport QuicCrypto, quic_crypto_new
from dpi.dissect.tls cimport tls_client_hello, tls_handshake, tls_records, tls_server_hello
from dpi.flow.stream cimport (
    Pool,
    Stream,
    pool_init,
    stream_bytes,
    stream_free,
    stream_init,
    stream_put,
    stream_ready,
)
from dpi.fuzz.engine cimport engine, frame
from dpi.fuzz.equipped cimport DECLARED, MODE_FIRST, MODE_RISKS, equipped, finish
from dpi.fuzz.flows cimport flows
from dpi.fuzz.found cimport check_certificate, check_found, check_server
from dpi.fuzz.promise cimport check
from dpi.fuzz.small cimport (
    fuzz_dns_names,
    fuzz_gquic,
    fuzz_hpack,
    fuzz_login,
    fuzz_noise,
    fuzz_over_http,
    fuzz_over_tls,
    fuzz_program,
    fuzz_shown,
    fuzz_tor,
)
from dpi.wire.cursor cimport Cursor, left, over, slice, take, u8, u16, u32
from dpi.wire.decode cimport decode, decode_ip
from dpi.wire.fragments cimport FragmentTable, fragments_add, fragments_free, fragments_new
from dpi.wire.packet cimport FRAGMENT_NONE, IP_TCP, IP_UDP, Packet
from dpi.wire.view cimport Faults


cdef extern from "<sys/mman.h>" nogil:
    int memfd_create(const char *name, unsigned int flags)


cdef extern from "<unistd.h>" nogil:
    int ftruncate(int fd, int64_t length)
    int64_t pwrite(int fd, const void *data, size_t n, int64_t at)
    int64_t lseek(int fd, int64_t offset, int whence)


ctypedef Answer (*ClientFn)(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
ctypedef Answer (*ServerFn)(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil


# Blocks of exactly the data's size: the sanitizer sees a byte too many.

cdef uint8_t *exact(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef uint8_t *block = <uint8_t *>malloc(n)
    check(block != NULL or n == 0)
    if n:
        memcpy(block, data, n)
    return block


cdef uint32_t cut(const uint8_t **data, uint32_t *n) noexcept nogil:
    """Takes the first byte off, and gives where it says that the start ends."""
    cdef uint32_t where
    if n[0] == 0:
        return 0
    where = data[0][0]
    data[0] += 1
    n[0] -= 1
    return n[0] * where // 255


# Dissectors of streams

cdef Answer client_answer(ClientFn f, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    cdef uint8_t *block = exact(data, n)
    cdef Answer answer
    memset(out, 0, sizeof(Found))
    answer = f(block, n, out)
    free(block)
    check_found(out)
    return answer


cdef void client_stream(ClientFn f, const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found first, all
    cdef uint32_t start = cut(&data, &n)
    cdef Answer early = client_answer(f, data, start, &first)
    cdef Answer late = client_answer(f, data, n, &all)
    check(early == MORE or early == late)
    check(first.host_len == 0 or early != YES or strcmp(first.host, all.host) == 0)


cdef Answer server_answer(ServerFn f, const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil:
    cdef uint8_t *block = exact(data, n)
    cdef Answer answer
    memset(out, 0, sizeof(ServerFound))
    answer = f(block, n, out)
    free(block)
    check_server(out)
    return answer


cdef void server_stream(ServerFn f, const uint8_t *data, uint32_t n) noexcept nogil:
    cdef ServerFound first, all
    cdef uint32_t start = cut(&data, &n)
    cdef Answer early = server_answer(f, data, start, &first)
    cdef Answer late = server_answer(f, data, n, &all)
    check(early == MORE or early == late)


cdef void fuzz_tls_client(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(tls_client_hello, data, n)


cdef Answer bare_tcp(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    return tls_handshake(data, n, out, False)


cdef Answer bare_quic(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    return tls_handshake(data, n, out, True)


cdef void fuzz_tls_handshake(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(bare_quic if n & 1 else bare_tcp, data, n)


cdef void fuzz_tls_server(const uint8_t *data, uint32_t n) noexcept nogil:
    server_stream(tls_server_hello, data, n)


cdef void fuzz_tls_records(const uint8_t *data, uint32_t n) noexcept nogil:
    tls_records(data, n)


cdef void fuzz_http_request(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(http_request, data, n)


cdef void fuzz_http2(const uint8_t *data, uint32_t n) noexcept nogil:
    client_stream(http2_request, data, n)


cdef void fuzz_http_response(const uint8_t *data, uint32_t n) noexcept nogil:
    server_stream(http_response, data, n)


# … of messages

cdef void fuzz_dtls(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Found out
    client_answer(dtls_client_hello, data, n, &out)


cdef void fuzz_certificate(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Certificate out
    memset(&out, 0, sizeof(out))
    certificate(data, n, &out)
    check_certificate(&out)


cdef void check_dns(const DnsMessage *m) noexcept nogil:
    check(m.n_addresses <= DNS_ADDRESSES_MAX)
    check(m.qname_len < sizeof(m.qname) and strlen(m.qname) == m.qname_len)
    check(m.cname_len < sizeof(m.cname) and strlen(m.cname) == m.cname_len)


cdef void fuzz_dns(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef DnsMessage out
    cdef uint32_t start = cut(&data, &n)
    cdef uint8_t *block = exact(data, start)
    memset(&out, 0, sizeof(out))
    if dns_message(data, n, &out) == YES:
        check_dns(&out)
    memset(&out, 0, sizeof(out))
    if dns_stream(block, start, &out) == YES:
        check_dns(&out)
    free(block)


# QUIC: a flow's datagrams, each behind a byte (bit 0: from the opener) and two bytes of length

cdef QuicCrypto *CRYPTO = quic_crypto_new()


cdef void fuzz_quic(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Cursor datagram
    cdef QuicState state
    cdef Found out
    cdef Pool pool
    cdef uint8_t control
    cdef uint8_t *block
    cdef uint16_t length
    pool_init(&pool, 40000, 0)
    quic_state_init(&state, &pool)
    while left(&c) > 3:
        control = u8(&c)
        length = u16(&c)
        if length > left(&c):
            length = <uint16_t>left(&c)
        datagram = slice(&c, length)
        block = exact(datagram.p, length)
        memset(&out, 0, sizeof(out))
        quic_looks(block, length)
        quic_datagram(&state, CRYPTO, block, length, control & 1, &out)
        check_found(&out)
        check(pool.used <= pool.budget)
        free(block)
    quic_state_free(&state)
    check(pool.used == 0)


# Reassembly against a plain model: pieces, each behind four bytes of offset and one of length

cdef enum:
    CAP = 512


cdef void fuzz_stream(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef const uint8_t *piece
    cdef uint8_t model[CAP]
    cdef uint8_t known[CAP]
    cdef int64_t at
    cdef uint32_t offset, length, i
    cdef Stream stream
    cdef Pool pool
    memset(known, 0, sizeof(known))
    pool_init(&pool, 2000 if n & 1 else 0xffff, CAP)
    stream_init(&stream, &pool)
    while left(&c) > 5:
        offset = u32(&c)
        length = u8(&c)
        if length > left(&c):
            length = <uint32_t>left(&c)
        piece = take(&c, length)
        if stream_put(&stream, offset, piece, length):
            for i in range(length):
                at = <int64_t><int>offset + i
                if 0 <= at < CAP and not known[at]:
                    known[at] = 1
                    model[at] = piece[i]
        check(pool.used <= pool.budget)
        i = 0
        while i < CAP and known[i]:
            check(i < stream_ready(&stream) and stream_bytes(&stream)[i] == model[i])
            i += 1
        check(i == stream_ready(&stream))
    stream_free(&stream)
    check(pool.used == 0)


# Packets

cdef extern from *:
    """
    static const uint32_t FUZZ_LINKS[] = {1, 0, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 192, 228, 229, 276,
                                          99999};
    """
    const uint32_t LINKS "FUZZ_LINKS"[18]


cdef enum:
    LINK_TYPES = 18


cdef void check_packet(const Packet *p, const uint8_t *data, uint32_t n) noexcept nogil:
    check(p.n == 0 or (p.payload >= data and p.payload + p.n <= data + n))
    check(p.n <= p.payload_len)
    check(p.ip_n == 0 or (p.ip >= data and p.ip + p.ip_n <= data + n))


cdef void fuzz_decode(const uint8_t *data, uint32_t n) noexcept nogil:
    """The first byte is the link type's place in LINKS, the second how much longer the packet was on the wire."""
    cdef Packet p
    cdef Faults faults
    cdef uint32_t wire
    if n < 2:
        return
    wire = n - 2 + data[1] * 4
    memset(&p, 0, sizeof(p))
    memset(&faults, 0, sizeof(faults))
    if decode(data + 2, n - 2, wire, LINKS[data[0] % LINK_TYPES], &p, &faults):
        check_packet(&p, data + 2, n - 2)
    memset(&p, 0, sizeof(p))
    if decode_ip(data + 2, n - 2, wire, &p, NULL):
        check_packet(&p, data + 2, n - 2)


cdef void fuzz_fragments(const uint8_t *data, uint32_t n) noexcept nogil:
    """IP packets, each behind a byte (how long after the one before) and two of length, put together in a small table."""
    cdef Cursor c = over(data, n)
    cdef FragmentTable *table = fragments_new(3, 100000, 1 << 20)
    cdef int64_t time = 0
    cdef uint8_t *block
    cdef uint16_t length
    cdef Packet p, whole
    check(table != NULL)
    while left(&c) > 3:
        time += <int64_t>1 << (u8(&c) & 31)
        length = u16(&c)
        if length > left(&c):
            length = <uint16_t>left(&c)
        block = exact(take(&c, length), length)
        p.fragment = FRAGMENT_NONE
        decode_ip(block, length, length, &p, NULL)
        if p.fragment != FRAGMENT_NONE:
            p.time = time
            if fragments_add(table, &p, &whole, NULL):
                check(whole.n <= whole.payload_len)
                free(exact(whole.payload, whole.n))         # all of it can be read
        free(block)
    fragments_free(table)


cdef int FILE = memfd_create("capture", 0)


cdef bint open_file(const uint8_t *data, uint32_t n, CaptureReader *reader) noexcept nogil:
    check(ftruncate(FILE, 0) == 0 and pwrite(FILE, data, n, 0) == n and lseek(FILE, 0, 0) == 0)
    memset(reader, 0, sizeof(CaptureReader))
    return capture_open(reader, FILE)


cdef void fuzz_pcapfile(const uint8_t *data, uint32_t n) noexcept nogil:
    """A capture file, and its packets through the decoder."""
    cdef CaptureReader reader
    cdef Record record
    cdef Packet p
    cdef uint8_t *block
    cdef uint32_t records = 0
    if open_file(data, n, &reader):
        while next_record(&reader, &record):
            records += 1
            check(records <= n)
            check(record.caplen <= n)
            block = exact(record.data, record.caplen)
            memset(&p, 0, sizeof(p))
            if decode(block, record.caplen, record.wirelen, record.linktype, &p, NULL):
                check_packet(&p, block, record.caplen)
            free(block)
    capture_close(&reader)


cdef void fuzz_capture(const uint8_t *data, uint32_t n) noexcept nogil:
    """A capture file, and its packets through the whole engine at any times."""
    cdef CaptureReader reader
    cdef Record record
    cdef Shard *s = equipped(MODE_RISKS | MODE_FIRST)
    if open_file(data, n, &reader):
        while next_record(&reader, &record):
            frame(s, record.data, record.caplen, record.wirelen, record.linktype, record.time, 0, False)
    capture_close(&reader)
    finish(s)


# A side's first bytes, or a datagram.  The head: ports, the transport and who sends, payloads before, the words kept
# for both sides.

cdef enum:
    SIGHT_HEAD = 14


cdef void sight_of(const uint8_t *data, uint32_t n, uint32_t *words, Sight *sight) noexcept nogil:
    memset(sight, 0, sizeof(Sight))
    memcpy(words, data + 6, 8)
    sight.mine = words if data[4] & 1 else NULL
    sight.theirs = words + 1 if data[4] & 1 else NULL
    sight.sport = <uint16_t>data[0] << 8 | data[1]
    sight.dport = <uint16_t>data[2] << 8 | data[3]
    sight.proto = IP_UDP if data[4] & 1 else IP_TCP
    sight.from_opener = data[4] >> 1 & 1
    sight.turn = data[5]
    sight.data = data + SIGHT_HEAD
    sight.n = n - SIGHT_HEAD
    sight.wire = sight.n + (data[4] >> 2) if data[4] & 1 else sight.n


cdef void fuzz_probes(const uint8_t *data, uint32_t n) noexcept nogil:
    """All probes."""
    cdef Sight sight
    cdef Found out
    cdef Answer answer = NO
    cdef uint32_t[2] words
    if n < SIGHT_HEAD:
        return
    sight_of(data, n, words, &sight)
    memset(&out, 0, sizeof(out))
    if probe(&sight, &out, &answer):
        check_found(&out)


cdef void fuzz_declared(const uint8_t *data, uint32_t n) noexcept nogil:
    """The signatures of equipped.pyx; the second word is which of them the other side has shown its half of."""
    cdef Sight sight
    cdef Found out
    cdef Answer answer = NO
    cdef uint32_t[2] words
    cdef uint32_t half = 0
    if n < SIGHT_HEAD:
        return
    sight_of(data, n, words, &sight)
    memset(&out, 0, sizeof(out))
    if declared_find(&DECLARED.table, &sight, words[1], &half, &out, &answer) != NULL:
        check(answer == YES)
        check_found(&out)
    else:
        check(answer != YES)
    if half:                                # the other side may now show the other half
        declared_find(&DECLARED.table, &sight, half, &half, &out, &answer)


cdef void fuzz_nfnetlink(const uint8_t *data, uint32_t n) noexcept nogil:
    cdef Cursor c = over(data, n)
    cdef Message m
    cdef const uint8_t *before
    while True:
        before = c.p
        memset(&m, 0, sizeof(m))
        next_message(&c, &m)
        if m.kind == MESSAGE_END or m.kind == MESSAGE_MALFORMED:
            return
        check(c.p == NULL or c.p > before)      # it gets on
        if m.kind == MESSAGE_PACKET and m.packet.n:
            check(m.packet.payload >= data and m.packet.payload + m.packet.n <= data + n)


cdef struct Row:
    const char *name
    Target target


cdef Row ROWS[64]
cdef int N_ROWS = 0
NAMES = []                  # of all targets


cdef void row(const char *name, Target target):
    global N_ROWS
    ROWS[N_ROWS].name = name
    ROWS[N_ROWS].target = target
    N_ROWS += 1
    NAMES.append(name.decode())


row("decode", fuzz_decode)
row("fragments", fuzz_fragments)
row("pcapfile", fuzz_pcapfile)
row("nfnetlink", fuzz_nfnetlink)
row("stream", fuzz_stream)
row("dns", fuzz_dns)
row("tls_client", fuzz_tls_client)
row("tls_handshake", fuzz_tls_handshake)
row("tls_server", fuzz_tls_server)
row("tls_records", fuzz_tls_records)
row("dtls", fuzz_dtls)
row("certificate", fuzz_certificate)
row("http_request", fuzz_http_request)
row("http_response", fuzz_http_response)
row("quic", fuzz_quic)
row("probes", fuzz_probes)
row("declared", fuzz_declared)
row("http2", fuzz_http2)
row("hpack", fuzz_hpack)
row("gquic", fuzz_gquic)
row("dns_names", fuzz_dns_names)
row("login", fuzz_login)
row("shown", fuzz_shown)
row("over_tls", fuzz_over_tls)
row("over_http", fuzz_over_http)
row("program", fuzz_program)
row("noise", fuzz_noise)
row("tor", fuzz_tor)
row("flows", flows)
row("engine", engine)
row("capture", fuzz_capture)


cdef Target find(const char *name) noexcept nogil:
    """The target of this name, NULL where there is none."""
    cdef int i
    for i in range(N_ROWS):
        if strcmp(ROWS[i].name, name) == 0:
            return ROWS[i].target
    return NULL
