"""Who BitTorrent's messages say is a peer; see peer_lists.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    LIST_MAX = 100          # peers of a message that are taken; trackers give 50 unless they are asked for more


cdef struct PeerList:
    uint16_t listens        # the port at which the sender says that it is a peer; 0: it does not
    uint32_t n
    uint16_t ports[LIST_MAX]
    uint8_t addresses[LIST_MAX][16]     # as wire/packet.pxd has them


cdef void peer_list(const uint8_t *data, uint32_t n, bint v6, PeerList *out) noexcept nogil
