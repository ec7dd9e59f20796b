"""Protocols that are told by what files declare of their bytes: makes the table that the loop asks (declared_table.pyx).

The table is never changed: signatures that are read again are a new table, which a shard takes between two batches.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport NO, Answer, Found, answer_name
from dpi.dissect.declared_table cimport PLACES, PORT, Declared, Piece, Place, Slot, Text, declared_find, hash_of, key_of
from dpi.dissect.probes.sight cimport Sight
from dpi.wire.block cimport block_of, zeroed
from dpi.wire.packet cimport IP_UDP

import itertools
import time


cdef enum:
    REST = 16               # signatures of a transport that fix no bytes at a place
    FEW = 3                 # bytes in a row; fewer find too much, and a port finds less

generations = itertools.count(1)


cdef Text keep(bytearray blob, bytes data):
    cdef Text text
    text.at, text.n = <uint32_t>len(blob), <uint32_t>len(data)
    blob += data
    return text


def fault(declarations):
    """(number of the first declaration that the index has no room for, why), or None."""
    places = {6: set(), 17: set()}
    rest = {6: 0, 17: 0}
    for number, declaration in enumerate(declarations):
        by = declaration.anchor
        for proto in declaration.transports:
            if by_ports(declaration, by):
                continue
            if by is None:
                rest[proto] += 1
            else:
                places[proto].add((by.at, len(by.data)))
            if len(places[proto]) > PLACES:
                return number, f"more than {PLACES} different places at which signatures fix bytes"
            if rest[proto] > REST:
                return number, f"more than {REST} signatures that neither fix bytes at a place nor name ports"
    return None


cdef bint by_ports(declaration, by) except -1:
    """Whether its ports find a signature sooner than what it fixes."""
    return bool(declaration.ports) and (by is None or len(by.data) < FEW)


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
        self.table.all = <Declared *>zeroed(self.table.n, sizeof(Declared))
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
            by, begins = each.anchor, each.first_bytes
            for proto in each.transports:
                on = proto == IP_UDP
                if by_ports(each, by):
                    for port in {port for low, high in each.ports for port in range(low, high + 1)}:
                        under.setdefault(key_of(PORT, port, on), []).append(i)
                    self.table.by_port[on] = 1
                elif by is None:
                    rest[on].append(i)
                else:
                    number = self.place_of(on, by.at, <uint32_t>len(by.data))
                    place = &self.table.places[on][<int>number]
                    for value in begins:
                        place.first[<int>value] = 1
                    key = key_of(number, int.from_bytes(by.data, "big"), on)
                    under.setdefault(key, []).append(i)
        slots = 16
        while slots < 2 * len(under):
            slots *= 2
        self.table.slots = <Slot *>zeroed(slots, sizeof(Slot))
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
        self.table.pieces = <Piece *>zeroed(len(pieces), sizeof(Piece))
        for i, part in enumerate(pieces):
            if len(part.mask) != len(part.data):
                raise ValueError("a mask is as long as its bytes")
            self.table.pieces[i].data = keep(blob, part.data)
            self.table.pieces[i].mask = keep(blob, part.mask)
            self.table.pieces[i].after = keep(blob, part.after)
            self.table.pieces[i].at, self.table.pieces[i].within = part.at, part.within
        self.table.ports = <uint16_t *>zeroed(len(ports), sizeof(uint16_t))
        for i, port in enumerate(ports):
            self.table.ports[i] = port
        self.table.lists = <uint32_t *>zeroed(len(lists), sizeof(uint32_t))
        for i, number in enumerate(lists):
            self.table.lists[i] = number
        self.table.bytes = <uint8_t *>zeroed(len(blob), 1)
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
        return (d.label if d != NULL else 0), answer_name(answer), found.host.decode("latin-1")

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
