"""Counting bits, by the compiler's own function."""

cdef extern from *:
    int popcount "__builtin_popcountll"(unsigned long long bits) noexcept nogil
