"""Address → label by the longest prefix; see prefixes.pyx."""
from dpi.match.prefix_table cimport PrefixTable


cdef class Prefixes:
    cdef PrefixTable table
    cdef readonly Py_ssize_t size
