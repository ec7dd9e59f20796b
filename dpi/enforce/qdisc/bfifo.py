"""bfifo as the leaf of a class, where the kernel has nothing better: one queue, as long as 50 ms of the rate.

By bytes, as packets may be merged ones (GRO) of 64 kB, of which a limit in packets makes seconds.  Measured with an
echo beside one bulk flow at 20 Mbit/s between namespaces: 1,408 ms behind 330 packets (200 ms of full frames), 48
behind these 125 kB; the flow had 19.1 Mbit/s each time.  Much shorter, and TCP does not reach the rate over a long
path.  At low rates it holds some full frames, so that a burst as small as that with which TCP begins (10, RFC 6928) is
not cut: 24 kB at 1 Mbit/s gave 0.96 Mbit/s and a delay of 154 ms, 131 kB gave 0.93 and 777.
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
