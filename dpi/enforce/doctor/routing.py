"""Checks of the sysctls between a packet that comes in and one that goes out."""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce import sysctl
from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning


@check(
    "forwarding",
    "net.ipv4.ip_forward and net.ipv6.conf.*.forwarding on lan and wan",
    "Without forwarding the box is no router: nothing passes",
    needs_policy=True,
)
def forwarding(box: Box) -> Iterator[Found]:
    if box.kernel.mode == "bridge":
        yield ok("a bridge does not need it")
        return
    devices = [link.name for link in box.present()]
    for version in (4, 6):
        used = any(a.version == version and not a.is_link_local for d in devices for a in box.addresses[d])
        off = _not_forwarding(box, version, devices)
        if not off:
            yield ok(f"IPv{version} is forwarded")
            yield from _advertisements(box) if version == 6 else ()
        elif used or (version == 4 and not any(box.addresses[d] for d in devices)):
            yield error(
                f"IPv{version} forwarding is off{_where(off)}",
                f"sysctl -w {' '.join(f'{path.replace(chr(47), chr(46))}=1' for path in off)} "
                "(and a file in /etc/sysctl.d so that it stays)",
            )
        else:
            yield note(f"IPv{version} forwarding is off; lan and wan have no IPv{version} addresses")


def _advertisements(box: Box) -> Iterator[Found]:
    """A router does not listen to routers, unless told so: the way to the internet, learnt before, then expires."""
    for link in box.present("wan"):
        if box.leaves_by[6] is None and box.sysctl(f"net/ipv6/conf/{link.name}/accept_ra") == 1:
            yield note(
                f"there is no IPv6 route to the internet, and {link.name} ignores router advertisements",
                f"sysctl -w net.ipv6.conf.{link.name}.accept_ra=2 (where the provider's router advertises itself)",
                "With accept_ra=1 they are taken only while IPv6 forwarding is off",
            )


def _not_forwarding(box: Box, version: int, devices: list[str]) -> list[str]:
    """The sysctls that would have to be set."""
    whole = "net/ipv4/ip_forward" if version == 4 else "net/ipv6/conf/all/forwarding"
    if not box.sysctl(whole):
        return [whole]  # set, it sets those of the interfaces
    paths = [f"net/ipv{version}/conf/{device}/forwarding" for device in devices]
    return [path for path in paths if box.sysctl(path) == 0]


def _where(paths: list[str]) -> str:
    devices = [path.split("/")[3] for path in paths if "/conf/" in path and "/all/" not in path]
    return f" on {', '.join(devices)}" if devices else ""


@check(
    "rp-filter",
    "net.ipv4.conf.*.rp_filter in force (the larger of `all` and the interface's) and src_valid_mark",
    "With strict reverse-path filtering the kernel drops what comes from a cache, or by the other of two lines: its "
    "routing table would send to that source by another way",
    needs_policy=True,
)
def rp_filter(box: Box) -> Iterator[Found]:
    wan = [link.name for link in box.present("wan")]
    proxied = [r.name for r in box.kernel.routes if r.here]
    mixed = [link.name for link in box.present("lan") if sysctl.marks_count_in_reverse(link.name)]
    if proxied and mixed:
        yield error(
            f"src_valid_mark is set on {', '.join(mixed)}: what the proxy {proxied[0]} gets is taken for forged",
            "sysctl -w " + " ".join(f"net.ipv4.conf.{name}.src_valid_mark=0" for name in ("all", *mixed)),
        )
    cached = any(route.next_hop4 or (route.device and not route.next_hop6) for route in box.kernel.routes)
    devices = list(dict.fromkeys([*wan, *(r.device for r in box.kernel.routes if r.device in box.links)]))
    lan = [link.name for link in box.present("lan") if sysctl.marks_count_in_reverse(link.name)]
    strict = [str(device) for device in dict.fromkeys([*devices, *lan]) if sysctl.strict(str(device))]
    names = ", ".join(strict)
    fix = "sysctl -w " + " ".join(f"net.ipv4.conf.{device}.rp_filter=2" for device in strict)
    if not strict:
        yield ok("not strict where it matters")
    elif cached and box.status is not None:
        yield error(f"strict on {names}, while caches are in use: somebody has set it since dpi started", fix)
    elif cached:
        yield warning(
            f"strict on {names}, and the policy has caches: `dpi run` sets it to loose there while it runs",
            f"{fix} (and a file in /etc/sysctl.d, so that nobody's start sets it back)",
        )
    elif len(wan) > 1:
        yield warning(f"strict on {names}, and there are several wan interfaces", fix)
    else:
        yield ok(f"strict on {names}, which does no harm without caches")
    if cached and lan:
        yield note(
            f"src_valid_mark is set on {', '.join(lan)}: reverse-path filtering looks with the packet's mark, so there "
            "it has to be loose too"
        )


@check(
    "bridge-nf",
    "net.bridge.bridge-nf-call-iptables and -ip6tables (br_netfilter)",
    "br_netfilter sends bridged packets through the IP hooks as well: they are seen twice, and a copy of a queued "
    "packet whose connection is new is dropped",
)
def bridge_nf(box: Box) -> Iterator[Found]:
    paths = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
    on = [path.replace("/", ".") for path in paths if box.sysctl(path)]
    if not on:
        yield ok("bridged packets do not pass the IP hooks")
    elif box.plan and box.plan.kernel.mode == "bridge":
        yield error(
            f"{' and '.join(on)} {'is' if len(on) == 1 else 'are'} set, and the policy is for a bridge",
            "sysctl -w " + " ".join(f"{name}=0" for name in on) + " (containers' networks may want it: then route)",
        )
    else:
        yield ok(f"{' and '.join(on)} set, which matters to bridges only")
