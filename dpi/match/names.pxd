"""The names that addresses had; names.pyx says how it works and why.

Every function may be called by several threads at once.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cimport cython

from dpi.match.name_table cimport NameHit, NameTable


cdef void names_learn(NameTable *t, const uint8_t *client, const uint8_t *server, const char *name, uint16_t n,
                      uint32_t ttl, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint names_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now,
                     NameHit *out) noexcept nogil
cdef void servers_learn(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, const char *name,
                        uint16_t n, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint servers_find(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, int64_t now,
                       NameHit *out) noexcept nogil
cdef void names_soon(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t port,
                     uint8_t proto) noexcept nogil
cdef void aliases_learn(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, const char *name,
                        uint16_t n, uint32_t ttl, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint aliases_find(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, int64_t now,
                       NameHit *out) noexcept nogil


@cython.final
cdef class Names:
    """Owns a table.  The loops take `names.table`."""
    cdef NameTable *table
