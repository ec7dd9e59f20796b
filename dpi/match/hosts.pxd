"""Host name → label, for the loop.  See hosts.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dpi.match.patterns cimport PatternTable


cdef enum HostKind:
    HOST_SUFFIX             # "example.org": the name and all below it
    HOST_BELOW              # "*.example.org": all below it, not the name itself
    HOST_EXACT              # "=example.org": the name alone
    HOST_PATTERN            # a "*" anywhere else: "*keyword*", "cdn*.example.org"


cdef struct HostHit:
    uint32_t entry          # its place in the list that the table was built from
    uint16_t label
    uint8_t kind            # HostKind
    uint8_t fixed           # how many of the name's characters the entry fixes


cdef struct Suffix:         # one slot of the hash table: a suffix that an entry ends in, or is
    uint64_t hash           # of its characters from the last to the first; 0: empty
    uint16_t at             # the label of this very name, 0 for none
    uint16_t below          # the label of names below it, 0 for none
    uint8_t at_kind
    uint8_t below_kind
    uint8_t length
    uint8_t inner           # there are longer entries below this one


cdef struct Origin:         # beside each slot, and touched only once something was found
    uint32_t at
    uint32_t below


cdef struct HostTable:
    uint64_t mask           # slots - 1
    uint64_t used
    Suffix *slots
    Origin *origins
    PatternTable patterns


cdef uint16_t host_match(const HostTable *t, const char *name, uint32_t n, HostHit *out) noexcept nogil


cdef class Hosts:
    cdef HostTable table
    cdef readonly Py_ssize_t size
