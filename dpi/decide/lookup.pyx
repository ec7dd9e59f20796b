"""What a flow's client looked up to come to its server.

A machine asks its resolver over one version of IP and connects over the other, and over IPv6 from more addresses than one.
An answer is remembered for the address that asked and, of IPv6, also for the device's address of IPv4 (answers.pyx), so that
only flows over IPv6 whose own address has asked nothing cost a second look.
"""

from libc.stdint cimport uint8_t

from dpi.decide.device cimport device_ipv4
from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow, opener
from dpi.match.name_table cimport NameHit
from dpi.match.names cimport names_find


cdef bint lookup_find(Shard *s, const Flow *f, NameHit *out) noexcept nogil:
    """The name by which this client, by whatever address of its, knows the server; else by which anybody does."""
    cdef int client = opener(f)
    cdef const uint8_t *server = f.addr[1 - client]
    cdef const uint8_t *address
    cdef NameHit hit
    if not names_find(s.names, f.addr[client], server, s.now, out):
        return False
    if not out.own and f.version == 6:
        address = device_ipv4(s, f)
        if address != NULL and names_find(s.names, address, server, s.now, &hit) and hit.own:
            out[0] = hit
    return True
