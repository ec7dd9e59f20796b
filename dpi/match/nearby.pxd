"""Which app was seen near by: from the end of a call, at an address or beside it; see nearby.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t

from dpi.match.name_table cimport NameTable


cdef void callers_learn(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, uint16_t label,
                        int64_t now) noexcept nogil
cdef uint16_t callers_find(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, int64_t now) noexcept nogil
cdef void networks_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                         int64_t now) noexcept nogil
cdef uint16_t networks_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil
cdef void places_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                       int64_t now) noexcept nogil
cdef uint16_t places_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil
