"""Signatures that files declare, as the loop asks them: the same work as the compiled probes', by a table.

A signature stands in an index under the bytes that it fixes: by the place of up to four of them and their value, by a
port where these are fewer than three, and only one that has neither is asked about everything.  So a payload costs a
look-up for each *different* place, and two for its ports, however many signatures there are; `dpi bench signatures`
shows it.  What is found so is held against all of the signature; of several that hold, the one with the most evidence
wins, then the one that stands first.

The table is immutable once built (declared.pyx), so any number of threads may read it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.sight cimport Sight, set_host
from dpi.flow.stream cimport STREAM_MAX
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8
from dpi.wire.packet cimport IP_TCP, IP_UDP


cdef enum:
    HOST = 256              # bytes in which a host's end is looked for


cdef Answer stands(const DeclaredTable *t, Text data, Text mask, const Sight *s, uint32_t at) noexcept nogil:
    """Whether the bytes stand at an offset: MORE where what is there of them agrees."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t i, n
    cdef const uint8_t *p
    skip(&c, at)
    if not alive(&c):
        return MORE
    n = min(data.n, <uint32_t>left(&c))
    p = take(&c, n)
    for i in range(n):
        if (p[i] ^ t.bytes[data.at + i]) & (t.bytes[mask.at + i] if mask.n else 0xFF):
            return NO
    return YES if n == data.n else MORE


cdef Answer search(const DeclaredTable *t, Text data, Text mask, const Sight *s, uint32_t at, uint32_t within,
                   uint32_t *where) noexcept nogil:
    """Whether they stand somewhere between two offsets, and where first."""
    cdef uint32_t end = min(s.n, within)
    while data.n <= end and at <= end - data.n:
        if stands(t, data, mask, s, at) == YES:
            where[0] = at
            return YES
        at += 1
    return MORE if s.n < within else NO


cdef Answer piece_holds(const DeclaredTable *t, const Piece *p, const Sight *s) noexcept nogil:
    cdef uint32_t at = p.at
    cdef Answer answer
    cdef Text whole
    whole.at = whole.n = 0
    if p.after.n:
        answer = search(t, p.after, whole, s, p.at, p.within, &at)
        return stands(t, p.data, p.mask, s, at + p.after.n) if answer == YES else answer
    if p.within:
        return search(t, p.data, p.mask, s, p.at, p.within, &at)
    return stands(t, p.data, p.mask, s, at)


cdef Answer all_hold(const DeclaredTable *t, const Declared *d, const Sight *s) noexcept nogil:
    cdef Answer answer = YES
    cdef Answer each
    cdef uint32_t i
    for i in range(d.pieces, d.pieces + d.n_pieces):
        each = piece_holds(t, &t.pieces[i], s)
        if each == NO:
            return NO
        if each == MORE:
            answer = MORE
    return answer


cdef Answer length_agrees(const DeclaredTable *t, const Declared *d, const Sight *s) noexcept nogil:
    """Whether the length field counts what is there; of a stream, whether as much may still come, or another message has."""
    cdef Sight rest = s[0]
    cdef Cursor c = over(s.data, s.n)
    cdef uint64_t value = 0
    cdef uint64_t total
    cdef uint32_t i
    skip(&c, d.field_at)
    for i in range(d.field_size):
        if d.field_little:
            value |= <uint64_t>u8(&c) << (8 * i)
        else:
            value = value << 8 | u8(&c)
    if not alive(&c):
        return MORE
    total = value + d.field_from
    if total == s.wire:
        return YES
    if s.proto == IP_TCP and d.field_at + d.field_size <= total < s.n and d.n_pieces:
        rest.data += total
        rest.n -= <uint32_t>total
        return all_hold(t, d, &rest)
    return MORE if s.proto == IP_TCP and s.wire < total <= STREAM_MAX else NO


cdef Answer read_host(const DeclaredTable *t, const Declared *d, const Sight *s, Found *out) noexcept nogil:
    """The host's name.  MORE: it has begun, and goes on in what comes."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t at = d.host_at
    cdef uint32_t n = 0
    cdef uint32_t end
    cdef int _
    cdef Text whole
    whole.at = whole.n = 0
    if d.host_after.n:
        if search(t, d.host_after, whole, s, d.host_at, s.n, &at) != YES:
            return NO
        at += d.host_after.n
    skip(&c, at)
    if d.host_size:
        for _ in range(d.host_size):
            n = n << 8 | u8(&c)
        if not alive(&c) or n > HOST:
            return NO
        if n > left(&c):
            return MORE
        set_host(out, take(&c, n), n)
        return YES
    if not alive(&c):
        return NO
    n = min(<uint32_t>left(&c), <uint32_t>HOST)
    if d.host_until.n:
        if search(t, d.host_until, whole, s, at, min(s.n, at + HOST), &end) != YES:
            return MORE if n < HOST else NO
        n = end - at
    set_host(out, take(&c, n), n)
    return YES


cdef Answer holds(const DeclaredTable *t, const Declared *d, const Sight *s, Found *out) noexcept nogil:
    """Whether the signature holds for what a side shows, and the host's name where it does."""
    cdef Answer answer = YES
    cdef Answer each
    cdef uint32_t i
    cdef bint port = d.n_ports == 0
    if d.sender and (d.sender == 1) != (s.from_opener != 0):
        return NO
    if s.proto == IP_UDP and not d.packet_first <= <uint32_t>s.turn + 1 <= d.packet_last:
        return NO
    for i in range(d.ports, d.ports + d.n_ports, 2):
        port |= t.ports[i] <= s.sport <= t.ports[i + 1] or t.ports[i] <= s.dport <= t.ports[i + 1]
    if not port or s.wire > d.length_max:
        return NO
    each = all_hold(t, d, s)
    if each == NO:
        return NO
    if each == MORE or s.wire < d.length_min:
        answer = MORE
    if d.field_size:
        each = length_agrees(t, d, s)
        if each == NO:
            return NO
        if each == MORE:
            answer = MORE
    if answer == YES and d.host and read_host(t, d, s, out) == MORE and s.proto == IP_TCP:
        answer = MORE
    return NO if answer == MORE and s.proto != IP_TCP else answer


cdef const Slot *find_slot(const DeclaredTable *t, uint64_t key) noexcept nogil:
    cdef uint32_t i = <uint32_t>hash_of(key) & t.mask
    while t.slots[i].n:
        if t.slots[i].key == key:
            return &t.slots[i]
        i = (i + 1) & t.mask
    return NULL


cdef uint32_t first_of(const DeclaredTable *t, uint32_t at, uint32_t n, const Sight *s, uint32_t theirs,
                       uint32_t *half, uint32_t best, Found *out, Answer *answer) noexcept nogil:
    """The first of a list that holds, if it comes before the best so far."""
    cdef uint32_t i, number
    cdef Answer each
    for i in range(at, at + n):
        number = t.lists[i]
        if number >= best:
            break
        set_host(out, NULL, 0)
        each = holds(t, &t.all[number], s, out)
        if each == YES and t.all[number].both and theirs != (t.generation << 16 | number + 1):
            if half[0] == 0:
                half[0] = t.generation << 16 | number + 1
            each = NO
        if each == YES:
            return number
        if each == MORE:
            answer[0] = MORE
    return best


cdef const Declared *declared_find(const DeclaredTable *t, const Sight *s, uint32_t theirs, uint32_t *half,
                                   Found *out, Answer *answer) noexcept nogil:
    """The signature that holds, NULL for none; `answer` is MORE where one may hold for more of the stream.

    theirs: what `half` was for the other side.  half: set where a signature holds that asks for both sides.
    """
    cdef int on = s.proto == IP_UDP
    cdef uint32_t best, i, j
    cdef uint64_t key
    cdef const Place *place
    cdef const Slot *slot
    answer[0] = NO
    if t == NULL or t.n == 0 or s.n == 0 or (not on and s.proto != IP_TCP):
        return NULL
    best = t.n
    for i in range(t.n_places[on]):
        place = &t.places[on][i]
        if s.n < place.at + place.n:
            if not on and place.first[s.data[0]]:
                answer[0] = MORE
            continue
        key = 0
        for j in range(place.at, place.at + place.n):
            key = key << 8 | s.data[j]
        slot = find_slot(t, key_of(i, key, on))
        if slot != NULL:
            best = first_of(t, slot.at, slot.n, s, theirs, half, best, out, answer)
    if t.by_port[on]:
        for i in range(2 if s.sport != s.dport else 1):
            slot = find_slot(t, key_of(PORT, s.dport if i == 0 else s.sport, on))
            if slot != NULL:
                best = first_of(t, slot.at, slot.n, s, theirs, half, best, out, answer)
    best = first_of(t, t.rest[on], t.n_rest[on], s, theirs, half, best, out, answer)
    set_host(out, NULL, 0)
    if best == t.n:
        return NULL
    if t.all[best].host:
        read_host(t, &t.all[best], s, out)
    answer[0] = YES
    return &t.all[best]
