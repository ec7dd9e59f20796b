"""Which device of the LAN a flow is of: the MAC address of the side behind our LAN, out of the frame that it came in.

A router is told who sent a frame and not to whom the next one goes; so a flow that is opened from outside has its
device with the first packet that comes back.  A flow keeps the address as text in the pool of strings, since few devices
have many flows.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.flow.strings cimport string_drop, string_keep, string_text
from dpi.wire.hexadecimal cimport HEX
from dpi.wire.packet cimport Packet


cdef enum:
    GROUP = 1               # the bit of a MAC address that is nobody's alone (IEEE 802, 8.2)
    MAC = 6
    TEXT = 17               # 02:11:22:33:44:55
    ROOM = 16               # bytes that device_read() writes


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


cdef inline uint8_t digit(char c) noexcept nogil:
    return <uint8_t>(c - c"0" if c <= c"9" else c - c"a" + 10)
