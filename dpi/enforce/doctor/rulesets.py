"""Checks of what other software has in the firewall and in the routing rules."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning
from dpi.enforce.doctor.marks import free_mask, judge, judge_routing, routing_rules, used_bits
from dpi.enforce.doctor.ruleset import QueueUse


@check(
    "marks",
    "nftables, iptables and `ip rule` for others that use bits of our mark's mask",
    "Packet and connection marks are shared by all software on the box; two that use the same bits undo each other",
)
def marks(box: Box) -> Iterator[Found]:
    layout = box.marks
    routing = routing_rules(box.rules)
    found = [f for f in (judge_routing(rule, layout) for rule in routing) if f]
    rules = box.ruleset.rules if box.root else []
    routed = box.plan is None or bool(box.plan.kernel.routes)
    redirected = box.plan is not None and any(tree.ifb for tree in box.plan.kernel.trees)
    for rule in rules:
        found += judge(rule, layout, routed=routed, redirected=redirected)
    yield from found
    if not box.root:
        yield note("only `ip rule` was looked at: reading the firewall's rules needs root")
    for fault in box.ruleset.faults if box.root else []:
        yield warning(f"rules that could not be read: {fault}")
    if box.root and box.ruleset.having("unreadable"):
        (first, *_) = box.ruleset.having("unreadable")
        yield note(
            f"what iptables' or ebtables' extensions do in rules of others is not known ({first.where})",
            "apt install iptables",
        )
    if any(f.level in ("warning", "error") for f in found):
        yield _proposal(box, used_bits(rules, routing))
    elif box.root and not found:
        yield ok(f"nobody else uses bits of {layout.mask:#010x}")


def _proposal(box: Box, used: int) -> Found:
    """Bits that nobody else uses, enough for the policy's rules."""
    highest = max((d.number for d in box.plan.kernel.dispositions), default=1) if box.plan else 1
    free = free_mask(used, 4 + highest.bit_length())
    if free is None:
        return note("there are not enough bits that nobody uses: the others have to be moved")
    if free == box.marks.mask:
        return note(f"our mask {free:#010x} is still the best: the rules above have to name the bits that they mean")
    return note(f"free mask: {free:#010x}", f"dpi run --set marks.mask={free:#010x} (or marks: mask: in the policy)")


@check(
    "priority",
    "nftables and iptables for others that set the packet's priority (`meta priority set`, CLASSIFY)",
    "A packet finds its class by its priority: who sets it later takes the packet out of its class",
    needs_policy=True,
)
def priority(box: Box) -> Iterator[Found]:
    if not box.kernel.trees:
        yield ok("the policy has no classes, so nobody's priorities matter")
        return
    found = [r for r in box.ruleset.having("priority") if r.at("forward", "postrouting", "egress")]
    for rule in found:
        yield warning(f"{rule.where} sets the packet's priority", rule.show)
    if not found:
        yield ok("nobody else sets the priority of forwarded packets")


@check(
    "flowtable",
    "nftables flowtables and rules that fill them (`flow add`, FLOWOFFLOAD)",
    "Packets of an offloaded flow skip the firewall's hooks: they are not named, marked, shaped, counted or blocked",
)
def flowtable(box: Box) -> Iterator[Found]:
    adding, tables = box.ruleset.having("flowtable"), box.ruleset.flowtables
    devices = sorted({device for _, found in tables for device in found})
    ours = box.devices() if box.plan else devices
    elsewhere = bool(devices) and not any(fnmatch(name, device) for name in ours for device in devices)
    for rule in adding:
        if elsewhere:
            yield note(f"{rule.where} offloads flows, of {', '.join(devices)} only")
        else:
            yield error(
                f"{rule.where} offloads flows{' of ' if devices else ''}{', '.join(devices)}",
                f"{rule.show}; delete that rule, or let it take only flows that no rule of the policy is about",
            )
    if not adding:
        for where, found in tables:
            yield note(f"{where} has {', '.join(found) or 'no devices'}; no rule fills it")
    if not adding and not tables:
        yield ok("no flows are offloaded")


@check(
    "untracked",
    "nftables and iptables for `notrack` rules on forwarded traffic",
    "What conntrack does not see has no connection mark: it is neither named nor shaped",
)
def untracked(box: Box) -> Iterator[Found]:
    found = [r for r in box.ruleset.having("untracked") if not r.local_only]
    for rule in found:
        yield note(f"{rule.where} takes packets out of conntrack", rule.show)
    if not found:
        yield ok("conntrack sees all forwarded traffic")


@check(
    "queue-rules",
    "nftables and iptables for others that send packets to our queues' numbers",
    "Their packets would be answered by us, and ours by them",
    needs_policy=True,
)
def queue_rules(box: Box) -> Iterator[Found]:
    numbers, clean = box.queues, True
    for rule in box.ruleset.rules:
        for effect in rule.effects:
            if isinstance(effect, QueueUse) and effect.first < numbers.stop and effect.last >= numbers.start:
                clean = False
                yield error(
                    f"{rule.where} uses the queues {effect.first} to {effect.last}, ours are "
                    f"{numbers.start} to {numbers.stop - 1}",
                    f"dpi run --set queue.base={_free_base(box)} (or queue: base: in the policy)",
                )
    if clean:
        yield ok(f"nobody else uses the queues {numbers.start} to {numbers.stop - 1}")


def _free_base(box: Box) -> int:
    """The first queue after all that others use, or far away from them."""
    last = max(
        (e.last for r in box.ruleset.rules for e in r.effects if isinstance(e, QueueUse) and e.last < 65000), default=0
    )
    return last + 1


@check(
    "firewall",
    "nftables and iptables for chains that drop forwarded packets by default",
    "What the firewall drops is not seen here; after installing Docker, for one, a router forwards no more",
)
def firewall(box: Box) -> Iterator[Found]:
    found = [d for d in box.ruleset.dropping if d.hook == "forward"]
    for chain in found:
        yield note(f"{chain.where} drops what no rule of it accepts: it must accept lan to wan and back")
    if not found:
        yield ok("no chain drops forwarded packets by default")
