"""What a target calls with what must hold: libFuzzer reports an abort as it reports a byte read outside."""
from libc.stdlib cimport abort


cdef inline void check(bint promise) noexcept nogil:
    if not promise:
        abort()
