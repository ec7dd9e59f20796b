"""What the kernel reports of a flow that it counts: how much passes, and that it has ended."""

from libc.stdint cimport int64_t, uint32_t

from dpi._fastpath cimport end
from dpi.decide.shard cimport Shard
from dpi.flow.events cimport END_REPORTED
from dpi.flow.flow cimport FLOW_OFFLOADED, Flow, one_way
from dpi.wire.packet cimport IP_TCP


cdef enum:
    IN_FLIGHT = 64          # packets that the kernel may have counted and not yet shown


cdef int raise_counters(Flow *f, int side, packets_src, bytes_src, packets_dst, bytes_dst) except -1:
    """To what the kernel has counted of the packets from `side` and from the other, where that is more."""
    f.packets[side] = min(max(f.packets[side], packets_src), 0xFFFFFFFF)
    f.bytes[side] = max(f.bytes[side], bytes_src)
    f.packets[1 - side] = min(max(f.packets[1 - side], packets_dst), 0xFFFFFFFF)
    f.bytes[1 - side] = max(f.bytes[1 - side], bytes_dst)
    return 0


cdef bint reported_end(Shard *s, uint32_t i, int side, packets_src, bytes_src, packets_dst, bytes_dst) except -1:
    """Ends flow number i, with the kernel's counters as `side` has them, or None; False where another one is meant.

    Reports come a little late: one of more packets than were seen, of a flow whose packets all pass here, is of
    an older connection on the same ports.  Where only one side's packets come by, the kernel's connection may be no
    more than the SYN: the flow goes on.
    """
    cdef Flow *f = &s.table.flows[i]
    if packets_src is not None:
        seen = f.packets[0] + f.packets[1]
        if f.proto == IP_TCP and one_way(f) >= 0 and packets_src + packets_dst < seen:
            return False
        if not f.flags & FLOW_OFFLOADED and packets_src + packets_dst > seen + IN_FLIGHT:
            return False
        raise_counters(f, side, packets_src, bytes_src, packets_dst, bytes_dst)
    end(s, i, END_REPORTED)
    return True


cdef int reported_counters(Shard *s, uint32_t i, int side, packets_src, bytes_src, packets_dst, bytes_dst,
                           int64_t now) except -1:
    """What the kernel has counted of flow number i so far, as `side` has it, and a sign that it lives."""
    cdef Flow *f = &s.table.flows[i]
    raise_counters(f, side, packets_src, bytes_src, packets_dst, bytes_dst)
    f.last = max(f.last, now)
    return 0
