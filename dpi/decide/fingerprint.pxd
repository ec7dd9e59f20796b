"""A flow has one slot for its client's fingerprint; which kind is in it, the protocol tells."""

from libc.stdint cimport uint32_t

from dpi.dissect.protocols cimport P_SSH
from dpi.flow.flow cimport NONE, Flow


cdef inline uint32_t ja4_of(const Flow *f) noexcept nogil:
    return f.fingerprint if f.protocol.id != P_SSH else <uint32_t>NONE


cdef inline uint32_t hassh_of(const Flow *f) noexcept nogil:
    return f.fingerprint if f.protocol.id == P_SSH else <uint32_t>NONE
