"""What DNS answers teach: see answers.pyx."""

from dpi.capture.decision cimport Decision
from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef void answer_learn(Shard *shard, Flow *flow, const Packet *packet, Decision *decision) noexcept nogil
