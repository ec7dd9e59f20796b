"""The names in an X.509 certificate; see certificate.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Certificate


cdef Answer certificate(const uint8_t *der, uint32_t n, Certificate *out) noexcept nogil
