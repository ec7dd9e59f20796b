"""The kernel's state: everything in this namespace that bears our sign, as resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dpi.enforce import iptables, sysctl
from dpi.enforce.names import ALIAS, LINK_CLASS, MAJORS
from dpi.enforce.nft.table import actual_table
from dpi.enforce.qdisc import leaves, message
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot, listed_classes
from dpi.enforce.qdisc.ifb import IfbLink, read_redirects
from dpi.enforce.resource import Handles, Resource, State, state_of
from dpi.enforce.routes import read_next_hops, read_rules
from dpi.enforce.state import StateFile


def actual(handles: Handles) -> State:
    """Reads all of it; what is not ours is not in it."""
    return state_of(_all(handles))


def _all(handles: Handles) -> Iterator[Resource]:
    ip = handles.ip
    links = list(ip.get_links())
    names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in links}
    yield from _sysctls(handles.state)
    for link in links:
        if link.get_attr("IFLA_IFALIAS") == ALIAS:
            yield IfbLink(names[link["index"]])
    yield from _trees(ip, names)
    yield from read_redirects(ip, names)
    yield from read_next_hops(ip, names)
    yield from read_rules(ip)
    for family in ("inet", "bridge"):
        table = actual_table(family)
        if table:
            yield table
    for version in iptables.TOOLS:
        step = iptables.actual_step(version)
        if step:
            yield step


def _sysctls(state: StateFile) -> Iterator[Resource]:
    for path in state.sysctls:
        value = sysctl.read(path)
        if value is not None:
            yield sysctl.Sysctl(path, value)


def _trees(ip: Any, names: dict[int, str]) -> Iterator[Resource]:
    qdiscs = list(ip.get_qdiscs())
    for root in qdiscs:
        major, index = root["handle"] >> 16, root["index"]
        if root["parent"] != message.ROOT or root.get_attr("TCA_KIND") != "htb" or major not in MAJORS.values():
            continue
        if index not in names:
            continue
        yield HtbRoot(names[index], major)
        ends = {
            q["parent"]: leaves.decode(q.get_attr("TCA_KIND"), q.get_attr("TCA_OPTIONS"))
            for q in qdiscs
            if q["index"] == index and q["parent"] >> 16 == major
        }
        classes = {c["handle"]: c for c in listed_classes(ip, index)}
        inner = {c["parent"] for c in classes.values()}
        for handle, class_ in classes.items():
            options = class_.get_attr("TCA_OPTIONS")
            parms = options.get_attr("TCA_HTB_PARMS")
            path = _path(handle, classes)
            # The link's class is an inner one by meaning, even before it has children.
            has_children = handle in inner or path == (LINK_CLASS,)
            yield HtbClass(
                device=names[index],
                major=major,
                path=path,
                inner=has_children,
                rate=options.get_attr("TCA_HTB_RATE64") or parms["rate"],
                ceil=options.get_attr("TCA_HTB_CEIL64") or parms["ceil"],
                buffer=parms["buffer"],
                cbuffer=parms["cbuffer"],
                priority=parms["prio"],
                quantum=parms["quantum"],
                leaf=None if has_children else ends.get(handle),
            )


def _path(handle: int, classes: dict[int, Any]) -> tuple[int, ...]:
    path: list[int] = []
    while handle in classes:
        path.insert(0, handle & 0xFFFF)
        handle = classes[handle]["parent"]
    return tuple(path)
