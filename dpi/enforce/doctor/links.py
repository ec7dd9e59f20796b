"""Checks of what the hardware does on its own, how fast it is and how large its frames are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpi.enforce.doctor import ethtool
from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning
from dpi.policy.units import rate_text


@check(
    "offloads",
    "what the interfaces' drivers offload: LRO, hardware tc, XDP programs (without a policy: of all interfaces)",
    "GRO and GSO are fine and make queueing cheap; LRO merges packets past repair, so a router must not use it; what "
    "hardware or XDP forwards by itself never gets here",
)
def offloads(box: Box) -> Iterator[Found]:
    links = box.present() if box.plan else [link for link in box.links.values() if link.name != "lo"]
    clean = []
    for link in links:
        try:
            found = list(offloaded(link.name, ethtool.features(link.name)))
        except OSError as fault:
            found = [note(f"{link.name}: the driver does not tell: {fault.strerror}")]
        if link.xdp:
            found.append(
                warning(
                    f"{link.name} has an XDP program: what it forwards or drops is not seen",
                    f"bpftool net show dev {link.name}; ip link set {link.name} xdp off",
                )
            )
        yield from found
        if not found:
            clean.append(link.name)
    if clean:
        yield ok(f"{', '.join(clean)}: nothing that hides packets")


def offloaded(name: str, features: Mapping[str, bool]) -> Iterator[Found]:
    """What is wrong with features that are on."""
    if features.get("rx-lro"):
        yield error(f"{name} has LRO on", f"ethtool -K {name} lro off")
    if features.get("rx-gro") is False:
        yield note(
            f"{name} has GRO off: bulk traffic costs several times the packets",
            f"ethtool -K {name} gro on",
            "GRO joins packets of a flow in a way that forwarding undoes exactly",
        )
    if features.get("hw-tc-offload"):
        yield note(
            f"{name} has hw-tc-offload on: tc rules with skip_sw, if somebody has any, forward in hardware",
            f"ethtool -K {name} hw-tc-offload off",
        )
    if features.get("l2-fwd-offload"):
        yield note(f"{name} has l2-fwd-offload on", f"ethtool -K {name} l2-fwd-offload off")


@check(
    "speed",
    "the link's rates in the policy against the speed of the interfaces, and the duplex",
    "A queue builds where the way is narrowest; where that is the interface, our classes have nothing to divide",
    needs_policy=True,
)
def speed(box: Box) -> Iterator[Found]:
    speeds = {link.name: ethtool.speed(link.name) for link in box.present()}
    for name, known in speeds.items():
        if known and known.half_duplex:
            yield warning(f"{name} runs at half duplex", f"ethtool -s {name} autoneg on (and look at the other end)")
    fast = []
    for tree in box.kernel.trees:
        known = speeds.get(tree.device)
        if known is None:
            continue
        if tree.rate > known.mbit * 1_000_000:
            yield warning(
                f"link: {tree.direction} is {rate_text(tree.rate)}, and {tree.device} runs at {known.mbit}mbit",
                f"ethtool {tree.device}: why no faster? Or link: {tree.direction}: less than {known.mbit}mbit",
            )
        else:
            fast.append(f"{tree.device} {known.mbit}mbit for {rate_text(tree.rate)} {tree.direction}")
    if fast:
        yield ok("; ".join(fast))
    elif not box.kernel.trees:
        yield ok("the policy has no rates")
    unknown = [name for name, known in speeds.items() if known is None]
    if unknown:
        yield note(f"{', '.join(unknown)}: no speed is known (virtual, or no carrier)")


@check(
    "mtu",
    "the MTUs of lan and wan, and where they differ, whether TCP's MSS is clamped",
    "Larger packets than the way takes need ICMP to come back; where that is filtered, connections hang",
    needs_policy=True,
)
def mtu(box: Box) -> Iterator[Found]:
    lan = {link.name: link.mtu for link in box.present("lan")}
    wan = {link.name: link.mtu for link in box.present("wan")}
    sizes = ", ".join(f"{name} {size}" for name, size in {**lan, **wan}.items())
    if not lan or not wan:
        yield note("not known while lan or wan is missing")
    elif max(lan.values()) == min(wan.values()) == max(wan.values()) == min(lan.values()):
        yield ok(f"all the same: {sizes}")
    elif box.kernel.mode == "bridge":
        yield error(
            f"the bridge's ports differ: {sizes}", "ip link set DEVICE mtu SIZE", "A bridge drops what is too large"
        )
    elif max(lan.values()) <= min(wan.values()):
        yield ok(f"wan takes all that lan sends: {sizes}")
    elif box.root and box.ruleset.having("clamp"):
        yield ok(f"they differ, and the MSS is clamped: {sizes}")
    else:
        yield (warning if box.root else note)(
            f"wan takes smaller packets than lan sends: {sizes}; no rule that clamps the MSS was seen",
            "nft add rule inet TABLE FORWARD_CHAIN tcp flags syn tcp option maxseg size set rt mtu",
        )
