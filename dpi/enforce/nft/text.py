"""The text of our nftables table, from the plan: its parts in order, and the hooks by which the kernel enters them.

A connection carries our state in its mark, under `MarkLayout.mask`: disposition, `final`, route.  Two hooks
see forwarded packets: the queue step sends those of undecided connections to user space, and the chain
`forward` right after it (a packet accepted from a queue goes on *after* the queue's chain) stores what the
verdict's mark says, then blocks, counts and classifies by the connection's mark alone.  Each part's head says why it
is as it is: marks.py (counters, maps), police.py, actions.py, caches.py, proxies.py, forwarded.py.

* Plain `queue … to A-B` picks the queue by a hash of the two addresses that does not depend on the direction
  (nfqueue_hash() in net/netfilter/nfnetlink_queue.h); `fanout` picks it by CPU, so it is not used.
* A query that NAT sends to another resolver is left to that one: our answer would not come from whom the client has
  asked.
* What caches fetch is between interfaces that are not lan and wan to each other: their rules come after the jump for
  those that are, and cost traffic nothing.  Only a cache on the LAN has them before it.
* Where LAN and WAN are one interface, the kernel tells both ends by ICMP redirects that they can reach each other
  without us, and they go round the box.  So redirects do not leave by it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.names import TABLE
from dpi.enforce.nft.actions import action_chains, bridge_reject, decide_chains
from dpi.enforce.nft.caches import cache_chains, cache_sets, fills, steering
from dpi.enforce.nft.forwarded import direction_chains
from dpi.enforce.nft.marks import counters, maps
from dpi.enforce.nft.networks import WORD, local_networks
from dpi.enforce.nft.police import police_sets
from dpi.enforce.nft.proxies import proxied
from dpi.enforce.nft.spelling import Block, base_chain, chain, quoted
from dpi.enforce.nft.view import Facts, View, family
from dpi.policy.plan import KernelPlan

INVALID = "ct state invalid tcp flags & rst == 0x0"  # of TCP; packets that tell nothing left out
REDIRECTS = ["icmp type redirect", "icmpv6 type nd-redirect"]


def table_text(plan: KernelPlan, facts: Facts) -> str:
    """The table as `nft -f` takes it."""
    lines = [f"table {family(plan)} {TABLE} {{"]
    for block in _blocks(View(plan, facts)):
        lines += ["\t" + line if line else "" for line in block]
        lines.append("")
    lines[-1] = "}"
    return "\n".join(lines) + "\n"


def way_pairs(plan: KernelPlan, facts: Facts) -> list[tuple[str, str]]:
    """(in, out) pairs of devices between which packets are ours to see."""
    return list(View(plan, facts).ways())


def directions(plan: KernelPlan, facts: Facts) -> tuple[list[str], list[str]]:
    """Rules of a chain `forward` that sends packets to the chains `up` and `down` by no named set; and of `one_armed`,
    to which it goes where lan and wan are one device."""
    view = View(plan, facts)
    if view.with_vlan():
        return view.dispatch(), []
    one_armed = [
        f"{WORD[version]} saddr {{ {', '.join(prefixes)} }} {what}"
        for version, prefixes in local_networks(plan)
        for what in (f"{WORD[version]} daddr {{ {', '.join(prefixes)} }} return", "goto up")
    ]
    rules = [f"iifname . oifname vmap {{ {', '.join(view.paths())} }}"]
    return rules, [*one_armed, "goto down"] if view.one_armed else []


def copy_devices(plan: KernelPlan, facts: Facts) -> list[tuple[str, str]]:
    """(device, where copies go) of each device by which packets leave, where rules want copies."""
    target = next((d.copy for d in plan.dispositions if d.copy), None)
    leaving = dict.fromkeys([*(i.name for i in plan.interfaces), *facts.beyond])
    return [(device, target) for device in leaving] if target else []


def _blocks(view: View) -> Iterator[Block]:
    yield from counters(view)
    yield from maps(view)
    for d in view.policed:
        yield from police_sets(d)
    yield from cache_sets(view)
    yield from decide_chains(view)
    yield from action_chains(view)
    yield from cache_chains(view)
    yield from direction_chains(view)
    yield from _hooks(view)


def _hooks(view: View) -> Iterator[Block]:
    if view.one_armed:
        up = [f"{address} saddr @{name} goto up" for address, name in view.local_sets()]
        yield chain("one_armed", [*view.hairpins("return"), *up, "goto down"])
        redirects = [f"oifname {{ {quoted(view.one_armed)} }} {kind} drop" for kind in REDIRECTS]
        yield base_chain("no_redirects", "output", 0, redirects)
    if view.plan.routes:
        yield from steering(view)
    if view.bridge_refuses():
        yield from bridge_reject(view)
    if view.facts.nft_queue:
        yield _queue_chain(view)
    if view.here:
        yield from proxied(view)
    if view.named:
        marks = view.plan.marks
        own = f"meta mark & {marks.mask:#010x} == {marks.untracked:#010x}"
        yield base_chain("overriding", "output", -300, [f"udp sport 53 {own} notrack"])
    ours, fetched = view.dispatch(), fills(view)
    yield base_chain("forward", "forward", -149, fetched + ours if view.facts.cache_on_lan else ours + fetched)


def _queue_chain(view: View) -> Block:
    if view.with_vlan():
        ways = [way for way, _ in view.vlan_paths()]
    else:
        pairs = ", ".join(path.split(" : ")[0] for path in view.paths())
        ways = [f"iifname . oifname {{ {pairs} }}"]
    to_queue = f"queue flags bypass to {view.queues()}"
    queued = [f"{which} {way} {to_queue}" for which in (view.undecided, INVALID) for way in ways]
    asked_of_another = ["udp dport 53 ct status dnat accept"] if view.named else []
    return base_chain("to_queue", "forward", -150, [*view.hairpins("accept"), *asked_of_another, *queued])
