"""Hexadecimal digits, as an array: a pointer to them would have to be loaded for each."""

cdef extern from *:
    """
    static const char DPI_HEX[] = "0123456789abcdef";
    """
    const char *HEX "DPI_HEX"
