"""Which ends are BitTorrent's, and which hosts connect as it does; see peers.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t

from dpi.match.name_table cimport NameTable


cdef void peers_learn(NameTable *t, const uint8_t *client, const uint8_t *addr, uint16_t port,
                      int64_t now) noexcept nogil
cdef bint peers_find(NameTable *t, const uint8_t *client, const uint8_t *addr, uint16_t port, int64_t start,
                     int64_t last) noexcept nogil
cdef void crowds_learn(NameTable *t, const uint8_t *host, const uint8_t *other, const uint16_t *sizes, bint fits,
                       int64_t now) noexcept nogil
cdef bint crowds_find(NameTable *t, const uint8_t *host, const uint8_t *other, int64_t start,
                      int64_t last) noexcept nogil
