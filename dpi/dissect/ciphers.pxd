"""Which cipher suites are weak; see ciphers.pyx."""
from libc.stdint cimport uint16_t


cdef bint weak_cipher(uint16_t suite) noexcept nogil
