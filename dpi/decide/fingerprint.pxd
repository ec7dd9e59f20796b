"""A flow has one slot for its client's fingerprint; which kind is in it, the protocol tells.

A server's is kept of SSH alone, in the place of a type of content, which SSH has not: a flow stays as small as it is.
"""

from libc.stdint cimport uint32_t

from dpi.dissect.protocols cimport P_SSH
from dpi.flow.flow cimport NONE, Flow


cdef inline uint32_t ja4_of(const Flow *f) noexcept nogil:
    return f.fingerprint if f.protocol.id != P_SSH else <uint32_t>NONE


cdef inline uint32_t hassh_of(const Flow *f) noexcept nogil:
    return f.fingerprint if f.protocol.id == P_SSH else <uint32_t>NONE


cdef inline uint32_t hassh_server_of(const Flow *f) noexcept nogil:
    return f.content_type if f.protocol.id == P_SSH else <uint32_t>NONE


cdef inline uint32_t content_type_of(const Flow *f) noexcept nogil:
    return f.content_type if f.protocol.id != P_SSH else <uint32_t>NONE
