"""Printers and scanners."""

from libc.stdint cimport uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.probes.index cimport TCP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer raw_printing(const Sight *s, Found *out) noexcept nogil:
    """PJL, 2: how a job begins; a printer's answers."""
    return yes(has(s, 0, b"\x1b%-12345X", 9) or has(s, 0, b"@PJL ", 5))


cdef Answer raw_page(const Sight *s, Found *out) noexcept nogil:
    """A job in PostScript or PCL without PJL, at the port of printers that take what comes."""
    return yes(has(s, 0, b"%!PS", 4) or has(s, 0, b"\x1bE", 2))


cdef Answer lpd(const Sight *s, Found *out) noexcept nogil:
    """RFC 1179, 5: a command, a queue, a line's end."""
    return yes(s.from_opener and 3 <= s.n <= 256 and 1 <= s.data[0] <= 5 and s.data[s.n - 1] == 10
               and printable(s, 1, s.n - 2))


cdef Answer sane(const Sight *s, Found *out) noexcept nogil:
    """SANE's network protocol, INIT and its answer: 0, version 1 of the programs and 2 or 3 of what they speak, of a
    client the user."""
    cdef uint32_t rest = s.n - 8
    return yes(s.n >= 8 and be32(s, 0) == 0 and s.data[4] == 1 and 2 <= be16(s, 6) <= 3
               and (rest == 0 or rest == 4 + be32(s, 8)))


at_first(TCP, P_JETDIRECT, raw_printing, b"\x1b@")
at_ports(TCP, P_JETDIRECT, raw_page, (9100, 9101, 9102))
at_ports(TCP, P_LPD, lpd, (515,))
at_ports(TCP, P_SANE, sane, (6566,))
