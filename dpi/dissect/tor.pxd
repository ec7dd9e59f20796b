"""Tor's TLS, by the names that it makes up; see tor.pyx."""
from dpi.dissect.answer cimport Certificate


cdef bint tor_name(const char *host) noexcept nogil
cdef bint tor_certificate(const Certificate *c) noexcept nogil
