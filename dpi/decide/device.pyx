"""Which device of the LAN a flow is of: the MAC address of the side behind our LAN, out of the frame that it came in.

A router is told who sent a frame and not to whom the next one goes; so a flow that is opened from outside has its
device with the first packet that comes back.  A flow keeps the address as text in the pool of strings, since few devices
have many flows.

A device has one address of IPv4 and several of IPv6, so the former stands for it: what it does over the one and over the
other is known to be one machine's (lookup.pyx).  Behind a router or a repeater in the LAN there are others, which all
have its MAC address; such a one shows by having more than one of IPv4.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from dpi.decide.shard cimport MACHINES, Machine, Shard
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.flow.strings cimport string_drop, string_keep, string_text
from dpi.wire.hexadecimal cimport HEX
from dpi.wire.keyed cimport fold
from dpi.wire.packet cimport Packet


cdef enum:
    GROUP = 1               # the bit of a MAC address that is nobody's alone (IEEE 802, 8.2)
    MAC = 6
    TEXT = 17               # 02:11:22:33:44:55
    ROOM = 16               # bytes that device_read() writes

cdef int64_t MACHINE_TIME = 3600000000000   # ns that an address is a device's after it was seen last, and that two are remembered


cdef inline Machine *machine_of(const Shard *s, uint64_t mac) noexcept nogil:
    """The one place that a MAC address has, keyed so that nobody can choose those that share one."""
    return &s.machines[fold(mac ^ s.table.key[0], s.table.key[1] | 1) & (MACHINES - 1)]


cdef inline bint is_own(const uint8_t *address) noexcept nogil:
    """Whether an address of IPv4 is a device's for a while, and not one that it has before it is given one (RFC 1122, 3927)."""
    return address[12] != 0 and (address[12] != 169 or address[13] != 254)


cdef void ipv4_learn(Shard *s, const uint8_t *mac, const uint8_t *address) noexcept nogil:
    cdef uint64_t number = 0
    cdef Machine *m
    memcpy(&number, mac, MAC)
    if number == 0 or not is_own(address):
        return
    m = machine_of(s, number)
    if m.mac != number:
        memset(m, 0, sizeof(Machine))
        m.mac = number
    elif s.now - m.seen <= MACHINE_TIME and memcmp(m.address, address, 16) != 0:
        m.several = s.now + MACHINE_TIME
    memcpy(m.address, address, 16)
    m.seen = s.now


cdef bint device_learn(Shard *s, Flow *f, const Packet *p, int side) noexcept nogil:
    """True where the packet tells what was not known yet.  Without knowing where the LAN is, whoever opened is local."""
    cdef int local = f.local if f.local < 2 else opener(f)
    cdef const uint8_t *mac = p.sender if side == local else p.receiver
    cdef char[18] text
    cdef int i
    if mac == NULL or mac[0] & GROUP:
        return False
    for i in range(MAC):
        text[3 * i] = HEX[mac[i] >> 4]
        text[3 * i + 1] = HEX[mac[i] & 15]
        text[3 * i + 2] = c":"
    text[TEXT] = 0
    f.mac = string_keep(s.strings, text, TEXT)
    if f.version == 4 and not f.tunnel:
        ipv4_learn(s, mac, f.addr[local])
    return f.mac != NONE


cdef void device_forget(Shard *s, Flow *f) noexcept nogil:
    string_drop(s.strings, f.mac)
    f.mac = NONE


cdef bint device_read(const Shard *s, const Flow *f, uint8_t *out) noexcept nogil:
    """The six bytes, then zeros, ROOM of them together; False where the device is not known."""
    cdef const char *text = string_text(s.strings, f.mac)
    cdef int i
    memset(out, 0, ROOM)
    if text[0] == 0:
        return False
    for i in range(MAC):
        out[i] = <uint8_t>(digit(text[3 * i]) << 4 | digit(text[3 * i + 1]))
    return True


cdef const uint8_t *device_ipv4(const Shard *s, const Flow *f) noexcept nogil:
    """The address of IPv4 that the flow's client has; NULL where it is not known, or not of this machine alone."""
    cdef uint8_t[ROOM] read
    cdef uint64_t mac = 0
    cdef const Machine *m
    if f.tunnel or (f.local < 2 and f.local != opener(f)) or not device_read(s, f, read):
        return NULL
    memcpy(&mac, read, MAC)
    m = machine_of(s, mac)
    if m.mac != mac or s.now - m.seen > MACHINE_TIME or m.several > s.now:
        return NULL
    return m.address


cdef inline uint8_t digit(char c) noexcept nogil:
    return <uint8_t>(c - c"0" if c <= c"9" else c - c"a" + 10)
