"""Makes and removes the lab's namespaces, wires, addresses and routes, through pyroute2."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from pyroute2 import NetNS, netns

from dpi.errors import KernelError
from dpi.lab.topology import DNS4, DNS6, ROLES, SITES4, SITES6, WIRES

IFA_F_NODAD = 0x02  # linux/if_addr.h: usable at once
RTN_LOCAL = 2  # linux/rtnetlink.h
TABLE_LOCAL = 255
RT_SCOPE_HOST = 254
END_SECONDS = 5.0


def namespace(lab: str, role: str) -> str:
    return f"{lab}-{role}"


def exists(lab: str) -> bool:
    return any(namespace(lab, role) in netns.listnetns() for role in ROLES)


def make(lab: str) -> None:
    """Makes the lab named `lab`.  Raises KernelError, leaving nothing behind, where it cannot."""
    if exists(lab):
        raise KernelError(f"lab {lab!r} is up already: dpi lab down --name {lab}")
    try:
        for role in ROLES:
            netns.create(namespace(lab, role))
        for role in ROLES:
            _sysctl(namespace(lab, role), role)
        with NetNS(namespace(lab, "box")) as box:
            _up(box, "lo")
            for wire in WIRES:
                box.link(
                    "add",
                    ifname=wire.device,
                    kind="veth",
                    peer={"ifname": "eth0", "net_ns_fd": namespace(lab, wire.peer)},
                )
                _address(box, wire.device, wire.box4, wire.prefix4)
                _address(box, wire.device, wire.box6, wire.prefix6)
                _up(box, wire.device)
                with NetNS(namespace(lab, wire.peer)) as peer:
                    _up(peer, "lo")
                    for address in wire.peer4:
                        _address(peer, "eth0", address, wire.prefix4)
                    for address in wire.peer6:
                        _address(peer, "eth0", address, wire.prefix6)
                    _up(peer, "eth0")
                    peer.route("add", dst="default", gateway=wire.box4)
                    peer.route("add", dst="default", gateway=wire.box6, family=10)
            box.route("add", dst="default", gateway=WIRES[1].peer4[0])
            box.route("add", dst="default", gateway=WIRES[1].peer6[0], family=10)
        for role in ("inet", "cache"):
            with NetNS(namespace(lab, role)) as servers:
                _any_address(servers)
        with NetNS(namespace(lab, "inet")) as inet:
            _address(inet, "lo", DNS4, 32)
            _address(inet, "lo", DNS6, 128)
    except BaseException as error:
        remove(lab)
        if isinstance(error, Exception):
            raise KernelError(f"cannot make the lab: {error} (root is needed)") from error
        raise


def remove(lab: str) -> None:
    """Removes the namespaces, and with them all that was in them.  Nothing to remove is fine."""
    present = netns.listnetns()
    for role in ROLES:
        if namespace(lab, role) in present:
            netns.remove(namespace(lab, role))


def end(lab: str) -> None:
    """Kills all that runs in the namespaces, until nothing does: what watches another starts it again."""
    spaces = {(f.st_dev, f.st_ino) for f in (path(name).stat() for name in netns.listnetns() if _is_of(lab, name))}
    until = time.monotonic() + END_SECONDS
    while (left := [pid for pid in _processes() if _space(pid) in spaces]) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _is_of(lab: str, name: str) -> bool:
    return name in {namespace(lab, role) for role in ROLES}


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _space(pid: int) -> tuple[int, int] | None:
    """Which network namespace a process is in; None where it has gone."""
    try:
        found = Path(f"/proc/{pid}/ns/net").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _up(ns: NetNS, device: str) -> None:
    ns.link("set", index=ns.link_lookup(ifname=device)[0], state="up")


def _address(ns: NetNS, device: str, address: str, prefix: int) -> None:
    index = ns.link_lookup(ifname=device)[0]
    flags = {"flags": IFA_F_NODAD} if ":" in address else {}
    ns.addr("add", index=index, address=address, prefixlen=prefix, **flags)


def _any_address(ns: NetNS) -> None:
    """Every address of the sites is local here (AnyIP): a wildcard listener answers for all of them."""
    lo = ns.link_lookup(ifname="lo")[0]
    ns.route("add", dst=SITES4, oif=lo, type=RTN_LOCAL, table=TABLE_LOCAL, scope=RT_SCOPE_HOST)
    ns.route("add", dst=SITES6, oif=lo, type=RTN_LOCAL, table=TABLE_LOCAL, family=10)


def _sysctl(name: str, role: str) -> None:
    """Routing where it is wanted, no waiting for duplicate address detection, and what fills a path."""
    values = {
        "ipv6/conf/all/accept_dad": "0",
        "ipv6/conf/default/accept_dad": "0",
        "ipv6/conf/all/disable_ipv6": "0",
    }
    if role == "box":
        values |= {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
    if role != "box":
        # BBR, some machines' default, paces by its own estimate of a path, a tenth too low where there is no delay.
        # Of all others only Reno may be chosen in every namespace.
        values |= {"ipv4/tcp_congestion_control": "reno"}
    if role in ("inet", "cache"):
        values |= {"ipv6/ip_nonlocal_bind": "1"}  # IPv6 has no AnyIP for bind() otherwise
    script = "".join(f"echo {v} > /proc/sys/net/{k}\n" for k, v in values.items())
    subprocess.run(["nsenter", f"--net={path(name)}", "sh", "-ec", script], check=True)


def path(name: str) -> Path:
    return Path("/run/netns") / name
