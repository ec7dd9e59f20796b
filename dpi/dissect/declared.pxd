"""Signatures that files declare, made into the loop's table; see declared.pyx."""
from libc.stdint cimport uint32_t

from dpi.dissect.declared_table cimport DeclaredTable


cdef class Declarations:
    cdef DeclaredTable table
    cdef readonly tuple declared
    cdef object place_of(self, int on, uint32_t at, uint32_t n)
