"""What must hold of whatever dissectors find; see found.pyx."""
from libc.stdint cimport uint32_t

from dpi.dissect.answer cimport Certificate, Found, ServerFound


cdef void check_text(const char *text, uint32_t size) noexcept nogil
cdef void check_host(const char *host, uint32_t n) noexcept nogil
cdef void check_found(const Found *f) noexcept nogil
cdef void check_certificate(const Certificate *c) noexcept nogil
cdef void check_server(const ServerFound *f) noexcept nogil
