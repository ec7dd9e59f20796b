"""bfifo as the leaf of a class, where the kernel has nothing better: one queue, as long as 50 ms of the rate.

By bytes, as packets may be merged ones (GRO) of 64 kB: a queue that counts those as packets is 40 times as long as it
was meant.  Much shorter, and TCP does not reach the rate over a long path.  At low rates it holds some full frames, so
that a burst as small as that with which TCP begins (10, RFC 6928) is not cut.
"""

from __future__ import annotations

import struct

from dpi.enforce.qdisc.leaf import MTU, Leaf, Purpose

QUEUE = 0.05  # seconds
FRAMES = 16  # at least
QOPT = struct.Struct("=I")  # tc_fifo_qopt: the limit, in bytes; a plain structure, not attributes


def wanted(purpose: Purpose) -> Leaf:
    return Leaf.of("bfifo", limit=min(max(int(purpose.ceil / 8 * QUEUE), FRAMES * MTU), 2**32 - 1))


def encode(leaf: Leaf) -> bytes:
    """Its TCA_OPTIONS, for which pyroute2 has no form."""
    return QOPT.pack(dict(leaf.options)["limit"])


def decode(options: bytes) -> Leaf:
    return Leaf.of("bfifo", limit=QOPT.unpack_from(options)[0])
