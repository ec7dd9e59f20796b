"""What flows come to, counted straight out of a shard's events: no line is written for a flow, and no object kept.

Most of what a flow is it shares with many others: that is one key of one table, taken apart when somebody asks.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from dpi.flow.events cimport Event
from dpi.flow.flow cimport Flow
from dpi.flow_tuples cimport address
from dpi.record.timeline cimport Timeline

from dpi.dissect import risks as known_risks

cdef enum:
    SECOND = 1000000000     # ns
    ADDRESS = 18            # bytes of an address as a key: a NUL, which no name has, the version, 16 bytes


cdef inline bytes address_key(const uint8_t *addr, uint8_t version):
    cdef char[ADDRESS] key
    key[0] = 0
    key[1] = <char>version
    memcpy(key + 2, addr, ADDRESS - 2)
    return PyBytes_FromStringAndSize(key, ADDRESS)


cdef str key_text(bytes key):
    if key[0] == 0:
        return address(<const uint8_t *><const char *>key + 2, key[1])
    return key.decode("utf-8", "replace")


cdef class Sums:
    """flows, and what they carried.  "up" is what the sides that opened have sent; sizes are bytes of IP packets."""

    def __init__(self, flows=0, packets=0, bytes_up=0, bytes_down=0):
        self.flows, self.packets, self.bytes_up, self.bytes_down = flows, packets, bytes_up, bytes_down

    @property
    def bytes(self):
        return self.bytes_up + self.bytes_down

    def join(self, Sums other):
        self.flows += other.flows
        self.packets += other.packets
        self.bytes_up += other.bytes_up
        self.bytes_down += other.bytes_down

    def as_dict(self):
        return {each: getattr(self, each) for each in ("flows", "packets", "bytes_up", "bytes_down")}


cdef class Counts:
    """Flows added up.  names_max: of clients, servers, … that are kept; beyond it the half that carried least is forgotten."""

    def __cinit__(self, names_max=1 << 16):
        self.total, self.times = Sums(), Timeline()
        self.shared, self.clients, self.servers, self.devices = {}, {}, {}, {}
        self.names_max = names_max

    @property
    def start(self):
        """Seconds since 1970 of the first packet; None where there was no flow."""
        return <object>self.first / SECOND if self.total.flows else None

    @property
    def end(self):
        """… of the last one."""
        return <object>self.last / SECOND if self.total.flows else None

    def by_what(self):
        """[((protocol, app, category, method, names of risks, VLAN), Sums)], None for what a flow has not."""
        return [((*key[:4], tuple(known_risks.names(key[4])), key[5]), sums) for key, sums in self.shared.items()]

    def by_whom(self, kind):
        """[(name or address, Sums)] of "clients", "servers" (the address where there is no name) or "devices" (MAC)."""
        known = {"clients": self.clients, "servers": self.servers, "devices": self.devices}[kind]
        return [(key_text(key), sums) for key, sums in known.items()]

    cdef int add(self, const Event *e, int up, str protocol, str app, str category, str method) except -1:
        """A flow that has ended, with what it is called; up: the side that opened."""
        cdef const Flow *f = &e.flow
        cdef int down = 1 - up
        cdef uint64_t packets = <uint64_t>f.packets[0] + f.packets[1]
        cdef uint64_t sent = f.bytes[up]
        cdef uint64_t got = f.bytes[down]
        cdef bytes server = <const char *>e.host if e.host[0] else address_key(f.addr[down], f.version)
        self.of(self.shared, (protocol, app, category, method, f.risks, f.vlan)).add(packets, sent, got)
        self.of(self.clients, address_key(f.addr[up], f.version)).add(packets, sent, got)
        self.of(self.servers, server).add(packets, sent, got)
        if e.mac[0]:
            self.of(self.devices, <bytes><const char *>e.mac).add(packets, sent, got)
        self.times.add(f.start, f.last, packets, sent, got)
        self.first = min(self.first, f.start) if self.total.flows else f.start
        self.last = max(self.last, f.last) if self.total.flows else f.last
        self.total.add(packets, sent, got)
        self.named += method is not None
        self.guessed += method == "port"
        self.apps += app is not None
        return 0

    cdef Sums of(self, dict known, object key):
        """What a key has come to so far."""
        sums = known.get(key)
        if sums is None:
            if len(known) >= self.names_max:
                largest = sorted(known.items(), key=lambda item: item[1].bytes, reverse=True)[: self.names_max // 2]
                known.clear()
                known.update(largest)
            known[key] = sums = Sums()
        return sums
