"""Databases and what is asked like one."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, strlen

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, over, skip, u8


cdef enum:
    VERSION_END = 64        # bytes in which MySQL's version has ended


cdef Answer mysql(const Sight *s, Found *out) noexcept nogil:
    """Protocol::HandshakeV10: length, sequence 0, version 10, the server's version as text; or a refusal."""
    cdef uint32_t length = le32(s, 0)
    if s.from_opener or s.n < 9 or length >> 24 or not 10 <= length <= 400:
        return NO
    if s.data[4] == 0xFF:
        return yes(1040 <= le16(s, 5) <= 2100 and length + 4 == s.n and printable(s, 7, s.n - 7))
    if s.data[4] not in (9, 10) or not is_digit(s.data[5]) or not contains(s, b".", 1, 9):
        return NO
    if s.n < VERSION_END and memchr(s.data + 5, 0, s.n - 5) == NULL:
        return MORE                         # the version goes on
    set_agent(out, s.data + 5, s.n - 5)
    return YES


cdef Answer mysql_login(const Sight *s, Found *out) noexcept nogil:
    """Protocol::HandshakeResponse41 or SSLRequest: length, sequence 1, flags with PROTOCOL_41, then 19 zeros or more."""
    cdef uint32_t i
    if not s.from_opener or s.n < 36 or s.data[3] != 1 or le32(s, 0) & 0xFFFFFF != s.n - 4 or not s.data[5] & 2:
        return NO
    for i in range(13, 32):
        if s.data[i]:
            return NO
    return yes(s.n == 36 or is_print(s.data[36]) or s.data[36] == 0)


cdef Answer postgres(const Sight *s, Found *out) noexcept nogil:
    """PostgreSQL, 54.7: StartupMessage 3.0, SSLRequest, GSSENCRequest, CancelRequest."""
    cdef uint32_t length = be32(s, 0)
    cdef uint32_t code = be32(s, 4)
    if not s.from_opener or s.n < 8:
        return NO
    if length == 8 and code in (80877103, 80877104) or length == 16 and code == 80877102:
        return YES
    return yes(code in (0x00030000, 0x00020000) and length == s.n and s.n > 13)


cdef Answer postgres_server(const Sight *s, Found *out) noexcept nogil:
    """PostgreSQL, 55.7: the first answer is AuthenticationRequest, of the kinds that there are, or ErrorResponse."""
    cdef uint32_t length = be32(s, 1)
    cdef uint32_t kind = be32(s, 5)
    if s.from_opener or s.n < 9 or length + 1 > s.n:
        return NO
    if s.data[0] == c'E':
        return yes(has(s, 5, b"SERROR\0", 7) or has(s, 5, b"SFATAL\0", 7))
    if kind == 0:                                   # trusted: then come parameters, `S`
        return yes(length == 8 and byte_at(s, 9) == c'S')
    return yes(length == 8 and kind in (2, 3, 6, 7, 9) and s.n == 9 or length == 12 and kind == 5 and s.n == 13
               or kind == 10 and has(s, 9, b"SCRAM-", 6))


cdef Answer mongodb(const Sight *s, Found *out) noexcept nogil:
    """MongoDB's wire protocol: a little-endian header: length, ids, an opcode in use."""
    cdef uint32_t length = le32(s, 0)
    cdef uint32_t opcode = le32(s, 12)
    if s.n < 16 or not 21 <= length <= 48 << 20 or length < s.n and opcode != 2013 and not fills(s, length, 12, 4):
        return NO
    if opcode == 2013 or opcode == 2012 or 2001 <= opcode <= 2007:
        return yes(be32(s, 8) == 0 or to_or_from(s, 27017) or length <= s.n)
    return yes(opcode == 1 and length == s.n and be32(s, 8) and s.n >= 36 and le32(s, 32) <= 1000)


cdef Answer resp(const Sight *s, Found *out) noexcept nogil:
    """Redis serialization protocol: a command is an array of bulk strings."""
    cdef uint32_t i = 1
    while i < s.n and i < 6 and is_digit(s.data[i]):
        i += 1
    if i + 4 > s.n:
        return MORE
    return yes(i > 1 and has(s, i, b"\r\n$", 3) and is_digit(s.data[i + 3]))


cdef Answer resp_line(const Sight *s, Found *out) noexcept nogil:
    """On Redis' port a command as one line, or what answers: a status, an error, a bulk string."""
    if s.from_opener:
        return yes(says(s, b"ping\r\n", 6) or says(s, b"info", 4) or says(s, b"auth ", 5) or says(s, b"hello ", 6))
    return yes(has(s, 0, b"+OK\r\n", 5) or has(s, 0, b"+PONG\r\n", 7) or has(s, 0, b"-ERR ", 5)
               or has(s, 0, b"-NOAUTH ", 8) or has(s, 0, b"-DENIED ", 8)
               or s.data[0] == c'$' and is_digit(byte_at(s, 1)) and contains(s, b"\r\n", 2, 12))


cdef Answer cassandra(const Sight *s, Found *out) noexcept nogil:
    """CQL's native protocol, 2: version, flags, a stream, an opcode, the length; between nodes there is a magic.

    DataStax numbers the versions of its own servers from 0x41 on, and its drivers ask for these first.
    """
    cdef uint8_t version = byte_at(s, 0) & 0x7F
    cdef uint32_t at = 4 if version >= 3 else 3
    cdef uint8_t opcode = byte_at(s, at)
    cdef uint32_t n = be32(s, at + 1)
    if be32(s, 0) == 0xCA552DFAU:
        return YES
    if s.n < at + 5 or not (1 <= version <= 6 or 0x41 <= version <= 0x42) or s.data[1] & 0xE0 or opcode > 0x10:
        return NO
    if n > 1 << 28 or not fills(s, n + at + 5, 0, 2):
        return NO
    if s.data[0] & 0x80:
        return yes(not s.from_opener and opcode in (0, 2, 3, 6, 8) and (to_or_from(s, 9042) or opcode == 6))
    return yes(opcode == 5 and n == 0 and s.data[1] & 0x0F == 0 or opcode == 1 and contains(s, b"CQL_VERSION", 11, 64))


cdef bint tds_token(uint8_t token) noexcept nogil:
    """MS-TDS, 2.2.7: with what an answer can begin."""
    return token in (0x79, 0x81, 0xA9, 0xAA, 0xAB, 0xAC, 0xAD, 0xD1, 0xE3, 0xED, 0xFD, 0xFE, 0xFF)


cdef Answer tds(const Sight *s, Found *out) noexcept nogil:
    """MS-TDS, 2.2.3.1: type, status, length, process, packet, window 0; pre-login tells its options, or login."""
    cdef uint8_t kind = byte_at(s, 0)
    if s.n < 9 or s.data[1] & 0xE0 or s.data[7] or be16(s, 2) < 9:
        return NO
    if kind == 0x12:
        return yes(be16(s, 2) == s.n and s.data[8] <= 6 and be16(s, 9) <= s.n or to_or_from(s, 1433) and s.data[1] & 1 and fills(s, be16(s, 2), 0, 1))
    if kind == 0x10:
        return yes(be16(s, 2) >= 94 and 86 <= le32(s, 8) <= 1 << 17 and 0x70 <= byte_at(s, 15) <= 0x74
                   and (s.data[1] & 1 == 0 or le32(s, 8) + 8 >= be16(s, 2)))
    if kind == 0x04 and not s.from_opener:
        if be16(s, 2) == s.n and tds_token(s.data[8]):
            return YES
        return yes(be16(s, 2) == s.n and (be32(s, 8) >> 8 <= 0x40 and be16(s, 11) == 6 or to_or_from(s, 1433)))   # VERSION
    # What is asked later begins with its transaction (2.2.5.3: 22 bytes of headers, one of 18 bytes, of type 2).
    if kind in (1, 3, 14) and le32(s, 8) == 22 and le32(s, 12) == 18 and le16(s, 16) == 2:
        return YES
    # At its port: a message that ends with this packet (status 1) does so here; one that goes on fills its packets.
    if not to_or_from(s, 1433) or be16(s, 2) > 32768 or kind == 1 and not (is_print(s.data[8]) or 9 <= s.data[8] <= 13):
        return NO
    if kind == 3 and not (le16(s, 8) == 0xFFFF or 1 <= le16(s, 8) <= 128 and is_print(byte_at(s, 10)) and byte_at(s, 11) == 0):
        return NO                               # a procedure's number or name
    if s.data[1] & 1:
        return yes(kind in (1, 2, 3, 4, 6, 7, 14, 17) and (be16(s, 2) >= s.n or fills(s, be16(s, 2), 0, 1)))
    return yes(kind in (1, 2, 3, 4, 7) and be16(s, 2) >= 512)


cdef Answer oracle(const Sight *s, Found *out) noexcept nogil:
    """TNS: length, checksum 0, type, 0, checksum 0; a connect has a version and tells what it wants."""
    if s.n < 10 or be16(s, 2) or be16(s, 6) or s.data[5] & 0xF7:
        return NO
    if s.data[4] == 1:
        return yes(be16(s, 0) <= s.n + 512 and 300 <= be16(s, 8) <= 330 and 100 <= be16(s, 10) <= 330)
    if s.from_opener or be16(s, 0) != s.n:
        return NO
    return yes(s.data[4] == 2 and 300 <= be16(s, 8) <= 330 or s.data[4] == 11 and s.n <= 10 and to_or_from(s, 1521)
               or s.data[4] in (4, 5) and contains(s, b"(DESCRIPTION", 12, 64))


cdef Answer drda(const Sight *s, Found *out) noexcept nogil:
    """DRDA, DDM 2.5: length, 0xD0, format, correlation, the same length less 6, a command's or a reply's code point.

    Commands are 0x10xx (sessions) and 0x20xx (SQL), replies 0x12xx, 0x14xx, 0x22xx, data of either 0x24xx.
    """
    return yes(s.n >= 10 and s.data[2] == 0xD0 and be16(s, 0) == be16(s, 6) + 6 and be16(s, 0) >= 10
               and s.data[3] & 0x80 == 0 and 1 <= s.data[3] & 0x0F <= 5 and be16(s, 4)
               and s.data[8] in (0x10, 0x12, 0x14, 0x20, 0x22, 0x24))


cdef const char **MEMCACHED_WORDS = [      # protocol.txt: commands and answers
    b"get ", b"gets ", b"gat ", b"gats ", b"set ", b"add ", b"replace ", b"append ", b"prepend ", b"cas ", b"touch ",
    b"delete ", b"incr ", b"decr ", b"stats", b"version\r\n", b"verbosity ", b"flush_all", b"mg ", b"ms ", b"md ", b"ma ",
    b"mn\r\n", b"VALUE ", b"END\r\n", b"STORED\r\n", b"NOT_STORED\r\n", b"EXISTS\r\n", b"NOT_FOUND\r\n", b"DELETED\r\n",
    b"TOUCHED\r\n", b"STAT ", b"VERSION ", b"OK\r\n", b"ERROR\r\n", b"CLIENT_ERROR ", b"SERVER_ERROR ", NULL,
]


cdef bint memcached_frame(const Sight *s, Sight *inner) noexcept nogil:
    """What protocol.txt calls the frame header of UDP: 8 bytes, a request, which of how many datagrams, 0."""
    inner[0] = s[0]
    if s.proto != UDP:
        return True
    if s.n < 9 or be16(s, 6) or be16(s, 2) >= be16(s, 4):
        return False
    inner[0] = behind(s, 8)
    return True


cdef bint needs_key(const Sight *s) noexcept nogil:
    """Whether it asks for what has a key, and has none."""
    return s.data[0] == 0x80 and be16(s, 2) == 0 and byte_at(s, 1) < 7


cdef Answer memcached(const Sight *s, Found *out) noexcept nogil:
    """protocol.txt and BinaryProtocolRevamped: a command and a key, or a header of 24 bytes; UDP has 8 in front."""
    cdef Sight inner
    cdef const char **word = MEMCACHED_WORDS
    if not memcached_frame(s, &inner):
        return NO
    if needs_key(&inner):
        return NO
    if inner.data[0] == 0x80 or inner.data[0] == 0x81:
        return yes(inner.n >= 24 and inner.data[1] <= 0x48 and inner.data[5] == 0
                   and byte_at(&inner, 4) + be16(&inner, 2) <= be32(&inner, 8) and be32(&inner, 8) < 1 << 20)
    while word[0] != NULL:
        if has(&inner, 0, word[0], <uint32_t>strlen(word[0])):
            return YES
        word += 1
    return NO


cdef bint memcached_line(const Sight *s) noexcept nogil:
    """Lines that nothing else has: a key of at most 250 bytes, then so many numbers.  `get key` may be Redis, too."""
    cdef const char **word = [b"set ", b"add ", b"replace ", b"append ", b"prepend ", b"VALUE ", NULL]
    cdef uint32_t i, start
    cdef int numbers = 0
    if has(s, 0, b"STAT pid ", 9):
        return True
    while word[0] != NULL and not has(s, 0, word[0], <uint32_t>strlen(word[0])):
        word += 1
    if word[0] == NULL:
        return False
    i = start = <uint32_t>strlen(word[0])
    while i < s.n and i < start + 250 and is_print(s.data[i]) and s.data[i] != c' ':
        i += 1
    if i == start:
        return False
    while numbers < 3 and byte_at(s, i) == c' ' and is_digit(byte_at(s, i + 1)):
        i += 1
        while is_digit(byte_at(s, i)):
            i += 1
        numbers += 1
    return numbers == (2 if s.data[0] == c'V' else 3) and (has(s, i, b"\r\n", 2) or has(s, i, b" noreply\r\n", 10))


cdef Answer memcached_elsewhere(const Sight *s, Found *out) noexcept nogil:
    """On another port a whole line, or a header of exactly what is there: no type of data, a status or none.

    Over UDP the frame's header is evidence as well, where it is of a single datagram.
    """
    cdef Sight inner
    if not memcached_frame(s, &inner):
        return NO
    if s.proto == UDP and be16(s, 2) == 0 and be16(s, 4) == 1 and is_print(inner.data[0]):
        return memcached(s, out)
    if inner.data[0] != 0x80 and inner.data[0] != 0x81:
        return yes(memcached_line(&inner))
    if needs_key(&inner):
        return NO
    return yes(inner.n >= 24 and inner.data[1] <= 0x48 and inner.data[5] == 0 and be16(&inner, 6) <= 0x88
               and byte_at(&inner, 4) + be16(&inner, 2) <= be32(&inner, 8) and be32(&inner, 8) < 1 << 20
               and fills(&inner, be32(&inner, 8) + 24, 0, 1))


cdef Answer elasticsearch(const Sight *s, Found *out) noexcept nogil:
    """Elasticsearch's transport: `ES`, the length, a request's id, a status of a few bits, the version.

    A version is written in decimal, major, minor, revision and build; OpenSearch turns a bit of it.
    """
    return yes(s.n >= 19 and has(s, 0, b"ES", 2) and (be32(s, 2) + 6 <= s.n or be16(s, 2) == 0) and be32(s, 6) == 0
               and byte_at(s, 14) < 16 and 10000 <= be32(s, 15) & ~0x08000000U < 100000000)


cdef Answer z3950(const Sight *s, Found *out) noexcept nogil:
    """ISO 23950: an initialize request [20] or its response [21] in BER: reference id, version, options."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t tag, n
    skip(&c, 1)
    n = u8(&c)
    if n & 0x80:
        skip(&c, n & 0x7F)
    tag = u8(&c)
    if tag == 0x82:                             # reference id
        skip(&c, u8(&c))
        tag = u8(&c)
    n = u8(&c)
    if tag != 0x83 or not 1 <= n <= 3:
        return NO
    skip(&c, n)
    return yes(u8(&c) == 0x84 and u8(&c) <= 4 and alive(&c))


cdef Answer zookeeper(const Sight *s, Found *out) noexcept nogil:
    """ZooKeeper's ConnectRequest and its answer: a length, version 0, …, a password of 16 bytes, perhaps one more."""
    if be32(s, 0) + 4 != s.n or be32(s, 4):
        return NO
    return yes(48 <= s.n <= 49 and be32(s, 28) == 16 and 0 < be32(s, 16) < 1 << 24
               or 40 <= s.n <= 41 and be32(s, 20) == 16 and be32(s, 8) < 1 << 24)


cdef Answer zookeeper_word(const Sight *s, Found *out) noexcept nogil:
    """One of the words of four letters that ask a server how it is (ZooKeeper Administrator's Guide)."""
    return yes(4 <= s.n <= 6 and (
        has(s, 0, b"ruok", 4) or has(s, 0, b"stat", 4) or has(s, 0, b"mntr", 4) or has(s, 0, b"srvr", 4)
        or has(s, 0, b"conf", 4) or has(s, 0, b"envi", 4) or has(s, 0, b"isro", 4) or has(s, 0, b"cons", 4)))


cdef Answer neo4j(const Sight *s, Found *out) noexcept nogil:
    """Bolt's handshake: the magic, four versions."""
    return starts(s, b"\x60\x60\xb0\x17", 4)


cdef Answer clickhouse(const Sight *s, Found *out) noexcept nogil:
    """ClickHouse's native protocol, Hello of either side: 0, a length, a name that begins with the product's."""
    return yes(10 <= byte_at(s, 1) < 128 and (has(s, 2, b"ClickHouse", 10) or has(s, 2, b"clickhouse", 10)))


cdef Answer firebird(const Sight *s, Found *out) noexcept nogil:
    """Firebird's and InterBase's op_connect for op_attach, with the version of that message; how it is accepted, with the
    protocol's, which is Firebird's own from 11 on, and a machine's kind."""
    if s.n >= 16 and be32(s, 0) in (3, 94, 98):
        return yes((be32(s, 4) == 10 or 0xFFFF800BU <= be32(s, 4) < 0xFFFF8020U) and be32(s, 8) == 1 and be32(s, 12) & 0xFF <= 5)
    return yes(s.n >= 16 and be32(s, 0) == 1 and be32(s, 4) == 19 and 2 <= be32(s, 8) <= 3)


cdef Answer aerospike(const Sight *s, Found *out) noexcept nogil:
    """Aerospike's header: version 2, info, message or compressed, a length of 48 bits."""
    return yes(s.n >= 8 and s.data[1] in (1, 3, 4) and be16(s, 2) == 0 and be32(s, 4) <= 1 << 24
               and fills(s, be32(s, 4) + 8, 0, 4))


cdef Answer tarantool(const Sight *s, Found *out) noexcept nogil:
    """Tarantool's greeting: two lines of 64 bytes, the version and what is spoken in the first.  Requests and answers are
    MessagePack: a length, then a map that begins with the kind of message (Box protocol)."""
    if s.data[0] == 0xCE:
        return yes(be32(s, 1) + 5 == s.n and byte_at(s, 5) in (0x82, 0x83) and byte_at(s, 6) == 0)
    if s.n < 10:
        return starts(s, b"Tarantool ", 10)
    return yes(has(s, 0, b"Tarantool ", 10) and (contains(s, b"(Binary)", 8, 64) or contains(s, b"(Lua", 4, 64)))


cdef Answer hazelcast(const Sight *s, Found *out) noexcept nogil:
    """Hazelcast's members and clients say by three letters what they will speak."""
    return yes(has(s, 0, b"HZC", 3) or has(s, 0, b"CP2", 3) or has(s, 0, b"CB2", 3))


cdef Answer hazelcast_client(const Sight *s, Found *out) noexcept nogil:
    """Those of clients of version 4 and later, and the first frame of a message: a length, what begins and ends it, and
    authentication (Open Binary Client Protocol)."""
    if s.n < 13:
        return starts(s, b"CP2", 3) if s.n < 3 else MORE if has(s, 0, b"CP2", 3) else NO
    return yes(has(s, 0, b"CP2", 3) and 22 <= le32(s, 3) <= 1 << 16 and s.data[8] & 0xC0 == 0xC0
               and le32(s, 9) in (0x0100, 0x0200))


cdef Answer arangodb(const Sight *s, Found *out) noexcept nogil:
    """ArangoDB's VelocyStream."""
    return starts(s, b"VST/1.", 6)


cdef Answer hadoop(const Sight *s, Found *out) noexcept nogil:
    """Hadoop's and HBase's connection headers: four letters, a version, who may call."""
    if s.n < 5:
        return MORE if starts(s, b"hrpc", 4) != NO or starts(s, b"HBas", 4) != NO else NO
    return yes(has(s, 0, b"hrpc", 4) and 4 <= s.data[4] <= 16
               or has(s, 0, b"HBas", 4) and s.data[4] == 0 and 80 <= byte_at(s, 5) <= 90)


at_first(TCP, P_ELASTICSEARCH, elasticsearch, b"E")
at_first(TCP, P_RESP, resp, b"*")
at_first(TCP, P_Z3950, z3950, b"\xb4\xb5")
at_first(TCP, P_POSTGRESQL, postgres, b"\x00")
at_first(TCP, P_POSTGRESQL, postgres_server, b"RE")
at_first(TCP, P_DRDA, drda, b"\x00\x01\x02\x03\x04")
at_first(TCP, P_CASSANDRA, cassandra, b"\x01\x02\x03\x04\x05\x06AB\x81\x82\x83\x84\x85\x86\xc1\xc2\xca")
at_first(TCP, P_MSSQLTDS, tds, b"\x12\x10\x04\x01\x02\x03\x06\x07\x0e\x11")
at_first(TCP, P_ORACLE, oracle, bytes(range(9)))
at_first(TCP, P_MEMCACHED, memcached_elsewhere, b"aprsSV\x80\x81")
at_first(TCP, P_ZOOKEEPER, zookeeper, b"\x00")
at_first(TCP, P_NEO4J, neo4j, b"\x60")
at_first(TCP, P_CLICKHOUSE, clickhouse, b"\x00")
at_first(TCP, P_FIREBIRD, firebird, b"\x00")
at_first(TCP, P_AEROSPIKE, aerospike, b"\x02")
at_first(TCP, P_TARANTOOL, tarantool, b"T\xce")
at_first(TCP, P_HAZELCAST, hazelcast_client, b"C")
at_first(TCP, P_ARANGODB, arangodb, b"V")
at_first(TCP, P_HADOOP, hadoop, b"hH")
at_ports(BOTH, P_MEMCACHED, memcached, (11211,))
at_ports(TCP, P_RESP, resp_line, (6379,))
at_ports(TCP, P_ZOOKEEPER, zookeeper_word, (2181,))
at_ports(TCP, P_HAZELCAST, hazelcast, (5701, 5702, 5703))
at_any(UDP, P_MEMCACHED, memcached_elsewhere)
at_any(TCP, P_MONGODB, mongodb)
at_any(TCP, P_MYSQL, mysql)
at_any(TCP, P_MYSQL, mysql_login)
