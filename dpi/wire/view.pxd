"""What is left of a packet while its layers are taken off: a cursor over what was captured, and how much more there
was on the wire.

Captures cut packets (snaplen) and a queue copies only their start, so each length has two meanings.  A header must
have been captured to be read; whether a length field lies is asked of the wire.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from dpi.wire.cursor cimport Cursor, left, over


cdef struct View:
    Cursor c
    uint32_t beyond         # bytes on the wire behind c.end


cdef enum Fault:
    FINE
    UNKNOWN_LINK            # a link type that we do not know
    NOT_IP                  # ARP, LLDP, spanning tree, control frames…
    TRUNCATED               # the capture ends inside a header that is needed
    BAD_HEADER              # a header contradicts itself or the packet's length
    LATER_FRAGMENT          # a fragment but the first
    TOO_DEEP                # more tunnels or extension headers than we open; tunnels: the packet was decoded so far
    LOST_FRAGMENT           # a fragment that could not be kept or did not fit its datagram
    FAULTS


cdef struct Faults:
    uint64_t count[8]       # by Fault


cdef inline void note(Faults *faults, Fault fault) noexcept nogil:
    if faults != NULL:
        faults.count[<int>fault] += 1


cdef inline View view_of(const uint8_t *data, uint32_t caplen, uint32_t wirelen) noexcept nogil:
    cdef View v
    v.c = over(data, caplen)
    v.beyond = wirelen - caplen if wirelen > caplen else 0
    return v


cdef inline uint32_t on_wire(const View *v) noexcept nogil:
    """Bytes on the wire from here on."""
    return <uint32_t>left(&v.c) + v.beyond


cdef inline void trim(View *v, uint32_t length) noexcept nogil:
    """From here on there are `length` bytes, or fewer: what follows is padding or a frame check sequence."""
    cdef uint32_t here = <uint32_t>left(&v.c)
    if length < here:
        v.c.end = v.c.p + length
    if length <= here:
        v.beyond = 0
    elif length - here < v.beyond:
        v.beyond = length - here
