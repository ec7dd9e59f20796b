"""Tor's TLS, by the names that it makes up; see tor.pyx."""
from dpi.dissect.answer cimport Certificate, Found
from dpi.wire.cursor cimport Cursor


cdef bint tor_name(const char *host) noexcept nogil
cdef bint has_tor_groups(Cursor c) noexcept nogil
cdef bint tor_hello(const Found *found) noexcept nogil
cdef bint tor_certificate(const Certificate *c) noexcept nogil
