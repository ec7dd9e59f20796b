"""Interfaces, marks and folders: what the box must have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dpi.policy.checks.case import Case
from dpi.policy.findings import near
from dpi.policy.link_layer import vlan_of
from dpi.policy.load import Path_
from dpi.policy.model.policy import Policy
from dpi.policy.names import Machine


def check(case: Case) -> None:
    if "interfaces" not in case.broken:
        _interfaces(case)
    if "marks" not in case.broken:
        _marks(case)
    if "queue" not in case.broken:
        queue = case.policy.queue
        if queue.count and queue.base + queue.count > 65536:
            case.error(("queue",), f"queues {queue.base} to {queue.base + queue.count - 1}: 65535 is the last")
    for i, folder in enumerate(case.policy.signatures):
        path = signature_folder(case.document.files[0], folder)
        if not path.is_dir():
            case.error(("signatures", i), f"there is no folder {path}")


def signature_folder(file: str, folder: str) -> Path:
    """A folder of signatures, from the folder of the policy that names it."""
    return Path(file).parent / folder


def _interfaces(case: Case) -> None:
    ifs = case.policy.interfaces
    seen: dict[tuple[str, int | None], str] = {}
    for side, ports in (("lan", ifs.lan), ("wan", ifs.wan)):
        for i, port in enumerate(ports):
            path: Path_ = ("interfaces", side, i)
            if seen.setdefault((port.device, port.vlan), side) == side and ports.index(port) < i:
                case.error(path, f"{port.device} stands here twice")
            known = case.machine.interfaces if case.machine else None
            if known is not None and port.device not in known:
                hint = near(port.device, known - {"lo"}) or f"; there are {', '.join(sorted(known - {'lo'})) or 'none'}"
                case.error(path, f"this machine has no interface {port.device}{hint}")
            if port.vlan is not None and ifs.mode == "router":
                case.error(
                    path, f"a router has an interface for each VLAN: name that one, as in {port.device}.{port.vlan}"
                )
    lan = {(p.device, p.vlan) for p in ifs.lan}
    both = sorted(p.device for p in ifs.wan if (p.device, p.vlan) in lan)
    if both and ifs.mode == "bridge":
        case.error(("interfaces",), f"{both[0]} is both lan and wan; a bridge needs two interfaces")
    elif both and not ifs.local:
        case.error(
            ("interfaces",), f"{both[0]} is both lan and wan; say with `local` which prefixes are behind the LAN"
        )


def lan_vlans(policy: Policy, machine: Machine | None) -> dict[str, int]:
    """The VLAN that each of a router's LAN devices is: as the kernel says it, else its name; others are left out."""
    known = machine.vlans if machine else {}
    devices = [port.device for port in policy.interfaces.lan] if policy.interfaces.mode == "router" else []
    found = {device: known.get(device) or vlan_of(device) for device in devices}
    return {device: vlan for device, vlan in found.items() if vlan}


def check_vlans(case: Case, path: Path_, vlans: Sequence[int]) -> None:
    """Those of whose frames none come to us."""
    if "interfaces" in case.broken:
        return
    ports = case.policy.interfaces.lan
    router = case.policy.interfaces.mode == "router"
    if not router and any(port.vlan is None for port in ports):
        return
    there = lan_vlans(case.policy, case.machine) if router else {p.device: p.vlan for p in ports}
    told = ", ".join(f"{device} is VLAN {vlan}" if router else f"VLAN {vlan}" for device, vlan in there.items())
    for i, vlan in enumerate(vlans):
        if vlan and vlan not in there.values():
            case.warn((*path, i), f"has no effect: no LAN interface is of VLAN {vlan}" + (f"; {told}" if told else ""))


def _marks(case: Case) -> None:
    mask = case.policy.marks.mask
    low = mask & -mask
    if mask & (mask + low) & 0xFFFFFFFF:
        case.error(("marks", "mask"), f"the bits of {mask:#010x} are not contiguous")
        return
    width = mask.bit_count()
    if width < 6:
        case.error(("marks", "mask"), f"{mask:#010x} has {width} bits; 6 are the least, 12 and more are better")
        return
    room = (1 << (width - 4)) - 2  # 0 is undecided, 1 is the default
    rules = sum(rule.enabled for rule in case.policy.rules.values())
    if rules > room:
        case.error(("marks", "mask"), f"{mask:#010x} has room for {room} rules and there are {rules}; take more bits")
