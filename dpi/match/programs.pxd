"""Program → label: see programs.pyx."""

from libc.stdint cimport uint16_t

from dpi.match.hosts cimport HostTable


cdef uint16_t program_match(const HostTable *hosts, const char *text) noexcept nogil
