"""Caches: how a connection is given one, keeps it and finds its way there, and what of it is counted.

* A verdict's mark may name a route in the route bits: the server of this connection belongs there.  The kernel
  then learns the address by itself, before the packet leaves.
* Only the very first packet of a connection, not yet confirmed, can be given a route.  What falls back from
  a dead next hop loses its route for good: an established connection never moves to a cache.
* Of a cache of several machines a hash of the client's address says which one takes it, for IPv6 of its /64
  (policy/spread.py).  One that is down or drained is passed over, so only its own clients go elsewhere.
* A cache that clients are told of by DNS is a destination like any other; its connections have its route for their
  account, and what answers queries in the resolver's place (daemon/override.py) is not tracked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpi.enforce.nft.networks import WORD, by_version, reached, versions
from dpi.enforce.nft.spelling import Block, base_chain, chain, prefix_set, quoted, set_
from dpi.enforce.nft.view import View
from dpi.policy.plan import HTTP, Route
from dpi.policy.spread import SLOTS, TRIES, owners

LEARNT_SIZE = 65536  # addresses a route and family; more are refused, not evicted
LOOPBACK = ("ip to 127.0.0.1", "ip6 to [::1]")  # where a proxy listens, or at all addresses


def cache_sets(view: View) -> Iterator[Block]:
    """Which next hops are out of use; and what a cache is asked for: what was learnt, and what the policy says."""
    for route in view.plan.routes:
        for state in ("dead", "drained"):
            yield set_(f"route{route.number}_{state}", "type mark")
    for name, number in view.plan.targets.items():
        routes = view.plan.caches[name]
        for version in reached(routes):
            body = (f"type ipv{version}_addr", f"size {LEARNT_SIZE}", "flags dynamic,timeout")
            yield set_(f"route{number}_learnt{version}", *body)
        for version, prefixes in by_version(routes[0].prefixes):
            if version in reached(routes):
                yield prefix_set(f"route{number}_known{version}", version, prefixes)


def cache_chains(view: View) -> Iterator[Block]:
    """Give a connection its cache, and the packets of a connection their way."""
    for route in view.plan.routes:
        yield from _route_chains(view, route)
    for name, number in view.plan.targets.items():
        if len(view.plan.caches[name]) > 1:
            yield from _choosing(view, number, view.plan.caches[name])
    if view.plan.routes:
        yield from _learn_chains(view)


def _route_chains(view: View, route: Route) -> Iterator[Block]:
    name, value = f"route{route.number}", view.route_mark(route)
    down, drained = (f"ct mark & {view.route} @{name}_{state}" for state in ("dead", "drained"))
    given, taken = f"ct mark set ct mark & {view.not_route} | {value}", view.take_mark(route)
    away = f"ct mark set ct mark & {view.not_route}"
    if route.kind == "dns":  # the connection goes there by itself: this is for its account
        yield chain(f"{name}_give", [given])
        return
    give, take = [given, f"{drained} {away}"], [taken]
    if route.when_down == "normal" or route.member_of:
        give.append(f"{down} {away}")
    if route.when_down == "normal":
        take.insert(0, f"{down} {away} return")
    if route.here:
        # To its socket, else to the one that listens; where there is neither, the normal way.
        take[-1:] = [f"meta l4proto tcp tproxy {to}:{route.port} {taken} return" for to in LOOPBACK]
        take.insert(0, f"socket transparent 1 {taken} return")
        if route.when_down == "normal":
            take.append(away)
    yield chain(f"{name}_give", give)
    yield chain(f"{name}_take", take)
    if route.when_down == "unreachable" and route.member_of:
        yield chain(f"{name}_refuse", [given, f"{down} return", away])


def _choosing(view: View, number: int, routes: Sequence[Route]) -> Iterator[Block]:
    """Gives a new connection to one of several machines: by hash, in the end to the first that is there."""
    chosen = f"ct mark & {view.route} != 0 return"
    for version in reached(routes):
        able = [route for route in routes if version in versions(route)]
        rules = []
        for attempt in range(TRIES if len(able) > 1 else 0):
            owned = owners(tuple((r.name, r.weight) for r in able), attempt)
            chains = {r.name: f"jump route{r.number}_give" for r in able}
            slots = ", ".join(f"{slot} : {chains[name]}" for slot, name in enumerate(owned))
            client = "ip saddr" if version == 4 else "ip6 saddr & ffff:ffff:ffff:ffff::"
            rules += [f"jhash {client} mod {SLOTS} seed {attempt + 1:#x} vmap {{ {slots} }}", chosen]
        for route in able:
            rules += [f"jump route{route.number}_give", chosen]
        if routes[0].when_down == "unreachable":
            for route in able:
                rules += [f"jump route{route.number}_refuse", chosen]
        yield chain(f"choose{number}_{version}", rules)


def _learn_chains(view: View) -> Iterator[Block]:
    for direction, side in (("up", "daddr"), ("down", "saddr")):
        yield chain(
            f"learn_{direction}",
            [
                f"meta mark & {view.route} == {view.plan.marks.route(number):#010x}"
                f" update @route{number}_learnt{version}"
                f" {{ {WORD[version]} {side} timeout {max(1, routes[0].learn_ttl)}s }}"
                for name, number in view.plan.targets.items()
                for routes in [view.plan.caches[name]]
                for version in reached(routes)
            ],
        )


def steering(view: View) -> Iterator[Block]:
    """Where packets come in: new connections of the LAN are given a cache, packets that have one go its way."""
    plan = view.plan
    # What a cache itself asks for must not come back to it, nor to another.
    rules = [
        f"{WORD[version]} saddr {{ {', '.join(prefixes)} }} return"
        for version, prefixes in by_version(tuple(own for r in plan.routes for own in r.own))
    ]
    for name, number in plan.targets.items():
        routes = plan.caches[name]
        known = {version for version, _ in by_version(routes[0].prefixes)}
        for version in reached(routes):
            give = f"choose{number}_{version}" if len(routes) > 1 else f"route{number}_give"
            plain = f"tcp dport {HTTP} " if routes[0].kind == "proxy" else ""
            for what in ["learnt", *(["known"] if version in known else [])]:
                rules.append(f"{plain}{WORD[version]} daddr @route{number}_{what}{version} goto {give}")
    for route in view.named:
        for hop in filter(None, (route.next_hop4, route.next_hop6)):
            rules.append(f"{WORD[6 if ':' in hop else 4]} daddr {hop} goto route{route.number}_give")
    if view.here:
        rules.insert(0, "fib daddr type local return")
    yield chain("steer", rules)
    ways = [f"{view.route_mark(r)} : goto route{r.number}_take" for r in plan.routes if r.kind != "dns"]
    fetched = []
    if view.here:
        kept = f"ct direction reply socket transparent 1 {view.take_mark(view.here[0])}"
        fetched = [f"iifname {{ {quoted(view.wan)} }} tcp sport {HTTP} {kept}"]
    yield base_chain(
        "prerouting",
        "prerouting",
        -150,
        [
            f"iifname {{ {quoted(view.lan)} }} ct state new ct status ! confirmed jump steer",
            *fetched,
            *([f"ct direction original ct mark & {view.route} vmap {{ {', '.join(ways)} }}"] if ways else []),
        ],
    )


def fills(view: View) -> list[str]:
    """Counts what caches fetch: between their own addresses and the WAN."""
    wan = quoted(view.wan)
    rules = []
    for route in view.plan.routes:
        for version, prefixes in by_version(route.own):
            address = WORD[version]
            for direction, own, other, device in (("up", "s", "d", "o"), ("down", "d", "s", "i")):
                far = f" {address} {other}addr != @local{version}" if view.has_local(version) else ""
                rules.append(
                    f"{device}ifname {{ {wan} }} {address} {own}addr {{ {', '.join(prefixes)} }}{far}"
                    f" counter name fill{route.number}_{direction}"
                )
    return rules
