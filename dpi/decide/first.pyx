"""What a flow is called when its first packet is through."""

from dpi.decide.labels cimport categorise, name_at_end
from dpi.decide.shard cimport Shard
from dpi.decide.tell cimport emit
from dpi.flow.events cimport EVENT_FIRST
from dpi.flow.flow cimport FLOW_DECIDED, Flow
from dpi.flow.strings cimport string_drop


cdef void first_tell(Shard *s, const Flow *f) noexcept nogil:
    """Tells what the flow would be called if no more of it came; the flow itself is not touched."""
    cdef Flow alone = f[0]
    if not f.flags & FLOW_DECIDED:
        name_at_end(s, &alone)
        categorise(s, &alone)
        alone.decided_at = 1
    emit(s, &alone, EVENT_FIRST, 0)
    if alone.host != f.host:
        string_drop(s.strings, alone.host)
