"""Program → label, by what it calls itself: entries `a=...` among the hosts (hosts.pyx)."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.match.hosts cimport HOST_EXACT, HostHit, HostTable, host_match


cdef enum:
    NAME_MAX = 66           # with the two characters before it


cdef inline bint in_name(char c) noexcept nogil:
    return (c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c"0" <= c <= c"9" or c == c"." or c == c"_" or c == c"-")


cdef uint32_t write_entry(const char *text, char *out) noexcept nogil:
    """Writes "a=" and the first word of a text, up to the first character that no such name has, into NAME_MAX bytes.

    How many it wrote; 0 where there is no word, or a longer one.
    """
    cdef uint32_t n = 2
    out[0] = c"a"
    out[1] = c"="
    while in_name(text[0]):
        if n == NAME_MAX:
            return 0
        out[n] = text[0]
        n += 1
        text += 1
    return n if n > 2 else 0


cdef uint16_t program_match(const HostTable *hosts, const char *text) noexcept nogil:
    """The label of a user agent, 0 for none."""
    cdef char[NAME_MAX] name
    cdef HostHit hit
    cdef uint32_t n = write_entry(text, name)
    return hit.label if n and host_match(hosts, name, n, &hit) and hit.kind == HOST_EXACT else 0


def entry_of(text: str) -> str:
    """The entry by which a user agent would be known; "" for none."""
    cdef char[NAME_MAX] name
    cdef bytes raw = text.encode()
    return name[:write_entry(raw, name)].decode().lower()
