"""The shared table of names that addresses had; names.pyx says how it works and why.

Every function may be called by several threads at once.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cimport cython


cdef enum:
    NAME_MAX = 127          # of a longer name the last labels are kept


cdef struct NameHit:
    char name[128]          # NUL-terminated
    uint16_t n
    uint16_t label          # of the app, 0 for none
    uint8_t source          # match/evidence.pxd: how it was learnt
    uint8_t own             # this client's own lookup, rather than another's
    uint8_t ambiguous       # another app, or an unknown name, had the address at the same time
    int64_t learnt          # ns: when last


cdef struct NameTable       # names.pyx owns its inside


cdef NameTable *names_new(uint32_t capacity) noexcept nogil
cdef void names_free(NameTable *t) noexcept nogil
cdef void names_learn(NameTable *t, const uint8_t *client, const uint8_t *server, const char *name, uint16_t n,
                      uint32_t ttl, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint names_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now,
                     NameHit *out) noexcept nogil
cdef void servers_learn(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, const char *name,
                        uint16_t n, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint servers_find(NameTable *t, const uint8_t *server, uint16_t port, uint8_t proto, int64_t now,
                       NameHit *out) noexcept nogil

cdef void callers_learn(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, uint16_t label,
                        int64_t now) noexcept nogil
cdef uint16_t callers_find(NameTable *t, const uint8_t *addr, uint16_t port, uint8_t proto, int64_t now) noexcept nogil

cdef void aliases_learn(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, const char *name,
                        uint16_t n, uint16_t label, int64_t now, uint8_t source) noexcept nogil
cdef bint aliases_find(NameTable *t, const uint8_t *client, const char *alias, uint16_t alias_n, int64_t now,
                       NameHit *out) noexcept nogil
cdef void networks_learn(NameTable *t, const uint8_t *client, const uint8_t *server, uint16_t label,
                         int64_t now) noexcept nogil
cdef uint16_t networks_find(NameTable *t, const uint8_t *client, const uint8_t *server, int64_t now) noexcept nogil


@cython.final
cdef class Names:
    """Owns a table.  The loops take `names.table`."""
    cdef NameTable *table
