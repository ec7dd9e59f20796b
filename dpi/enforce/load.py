"""How much single classes have sent: asked one by one, since a list of all would have every subscriber's too."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from dpi.enforce.names import MAJORS, classid
from dpi.enforce.netlink import NETLINK_ROUTE, Netlink
from dpi.enforce.qdisc.read import class_bytes
from dpi.errors import KernelError
from dpi.policy.plan import Direction, KernelPlan

Class = tuple[Direction, str]


def sent(plan: KernelPlan, classes: Iterable[Class]) -> dict[Class, int]:
    """Bytes of layer 2 that each class has sent since it was made; those that are not there are left out."""
    found: dict[Class, int] = {}
    try:
        with Netlink(NETLINK_ROUTE) as kernel:
            for direction, name in classes:
                for device, minor in _places(plan, direction, name):
                    count = class_bytes(kernel, socket.if_nametoindex(device), classid(MAJORS[direction], minor))
                    if count is not None:
                        found[direction, name] = found.get((direction, name), 0) + count
    except (OSError, struct.error) as error:
        raise KernelError(f"classes cannot be read: {error}") from None
    return found


def _places(plan: KernelPlan, direction: Direction, name: str) -> set[tuple[str, int]]:
    """Devices, and the class's minor there."""
    trees = [tree for tree in plan.trees if tree.direction == direction]
    return {(tree.ifb or tree.device, c.minor) for tree in trees for c in tree.classes if c.name == name}
