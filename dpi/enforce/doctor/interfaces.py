"""Checks of the interfaces that the policy names: there, up, on the right side, with room for their rates."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from dpi.enforce.doctor.box import Box, Link
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning
from dpi.enforce.names import MAJORS
from dpi.enforce.run import attempt
from dpi.errors import KernelError


@check(
    "interfaces",
    "the interfaces that the policy names: there, up, with carrier and address, not part of a bridge",
    "Traffic is seen only between interfaces that are there; a bridge's port is not where a router's packets come in",
    needs_policy=True,
)
def interfaces(box: Box) -> Iterator[Found]:
    sound = []
    for name in box.devices():
        link = box.links.get(name)
        if link is None:
            others = ", ".join(sorted(n for n, other in box.links.items() if n != "lo" and not other.ours))
            yield error(
                f"{name} is not there (there are: {others or 'none'})", "ip -br link; then interfaces: in the policy"
            )
            continue
        found = list(_of_bridge(link) if box.kernel.mode == "bridge" else _of_router(box, link))
        if not link.up:
            found.append(error(f"{name} is down", f"ip link set {name} up"))
        elif not link.carrier:
            found.append(
                warning(f"{name} has no carrier", f"look at the cable and the other end: ip -br link show {name}")
            )
        yield from found
        if not found:
            sound.append(name)
    if box.kernel.mode == "bridge":
        bridges = {link.master for link in box.present() if link.master}
        if len(bridges) > 1:
            yield error(
                f"the interfaces are in different bridges: {', '.join(sorted(bridges))}",
                "put them into one: ip link set DEVICE master BRIDGE",
            )
    lan, wan = set(box.devices("lan")), set(box.devices("wan"))
    for name in sorted(lan & wan):
        if box.kernel.mode == "bridge":
            continue  # two VLANs of one trunk
        if box.kernel.local:
            yield note(f"{name} is both lan and wan: what is from {', '.join(box.kernel.local)} goes up")
        else:
            yield error(f"{name} is both lan and wan", "say which prefixes are behind the LAN: interfaces: local:")
    if sound:
        yield ok(f"{', '.join(sound)}: there and up")


def _of_router(box: Box, link: Link) -> Iterator[Found]:
    if link.master and box.links[link.master].kind in ("bridge", "bond", "team", "openvswitch"):
        yield error(
            f"{link.name} is part of {link.master}: routed packets come in by {link.master}",
            f"name {link.master} in its place: dpi run --set interfaces.lan={link.master} (or wan)",
        )
    elif link.up and not box.addresses.get(link.name):
        yield warning(f"{link.name} has no address", f"ip address add ADDRESS/LENGTH dev {link.name}")


def _of_bridge(link: Link) -> Iterator[Found]:
    if link.kind == "bridge":
        yield error(f"{link.name} is the bridge itself", "name the bridge's ports: bridge link")
    elif not link.master:
        yield error(f"{link.name} is in no bridge", f"ip link set {link.name} master BRIDGE")


@check(
    "sides",
    "by which interface packets to the internet leave, and where the public addresses are",
    "With lan and wan swapped everything is named and shaped the wrong way round: downloads as uploads",
    needs_policy=True,
)
def sides(box: Box) -> Iterator[Found]:
    if box.kernel.mode == "bridge":
        yield ok("a bridge has no routes to tell by")
        return
    lan, wan = set(box.devices("lan")), set(box.devices("wan"))
    caches = {route.device for route in box.kernel.routes}
    ways = {version: device for version, device in box.leaves_by.items() if device}
    for version, device in ways.items():
        if device in lan - wan:
            yield error(
                f"packets to the internet leave by {device} (IPv{version}), which the policy calls lan",
                "swap lan and wan under interfaces: in the policy",
            )
        elif device in wan:
            yield ok(f"packets to the internet leave by {device} (IPv{version}), which is wan")
        elif device not in caches:
            yield warning(
                f"packets to the internet leave by {device} (IPv{version}), which the policy does not name",
                f"dpi run --set interfaces.wan={device}, or look at ip -{version} route",
                "What goes between other interfaces than lan and wan is not seen",
            )
    if not ways:
        if _public(box, lan - wan) and box.present("wan") and not _public(box, wan - lan):
            yield warning(
                "the addresses on lan are public and those on wan private",
                "see whether lan and wan under interfaces: are swapped",
            )
        yield warning("there is no route to the internet", "ip route add default via GATEWAY")


@check(
    "next-hops",
    "the caches' next hops: on a network that the box is connected to, by an interface that is up; and whether a proxy "
    "listens where the policy says",
    "A cache that cannot be reached has its traffic go the normal way: nothing breaks, and nothing is saved",
    needs_policy=True,
)
def next_hops(box: Box) -> Iterator[Found]:
    clean = True
    for route in box.kernel.routes:
        if route.here and (fault := _deaf(route.port)):
            clean = False
            yield warning(f"cache {route.name}: {fault}", f"start the proxy with a transparent port {route.port}")
        link = box.links.get(route.device) if route.device else None
        if route.device and (link is None or not (link.up and link.carrier)):
            clean = False
            state = "is not there" if link is None else "is down" if not link.up else "has no carrier"
            yield warning(f"cache {route.name}: {route.device} {state}", f"ip link set {route.device} up")
            continue
        for hop in filter(None, (route.next_hop4, route.next_hop6) if route.kind != "dns" else ()):
            if not _connected(box, hop, route.device):
                clean = False
                yield warning(
                    f"cache {route.name}: {hop} is not on a network that this box is connected to"
                    + (f" by {route.device}" if route.device else ""),
                    "next_hop: in the policy, or ip address add ADDRESS/LENGTH dev DEVICE",
                )
    if clean:
        yield ok("all are there" if box.kernel.routes else "the policy has no caches")


def _deaf(port: int) -> str:
    """Why no connection can be handed to this port; empty where one can, or nobody can say."""
    try:
        code, listed, _ = attempt(["ss", "-Hltn", "--inet-sockopt", f"sport = :{port}"])
    except KernelError:  # there is no ss
        return ""
    if code:
        return ""
    if not listed.strip():
        return f"nobody listens on port {port}"
    return "" if "transparent" in listed else f"who listens on port {port} takes only what is addressed to this box"


def _connected(box: Box, hop: str, device: str | None) -> bool:
    address = ip_address(hop)
    found = box.addresses.items() if device is None else [(device, box.addresses.get(device, []))]
    return any(address in own.network for _, addresses in found for own in addresses if own.version == address.version)


def _public(box: Box, devices: set[str]) -> bool:
    return any(address.is_global for name in devices for address in box.addresses.get(name, ()))


@check(
    "subnets",
    "whether networks of lan and wan overlap",
    "Where the same addresses are on both sides, answers cannot find their way",
    needs_policy=True,
)
def subnets(box: Box) -> Iterator[Found]:
    clean = True
    for lan in box.devices("lan"):
        for wan in box.devices("wan"):
            if lan == wan:
                continue
            for a in box.addresses.get(lan, ()):
                for b in box.addresses.get(wan, ()):
                    if a.version == b.version and not a.is_link_local and a.network.overlaps(b.network):
                        clean = False
                        yield warning(
                            f"{a} on {lan} and {b} on {wan} overlap", f"give {lan} another network: ip address"
                        )
    if clean:
        yield ok("the networks of lan and wan are different ones")


@check(
    "qdisc",
    "the root and ingress qdiscs of the interfaces that we shape on",
    "A device has one root qdisc: we leave another's alone, and the policy is then refused",
    needs_policy=True,
)
def qdisc(box: Box) -> Iterator[Found]:
    shaped = {tree.device: tree for tree in box.kernel.trees}
    redirected = {tree.device for tree in box.kernel.trees if tree.ifb}
    clean = True
    for root in box.roots:
        if root.where == "clsact" and root.device in set(box.devices()) - redirected:
            clean = False
            yield note(
                f"{root.device} has tc filters of somebody (clsact)",
                f"tc filter show dev {root.device} ingress; tc filter show dev {root.device} egress",
                "What a filter or BPF program redirects there goes past the firewall's hooks, unseen",
            )
    for root in box.roots:
        tree = shaped.get(root.device)
        if tree is None:
            continue
        if root.where == "root" and root.major and root.major not in MAJORS.values() and tree.ifb is None:
            clean = False
            yield error(
                f"{root.device} already has a root qdisc, {root.kind} {root.major:x}:",
                f"tc qdisc del dev {root.device} root (and stop what sets it up: sqm, wondershaper, tc scripts)",
            )
        elif root.where == "ingress":
            clean = False
            yield warning(
                f"{root.device} has an ingress qdisc of somebody",
                f"tc filter show dev {root.device} ingress; tc qdisc del dev {root.device} ingress",
                "What is shaped or policed on its way in comes here already slowed down, or not at all",
            )
    if clean:
        yield ok("no others' qdiscs" if shaped else "the policy has no classes, so qdiscs do not matter")
