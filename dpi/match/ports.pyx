"""(Transport, port of the side that was opened to) → label: the last resort, where payload and addresses say nothing.

Three arrays of 65,536 labels; pages that hold none are never touched, so they cost no memory.  Immutable once
built.
"""

from libc.stdlib cimport calloc, free

from dpi.wire.packet cimport IP_SCTP, IP_TCP, IP_UDP

import re
from collections.abc import Iterable

_PORTS = re.compile(r"(tcp|udp|sctp)/(\d{1,5})(?:-(\d{1,5}))?")


def parse(text: str) -> tuple[str, int, int]:
    """Reads "tcp/443" or "udp/3478-3481": transport, first, last.  Raises ValueError."""
    found = _PORTS.fullmatch(text)
    if not found:
        raise ValueError("not TRANSPORT/PORT or TRANSPORT/FIRST-LAST (transports: tcp, udp, sctp)")
    first = int(found[2])
    last = int(found[3] or first)
    if not 0 < first <= last < 65536:
        raise ValueError("ports are 1 to 65535, the first not above the last")
    return found[1], first, last


def problem(text: str) -> str:
    """What is wrong with it; nothing where parse() reads it."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


cdef uint16_t port_match(const PortTable *t, uint8_t proto, uint16_t port) noexcept nogil:
    """The label of a port of an IP protocol (TCP, UDP, SCTP), 0 for none."""
    if proto == IP_TCP:
        return t.tcp[port]
    if proto == IP_UDP:
        return t.udp[port]
    if proto == IP_SCTP:
        return t.sctp[port]
    return 0


cdef class Ports:
    """A table of ("tcp/443", label) pairs; later entries hold.  Raises ValueError as parse() does."""

    def __cinit__(self, entries: Iterable[tuple[str, int]]) -> None:
        cdef int port
        cdef uint16_t *to
        self.table.tcp = <uint16_t *>calloc(65536, sizeof(uint16_t))
        self.table.udp = <uint16_t *>calloc(65536, sizeof(uint16_t))
        self.table.sctp = <uint16_t *>calloc(65536, sizeof(uint16_t))
        if not self.table.tcp or not self.table.udp or not self.table.sctp:
            raise MemoryError
        for text, label in entries:
            if not 0 < label < 65536:
                raise ValueError(f"{text}: label {label} is not 1 to 65535")
            transport, first, last = parse(text)
            if transport == "tcp":
                to = self.table.tcp
            elif transport == "udp":
                to = self.table.udp
            else:
                to = self.table.sctp
            for port in range(first, last + 1):
                to[port] = label
            self.size += 1

    def __dealloc__(self) -> None:
        free(self.table.tcp)
        free(self.table.udp)
        free(self.table.sctp)

    def __len__(self) -> int:
        return self.size

    def match(self, proto: int, port: int) -> int:
        """The label of a port of an IP protocol number, 0 for none."""
        if not 0 <= proto < 256 or not 0 <= port < 65536:
            return 0
        return port_match(&self.table, proto, port)
