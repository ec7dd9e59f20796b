"""What is before the dissectors: the decoder, fragments, capture files, the queue's messages, a stream's reassembly."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.capture.nfnetlink cimport MESSAGE_END, MESSAGE_MALFORMED, MESSAGE_PACKET, Message, next_message
from dpi.capture.pcapfile cimport capture_open, next_record
from dpi.capture.reader cimport CaptureReader, Record, reader_close
from dpi.decide.shard cimport Shard
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
from dpi.fuzz.engine cimport frame
from dpi.fuzz.equipped cimport MODE_FIRST, MODE_RISKS, equipped, finish
from dpi.fuzz.input cimport exact
from dpi.fuzz.promise cimport check
from dpi.wire.cursor cimport Cursor, left, over, take, u8, u16, u32
from dpi.wire.decode cimport decode, decode_ip
from dpi.wire.fragments cimport FragmentTable, fragments_add, fragments_free, fragments_new
from dpi.wire.packet cimport FRAGMENT_NONE, Packet
from dpi.wire.view cimport Faults


cdef extern from "<sys/mman.h>" nogil:
    int memfd_create(const char *name, unsigned int flags)


cdef extern from "<unistd.h>" nogil:
    int ftruncate(int fd, int64_t length)
    int64_t pwrite(int fd, const void *data, size_t n, int64_t at)
    int64_t lseek(int fd, int64_t offset, int whence)


cdef extern from *:
    """
    static const uint32_t FUZZ_LINKS[] = {1, 0, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 192, 228, 229, 276,
                                          99999, 107, 117, 204, 205, 206, 239, 258};
    """
    const uint32_t LINKS "FUZZ_LINKS"[25]


cdef enum:
    LINK_TYPES = 25


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
    reader_close(&reader)


cdef void fuzz_capture(const uint8_t *data, uint32_t n) noexcept nogil:
    """A capture file, and its packets through the whole engine at any times."""
    cdef CaptureReader reader
    cdef Record record
    cdef Shard *s = equipped(MODE_RISKS | MODE_FIRST)
    if open_file(data, n, &reader):
        while next_record(&reader, &record):
            frame(s, record.data, record.caplen, record.wirelen, record.linktype, record.time, 0, False)
    reader_close(&reader)
    finish(s)


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
