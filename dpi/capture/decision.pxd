"""What becomes of one queued packet; the engine fills it, the queue reader sends it."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum Verdict:
    ACCEPT
    DROP
    HOLD                    # accepted a moment later: when the control plane releases it, or by its deadline


cdef struct Decision:
    uint8_t verdict         # Verdict
    uint8_t has_mark
    uint32_t mark           # our bits alone; the reader merges them: (old & ~mask) | mark
    uint64_t hold           # HOLD: the number by which the control plane releases it (Event.hold)
