"""The table of declared signatures that the loop asks; see declared_table.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.probes.sight cimport Sight


cdef struct Text:           # a run of DeclaredTable.bytes
    uint32_t at
    uint32_t n


cdef struct Piece:          # declaration.Part
    Text data
    Text mask
    Text after
    uint32_t at
    uint32_t within


cdef struct Declared:       # declaration.Declaration
    uint32_t pieces         # in DeclaredTable.pieces
    uint32_t n_pieces
    uint32_t ports          # in DeclaredTable.ports: pairs, from and to
    uint32_t n_ports
    uint32_t length_min
    uint32_t length_max
    uint32_t field_at
    uint32_t field_from     # where it counts from
    uint32_t host_at
    Text host_after
    Text host_until
    uint16_t label
    uint8_t app
    uint8_t sender          # 0: either, 1: client, 2: server
    uint8_t both
    uint8_t packet_first
    uint8_t packet_last
    uint8_t field_size      # 0: there is no length field
    uint8_t field_little
    uint8_t host            # there is one
    uint8_t host_size       # of the length before it; 0: none


cdef struct Place:          # where some signatures fix bytes, by which they are found
    uint32_t at
    uint32_t n              # 1 to 4
    uint8_t[256] first      # 1: one of them may begin with that byte


cdef struct Slot:           # of the hash table
    uint64_t key            # place or port, and value
    uint32_t at             # in DeclaredTable.lists
    uint32_t n              # 0: the slot is empty


cdef enum:
    PLACES = 64             # of a transport
    PORT = PLACES           # in a slot's key, where a place's number would stand


cdef struct DeclaredTable:
    uint32_t n
    uint32_t generation     # tells one table's signatures from another's
    Declared *all           # the one with most evidence first
    Piece *pieces
    uint16_t *ports
    uint8_t *bytes
    uint32_t *lists
    Slot *slots
    uint32_t mask
    Place[2][PLACES] places     # TCP, UDP
    uint32_t[2] n_places
    uint32_t[2] rest        # in lists: those that are asked about everything
    uint32_t[2] n_rest
    uint8_t[2] by_port      # there are some found by ports


cdef const Declared *declared_find(const DeclaredTable *t, const Sight *s, uint32_t theirs, uint32_t *half,
                                   Found *out, Answer *answer) noexcept nogil


cdef inline uint64_t key_of(uint32_t place, uint64_t value, int on) noexcept nogil:
    return (<uint64_t>place << 32 | value) << 1 | on


cdef inline uint64_t hash_of(uint64_t key) noexcept nogil:
    """Fibonacci hashing.  The keys are the admin's, so nobody else can make them collide."""
    return key * <uint64_t>0x9E3779B97F4A7C15 >> 32
