"""From bytes to a Packet.  See decode.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.wire.packet cimport Packet
from dpi.wire.view cimport Faults


# 1: *out is an IP packet to be counted (whole, or a first fragment), everything of it set but time and origin.
# 0: it is not, and faults (NULL where nobody asks) says why.  Where out.fragment is FRAGMENT_LATER then, the packet
# is one for fragments_add(); the other fields of a packet that was not decoded mean nothing.
cdef bint decode(
    const uint8_t *data, uint32_t caplen, uint32_t wirelen, uint32_t linktype, Packet *out, Faults *faults
) noexcept nogil

# The same where an IP header comes first, as a netfilter queue has it.
cdef bint decode_ip(
    const uint8_t *data, uint32_t caplen, uint32_t wirelen, Packet *out, Faults *faults
) noexcept nogil

# For the Python faces: a Decoded.
cdef object as_tuple(const Packet *p, const Faults *faults)
