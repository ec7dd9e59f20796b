"""The first bytes of a byte stream, put together from pieces in any order, bounded in every direction.

A TCP direction and a QUIC connection's CRYPTO frames are the same thing here: bytes with offsets.  Dissectors
want the contiguous start of it, of which 16 KiB are enough: a ClientHello with post-quantum key shares takes
1.8 KB, and one of more than 16 KiB would not be a single record's.

Most flows never come here: the loop shows a dissector the packet's own payload first, and puts it into a stream
only where the answer was MORE.  So a stream is 16 bytes in the flow, and its block grows in steps of two out of a
pool whose budget all flows of a thread share.  Where the budget is used up, puts fail and the flow goes on unnamed;
nobody waits and nothing is evicted.

Where pieces overlap, the bytes that came first stay, unless the caller says that the later ones are better: end hosts
differ, so that whoever shows the stream to dissectors shows it again where bytes have changed.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove

from dpi.wire.block cimport block_of


cdef enum:
    FIRST_STEP = 2048       # holds most ClientHellos


cdef struct Piece:
    uint32_t start
    uint32_t end            # the byte behind it


cdef struct Block:
    uint32_t size           # of bytes[]
    uint32_t n              # pieces
    Piece pieces[STREAM_PIECES]     # in order; no two touch
    # … and behind it the bytes


cdef inline uint8_t *bytes_of(Block *b) noexcept nogil:
    return <uint8_t *>(b + 1)


cdef void pool_init(Pool *pool, size_t budget, uint32_t cap) noexcept nogil:
    pool.budget = budget
    pool.used = 0
    pool.cap = cap
    pool.refused = 0


cdef void stream_init(Stream *s, Pool *pool) noexcept nogil:
    s.pool = pool
    s.block = NULL


cdef bint grow(Stream *s, uint32_t needed) noexcept nogil:
    """Room for bytes up to `needed`, which the cap bounds.  False where the budget does not allow it."""
    cdef uint32_t old = s.block.size if s.block else 0
    cdef uint32_t size = old if old else <uint32_t>FIRST_STEP
    cdef size_t more
    cdef Block *block
    if needed <= old:
        return True
    while size < needed:
        size *= 2
    if size > s.pool.cap:
        size = s.pool.cap
    more = size - old + (0 if old else sizeof(Block))
    if s.pool.used + more > s.pool.budget:
        s.pool.refused += 1
        return False
    block = <Block *>realloc(s.block, sizeof(Block) + size)
    if block == NULL:
        s.pool.refused += 1
        return False
    if old == 0:
        block.n = 0
    block.size = size
    s.block = block
    s.pool.used += more
    return True


cdef bint stream_put(Stream *s, uint32_t offset, const uint8_t *data, uint32_t n) noexcept nogil:
    """Adds bytes.  False where they were refused: all of them lie behind the cap, the stream is in too many pieces
    already, or the pool's budget is used up.  What the stream holds is unchanged then, and the caller may go on
    or give the stream up.

    The offset may be a difference of sequence numbers: in its upper half it is negative, and what lies before the
    stream's start (a keep-alive's byte, a retransmission from before) is left out.
    """
    cdef Block *b
    cdef uint32_t before, end, at, i, j, k
    if offset > 0x7fffffff:
        before = 0 - offset
        if n <= before:
            return True
        data += before
        n -= before
        offset = 0
    if n == 0:
        return True
    if offset >= s.pool.cap:
        return False
    end = offset + n if n < s.pool.cap - offset else s.pool.cap
    # pieces [i, j) touch or overlap the new one
    i = 0
    j = 0
    if s.block != NULL:
        b = s.block
        while i < b.n and b.pieces[i].end < offset:
            i += 1
        j = i
        while j < b.n and b.pieces[j].start <= end:
            j += 1
        if i == j and b.n == STREAM_PIECES:
            return False
    if not grow(s, end):
        return False
    b = s.block
    at = offset
    for k in range(i, j):
        if b.pieces[k].start > at:
            memcpy(bytes_of(b) + at, data + (at - offset), b.pieces[k].start - at)
        if b.pieces[k].end > at:
            at = b.pieces[k].end
    if at < end:
        memcpy(bytes_of(b) + at, data + (at - offset), end - at)
    if i < j:
        if b.pieces[i].start < offset:
            offset = b.pieces[i].start
        if b.pieces[j - 1].end > end:
            end = b.pieces[j - 1].end
    memmove(&b.pieces[i + 1], &b.pieces[j], (b.n - j) * sizeof(Piece))
    b.n = b.n + 1 - (j - i)
    b.pieces[i].start = offset
    b.pieces[i].end = end
    return True


cdef uint32_t stream_replace(Stream *s, uint32_t offset, const uint8_t *data, uint32_t n, uint32_t since) noexcept nogil:
    """Has bytes that were just put take the place of others, from `since` on: the first that changed, STREAM_MAX for none."""
    cdef uint8_t *there
    cdef uint32_t end
    cdef uint32_t at = max(offset, since)
    if offset > 0x7fffffff or s.block == NULL:
        return STREAM_MAX
    end = min(offset + n, s.block.size)
    there = bytes_of(s.block)
    if at >= end or memcmp(there + at, data + (at - offset), end - at) == 0:
        return STREAM_MAX
    while there[at] == data[at - offset]:
        at += 1
    memcpy(there + at, data + (at - offset), end - at)
    return at


cdef uint32_t stream_ready(const Stream *s) noexcept nogil:
    """How many bytes are there from the start on without a hole."""
    if s.block == NULL or s.block.n == 0 or s.block.pieces[0].start != 0:
        return 0
    return s.block.pieces[0].end


cdef const uint8_t *stream_bytes(const Stream *s) noexcept nogil:
    """The stream's start; valid for stream_ready() bytes, until the next put."""
    return bytes_of(s.block) if s.block != NULL else NULL


cdef void stream_drop(Stream *s, uint32_t n) noexcept nogil:
    """Leaves out the first n bytes, whether they are there or not: the stream starts behind them."""
    cdef Block *b = s.block
    cdef uint32_t gone = 0
    cdef uint32_t i
    if b == NULL:
        return
    while gone < b.n and b.pieces[gone].end <= n:
        gone += 1
    if gone == b.n:
        stream_free(s)
        return
    b.n -= gone
    memmove(b.pieces, &b.pieces[gone], b.n * sizeof(Piece))
    for i in range(b.n):
        b.pieces[i].start = b.pieces[i].start - n if b.pieces[i].start > n else 0
        b.pieces[i].end -= n
    memmove(bytes_of(b), bytes_of(b) + n, b.pieces[b.n - 1].end)


cdef void stream_free(Stream *s) noexcept nogil:
    """Gives the memory back.  The stream is empty then and may be used again."""
    if s.block != NULL:
        s.pool.used -= sizeof(Block) + s.block.size
        free(s.block)
        s.block = NULL


def reassemble(list pieces, size_t budget=1 << 20, uint32_t cap=STREAM_MAX):
    """Puts (offset, bytes) pieces into a stream: ([accepted, ...], contiguous bytes, bytes held, held after freeing).

    A number among them leaves out that many bytes of what is there by then.
    """
    cdef Pool pool
    cdef Stream s
    cdef uint8_t *block
    cdef uint32_t offset
    cdef bytes data
    cdef bint taken
    accepted = []
    pool_init(&pool, budget, cap)
    stream_init(&s, &pool)
    try:
        for piece in pieces:
            if isinstance(piece, int):
                stream_drop(&s, piece)
                continue
            offset, data = piece
            block = block_of(data)
            taken = stream_put(&s, offset, block, len(data))
            free(block)
            accepted.append(taken)
        ready = (<const char *>stream_bytes(&s))[:stream_ready(&s)] if stream_ready(&s) else b""
        held = pool.used
    finally:
        stream_free(&s)
    return accepted, ready, held, pool.used
