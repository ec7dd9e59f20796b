"""The kernel's state: everything in this namespace that bears our sign, as resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpi.enforce import iptables, sysctl
from dpi.enforce.names import LINK_CLASS, LINK_GROUP, TABLE, is_ours
from dpi.enforce.netlink import Netlink
from dpi.enforce.nft import host_maps, host_table
from dpi.enforce.nft.elements import FAMILIES, tables
from dpi.enforce.nft.table import actual_table
from dpi.enforce.qdisc import branch, leaves, message, read
from dpi.enforce.qdisc.filter import read_tree_filters
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot
from dpi.enforce.qdisc.ifb import IfbLink, read_redirects
from dpi.enforce.qdisc.leaf import Leaf
from dpi.enforce.resource import Handles, Resource, State, state_of
from dpi.enforce.routes import read_next_hops, read_rules
from dpi.enforce.state import StateFile
from dpi.policy.branches import FIRST_MINOR, LAST_ALONE


def actual(handles: Handles, trees: Iterable[Resource] | None = None) -> State:
    """Reads all of it; what is not ours is not in it.  `trees`: what is known of qdiscs and classes, not read then."""
    return state_of(_all(handles, trees))


def _all(handles: Handles, trees: Iterable[Resource] | None) -> Iterator[Resource]:
    ip = handles.ip
    links = list(ip.get_links())
    names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in links}
    yield from _sysctls(handles.state)
    for link in links:
        if link.get_attr("IFLA_GROUP") == LINK_GROUP:
            yield IfbLink(names[link["index"]], up=bool(link["flags"] & 0x1))
    kernel = handles.rtnl()
    yield from _trees(kernel, names) if trees is None else trees
    yield from read_redirects(names)
    yield from read_tree_filters(kernel, names)
    yield from read_next_hops(ip, names)
    yield from read_rules(ip)
    yield from _tables()
    for version in iptables.TOOLS:
        step = iptables.actual_step(version)
        if step:
            yield step


def _tables() -> Iterator[Resource]:
    try:
        there = tables()
    except OSError:  # a kernel without nftables
        return
    for family, number in FAMILIES.items():
        table = actual_table(family) if (number, TABLE) in there else None
        if table:
            yield table
        hosts = host_table.actual(family) if (number, host_maps.TABLE) in there else None
        if hosts:
            yield hosts


def _sysctls(state: StateFile) -> Iterator[Resource]:
    for path in state.sysctls:
        value = sysctl.read(path)
        if value is not None:
            yield sysctl.Sysctl(path, value)


def roots(kernel: Netlink, names: dict[int, str]) -> list[HtbRoot]:
    """Our root qdiscs."""
    found = ((name, read.qdisc(kernel, index, message.ROOT)) for index, name in names.items())
    return [HtbRoot(name, q.handle >> 16) for name, q in found if q and q.kind == "htb" and is_ours(q.handle >> 16)]


def _trees(kernel: Netlink, names: dict[int, str]) -> Iterator[Resource]:
    ours = roots(kernel, names)
    ends = _leaves(kernel, names) if ours else {}
    for root in ours:
        yield root
        index = next(index for index, name in names.items() if name == root.device)
        classes = {c.handle & 0xFFFF: c for c in read.classes(kernel, index, root.major)}
        yield from _tree(root.device, root.major, classes, ends.get((root.device, root.major), {}))


def _leaves(kernel: Netlink, names: dict[int, str]) -> dict[tuple[str, int], dict[int, Leaf]]:
    """(device, major of the tree) → minor of the class → the qdisc at its end."""
    found: dict[tuple[str, int], dict[int, Leaf]] = {}
    for q in read.qdiscs(kernel):
        if q.device in names and is_ours(q.parent >> 16):
            tree = found.setdefault((names[q.device], q.parent >> 16), {})
            tree[q.parent & 0xFFFF] = leaves.known(q.kind, q.options)
    return found


def _tree(device: str, major: int, classes: dict[int, read.Class], ends: dict[int, Leaf]) -> Iterator[Resource]:
    inner = {c.parent & 0xFFFF for c in classes.values()}
    paths: dict[int, tuple[int, ...]] = {}
    for minor, found in classes.items():
        above = found.parent & 0xFFFF
        if FIRST_MINOR <= minor <= LAST_ALONE:
            if above not in classes or classes[above].quantum != branch.SHARED or above == LINK_CLASS:
                yield branch.made_of(device, major, _path(minor, classes, paths), classes, ends)
            continue
        path = _path(minor, classes, paths)
        # The link's class is an inner one by meaning, even before it has children.
        has_children = minor in inner or path == (LINK_CLASS,)
        yield HtbClass(
            device=device,
            major=major,
            path=path,
            inner=has_children,
            rate=found.rate,
            ceil=found.ceil,
            buffer=found.buffer,
            cbuffer=found.cbuffer,
            priority=found.priority,
            quantum=found.quantum,
            leaf=None if has_children else ends.get(minor),
        )


def _path(minor: int, classes: dict[int, read.Class], known: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Minors from the link's class down."""
    if minor not in known:
        above = classes[minor].parent
        known[minor] = (*(() if above == message.ROOT else _path(above & 0xFFFF, classes, known)), minor)
    return known[minor]
