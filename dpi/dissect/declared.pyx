"""Protocols that are told by what files declare of their bytes: the same work as the compiled probes', by a table.

A signature stands in an index under the bytes that it fixes: by the place of up to four of them and their value, by a
port where these are fewer than three, and only one that has neither is asked about everything.  So a payload costs a
look-up for each *different* place, and two for its ports, however many signatures there are; `dpi bench signatures`
shows it.  What is found so is held against all of the signature; of several that hold, the one with the most evidence
wins, then the one that stands first.

The table is never changed: signatures that are read again are a new table, which a shard takes between two batches.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.sight cimport Sight, set_host
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8
from dpi.wire.packet cimport IP_TCP, IP_UDP

import itertools
import time


cdef enum:
    REST = 16               # signatures of a transport that fix no bytes at a place
    PORT = PLACES           # in a slot's key, where a place's number would stand
    STREAM = 16384          # bytes of a TCP direction that are ever shown
    HOST = 256              # bytes in which a host's end is looked for

generations = itertools.count(1)


# Asking

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
    return MORE if s.proto == IP_TCP and s.wire < total <= STREAM else NO


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


cdef inline uint64_t key_of(uint32_t place, uint64_t value, int on) noexcept nogil:
    return (<uint64_t>place << 32 | value) << 1 | on


cdef inline uint64_t hash_of(uint64_t key) noexcept nogil:
    """Fibonacci hashing.  The keys are the admin's, so nobody else can make them collide."""
    return key * <uint64_t>0x9E3779B97F4A7C15 >> 32


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


# Building

cdef void *allocate(size_t n, size_t size) except NULL:
    cdef void *p = calloc(n if n else 1, size)
    if p == NULL:
        raise MemoryError
    return p


cdef Text keep(bytearray blob, bytes data):
    cdef Text text
    text.at, text.n = <uint32_t>len(blob), <uint32_t>len(data)
    blob += data
    return text


def fixed(declaration):
    """What stands at one place whatever comes: {offset: (byte, mask)}."""
    found = {}
    for part in declaration.parts:
        if not part.within and not part.after:
            for at, byte, mask in zip(itertools.count(part.at), part.data, part.mask):
                before = found.get(at, (0, 0))
                found[at] = (before[0] | byte & mask, before[1] | mask)
    return found


def anchor(declaration):
    """The place and value by which it is found: the first four bytes in a row, else the longest run; or None."""
    known = fixed(declaration)
    best = None
    for at in sorted(known):
        n = 0
        while n < 4 and known.get(at + n, (0, 0))[1] == 0xFF:
            n += 1
        if n and (best is None or n > best[1]):
            best = (at, n)
    return None if best is None else (best, bytes(known[i][0] for i in range(best[0], sum(best))))


def first_bytes(declaration):
    """Every byte that what it names may begin with."""
    byte, mask = fixed(declaration).get(0, (0, 0))
    return [value for value in range(256) if value & mask == byte]


def fault(declarations):
    """(number of the first declaration that the index has no room for, why), or None."""
    places = {6: set(), 17: set()}
    rest = {6: 0, 17: 0}
    for number, declaration in enumerate(declarations):
        by = anchor(declaration)
        for proto in declaration.transports:
            if by is not None and not by_ports(declaration, by):
                places[proto].add(by[0])
            elif not by_ports(declaration, by):
                rest[proto] += 1
            if len(places[proto]) > PLACES:
                return number, f"more than {PLACES} different places at which signatures fix bytes"
            if rest[proto] > REST:
                return number, f"more than {REST} signatures that neither fix bytes at a place nor name ports"
    return None


cdef bint by_ports(declaration, by) except -1:
    return bool(declaration.ports) and (by is None or by[0][1] < 3)


cdef class Declarations:
    """An immutable table of declaration.Declaration.  Raises ValueError where fault() finds something."""

    def __cinit__(self, declarations=()):
        cdef Py_ssize_t i
        cdef int on
        cdef Declared *d
        cdef Slot *slot
        cdef Place *place
        wrong = fault(declarations := tuple(declarations))
        if wrong:
            raise ValueError(wrong[1])
        self.declared = tuple(sorted(declarations, key=lambda each: -each.evidence))
        blob, pieces, ports, lists, under = bytearray(), [], [], [], {}
        rest = ([], [])
        self.table.generation = next(generations) & 0xFFFF
        self.table.n = <uint32_t>len(self.declared)
        if self.table.n >= 0xFFFF:
            raise ValueError("more than 65534 signatures")
        self.table.all = <Declared *>allocate(self.table.n, sizeof(Declared))
        for i, each in enumerate(self.declared):
            d = &self.table.all[i]
            d.label, d.app, d.both = each.label, each.app, each.both
            d.sender = ("either", "client", "server").index(each.sender)
            d.packet_first, d.packet_last = each.packets
            d.length_min, d.length_max = each.length
            if each.counted:
                d.field_at, d.field_size, d.field_from = each.counted.at, each.counted.size, each.counted.counts_from
                d.field_little = each.counted.little
            if each.host:
                d.host, d.host_at, d.host_size = 1, each.host.at, each.host.size
                d.host_after, d.host_until = keep(blob, each.host.after), keep(blob, each.host.until)
            d.pieces, d.n_pieces = <uint32_t>len(pieces), <uint32_t>len(each.parts)
            pieces.extend(each.parts)
            d.ports, d.n_ports = <uint32_t>len(ports), <uint32_t>(2 * len(each.ports))
            ports.extend(end for pair in each.ports for end in pair)
            by = anchor(each)
            for proto in each.transports:
                on = proto == IP_UDP
                if by_ports(each, by):
                    for port in {port for low, high in each.ports for port in range(low, high + 1)}:
                        under.setdefault(key_of(PORT, port, on), []).append(i)
                    self.table.by_port[on] = 1
                elif by is None:
                    rest[on].append(i)
                else:
                    number = self.place_of(on, by[0][0], by[0][1])
                    place = &self.table.places[on][<int>number]
                    for value in first_bytes(each):
                        place.first[<int>value] = 1
                    key = key_of(number, int.from_bytes(by[1], "big"), on)
                    under.setdefault(key, []).append(i)
        slots = 16
        while slots < 2 * len(under):
            slots *= 2
        self.table.slots = <Slot *>allocate(slots, sizeof(Slot))
        self.table.mask = <uint32_t>(slots - 1)
        for key, numbers in under.items():
            at = hash_of(key) & self.table.mask
            while self.table.slots[<uint32_t>at].n:
                at = at + 1 & self.table.mask
            slot = &self.table.slots[<uint32_t>at]
            slot.key, slot.at, slot.n = key, <uint32_t>len(lists), <uint32_t>len(numbers)
            lists.extend(numbers)
        for on in range(2):
            self.table.rest[on], self.table.n_rest[on] = <uint32_t>len(lists), <uint32_t>len(rest[on])
            lists.extend(rest[on])
        self.table.pieces = <Piece *>allocate(len(pieces), sizeof(Piece))
        for i, part in enumerate(pieces):
            if len(part.mask) != len(part.data):
                raise ValueError("a mask is as long as its bytes")
            self.table.pieces[i].data = keep(blob, part.data)
            self.table.pieces[i].mask = keep(blob, part.mask)
            self.table.pieces[i].after = keep(blob, part.after)
            self.table.pieces[i].at, self.table.pieces[i].within = part.at, part.within
        self.table.ports = <uint16_t *>allocate(len(ports), sizeof(uint16_t))
        for i, port in enumerate(ports):
            self.table.ports[i] = port
        self.table.lists = <uint32_t *>allocate(len(lists), sizeof(uint32_t))
        for i, number in enumerate(lists):
            self.table.lists[i] = number
        self.table.bytes = <uint8_t *>allocate(len(blob), 1)
        for i in range(len(blob)):
            self.table.bytes[i] = blob[i]

    cdef object place_of(self, int on, uint32_t at, uint32_t n):
        cdef uint32_t i
        cdef Place *place
        for i in range(self.table.n_places[on]):
            place = &self.table.places[on][i]
            if place.at == at and place.n == n:
                return i
        i = self.table.n_places[on]
        self.table.n_places[on] += 1
        place = &self.table.places[on][i]
        place.at, place.n = at, n
        return i

    def __dealloc__(self):
        free(self.table.all)
        free(self.table.pieces)
        free(self.table.ports)
        free(self.table.bytes)
        free(self.table.lists)
        free(self.table.slots)

    def __len__(self):
        return self.table.n

    def find(self, messages, *, proto, sport=40000, dport=40001):
        """(label or 0, answer, host) for what both sides send in turn: (bytes, whether the opener sent them).

        Of UDP each is a datagram; of TCP, all that its side has sent so far.
        """
        cdef Sight s
        cdef Found found
        cdef Answer answer = NO
        cdef uint8_t *block
        cdef const Declared *d = NULL
        cdef uint32_t[2] half
        cdef int side
        memset(half, 0, sizeof(half))
        memset(&found, 0, sizeof(found))
        turns = [0, 0]
        for data, from_opener in messages:
            side = not from_opener
            memset(&s, 0, sizeof(s))
            memset(&found, 0, sizeof(found))
            block = block_of(data)
            s.data, s.n, s.wire = block, <uint32_t>len(data), <uint32_t>len(data)
            s.proto, s.from_opener, s.turn = proto, from_opener, turns[side]
            s.sport, s.dport = (sport, dport) if from_opener else (dport, sport)
            turns[side] += 1
            d = declared_find(&self.table, &s, half[1 - side], &half[side], &found, &answer)
            free(block)
            if d != NULL:
                break
        return (d.label if d != NULL else 0), ("no", "more", "yes")[<int>answer], found.host.decode("latin-1")

    def cost(self, payloads, int rounds, *, proto, uint16_t port):
        """Nanoseconds that asking about one payload takes, over as many rounds of all of them."""
        cdef Sight s
        cdef Found found
        cdef Answer answer
        cdef uint32_t half
        cdef int j, _
        cdef int n = len(payloads)
        cdef uint32_t size
        cdef uint8_t *block = block_of(b"".join(payloads))
        if len({len(each) for each in payloads}) != 1:
            free(block)
            raise ValueError("payloads of one length are needed")
        size = <uint32_t>len(payloads[0])
        memset(&s, 0, sizeof(s))
        memset(&found, 0, sizeof(found))
        s.n = s.wire = size
        s.proto, s.from_opener, s.sport, s.dport = proto, 1, 40000, port
        begin = time.thread_time_ns()
        with nogil:
            for _ in range(rounds):
                for j in range(n):
                    s.data = block + j * size
                    half = 0
                    declared_find(&self.table, &s, 0, &half, &found, &answer)
        spent = time.thread_time_ns() - begin
        free(block)
        return spent / (rounds * n)
