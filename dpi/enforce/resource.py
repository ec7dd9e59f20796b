"""What all things in the kernel that we make have in common.

A resource is a value: two that compare equal are the same state of the same thing.  `key` says which thing it
is; a desired and an actual resource of one key that differ make a change, one of them alone an addition or a
removal.  `slot` is the place that it takes: two resources of different keys may want the same slot (a class
moved to another parent), then the old one must go first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dpi.enforce.netlink import NETLINK_ROUTE, Netlink
from dpi.errors import KernelError

if TYPE_CHECKING:
    from dpi.enforce.state import StateFile

Key = tuple[str | int, ...]
State = dict[Key, "Resource"]


@dataclass
class Handles:
    """What a transition works with.  `ip` is pyroute2's IPRoute, which has no types."""

    ip: Any
    state: StateFile
    proc: Path = Path("/proc/sys")
    sockets: list[Netlink] = field(default_factory=list)

    def rtnl(self) -> Netlink:
        """A plain netlink socket for what comes in thousands; closed with these handles."""
        if not self.sockets:
            self.sockets.append(Netlink(NETLINK_ROUTE, receive_buffer=4 << 20))
        return self.sockets[0]

    def close(self) -> None:
        while self.sockets:
            self.sockets.pop().close()

    def index(self, device: str) -> int:
        """The interface's index; KernelError when there is no such interface in this namespace."""
        found = self.ip.link_lookup(ifname=device)
        if not found:
            raise KernelError(f"{device}: no such interface here")
        return int(found[0])


@dataclass(frozen=True)
class Resource:
    """One thing in the kernel.  Subclasses are frozen dataclasses too."""

    kind: ClassVar[str] = ""
    rank: ClassVar[int] = 0  # additions go up, removals down this order

    @property
    def key(self) -> Key:
        raise NotImplementedError

    @property
    def slot(self) -> Key:
        return self.key

    @property
    def depth(self) -> int:
        """Within a rank: parents before children."""
        return 0

    @property
    def above(self) -> tuple[Key, ...]:
        """The slots of what this can only be while they are."""
        return ()

    def title(self) -> str:
        """Which thing, as in `class d1:a of lan0`."""
        raise NotImplementedError

    def words(self) -> str:
        """Its state, as in `rate 10mbit, ceil 20mbit`."""
        raise NotImplementedError

    def difference(self, before: Resource) -> str:
        return f"{before.words()} -> {self.words()}"

    def transition(self, handles: Handles, before: Resource | None, after: Resource | None) -> None:
        """Makes the thing what `after` says.  All of it, or KernelError and nothing of it."""
        if before is None:
            assert after is not None
            after.add(handles)
        elif after is None:
            before.remove(handles)
        else:
            after.change(handles, before)

    def add(self, handles: Handles) -> None:
        raise NotImplementedError

    def remove(self, handles: Handles) -> None:
        raise NotImplementedError

    def change(self, handles: Handles, before: Resource) -> None:
        """From `before`, which has the same key and is not equal."""
        before.remove(handles)
        try:
            self.add(handles)
        except Exception:
            before.add(handles)
            raise


def state_of(resources: Iterable[Resource]) -> State:
    return {resource.key: resource for resource in resources}
