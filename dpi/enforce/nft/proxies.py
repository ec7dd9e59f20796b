"""Proxies on this box: the ways of what they take from clients and answer them, and of what they fetch themselves.

* A proxy on this box is handed connections by TPROXY: they end in its socket, which has the server's address, and never
  reach the forward hook.  What the client sends is looked at in the input hook, by the queue and by the chain `up`;
  what the proxy answers is counted and given its class in the output hook.  Answers are not queued: a packet of this
  box's own is routed again when a queue changes its mark.  A connection that has its socket keeps it, whatever is said
  of the proxy's health meanwhile.
* What such a proxy fetches leaves by the output hook, from which nothing is handed to it; where it fetches with the
  client's address, the server's answers are told by their socket and kept here.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.nft.spelling import Block, base_chain, quoted
from dpi.enforce.nft.view import View
from dpi.policy.plan import HTTP, KernelPlan


def proxied_marks(plan: KernelPlan) -> str:
    """Matches connections that proxies on this box have."""
    numbers = [f"{plan.marks.route(route.number):#010x}" for route in plan.routes if route.here]
    return f"ct mark & {plan.marks.route_mask:#010x} {{ {', '.join(numbers)} }}"


def proxied_to_clients(plan: KernelPlan) -> str:
    """Matches, in the output hook, what proxies on this box answer."""
    lan = quoted(dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan"))
    return f"oifname {{ {lan} }} ct direction reply {proxied_marks(plan)}"


def proxied(view: View) -> Iterator[Block]:
    """What they fetch has no other sign than that it is plain HTTP of this box; the first of them is taken for it."""
    wan = quoted(view.wan)
    fill = f"counter name fill{view.here[0].number}"
    taken = f"iifname {{ {quoted(view.lan)} }} ct direction original {proxied_marks(view.plan)}"
    if view.facts.nft_queue:
        queue = f"queue flags bypass to {view.queues()}"
        yield base_chain("proxied_to_queue", "input", -150, [f"{view.undecided} {taken} {queue}"])
    yield base_chain(
        "proxied",
        "input",
        -149,
        [f"{taken} goto up", f"iifname {{ {wan} }} ct direction reply tcp sport {HTTP} {fill}_down"],
    )
    yield base_chain(
        "answered",
        "output",
        -149,
        [
            f"{proxied_to_clients(view.plan)} goto proxied_down",
            f"oifname {{ {wan} }} ct direction original tcp dport {HTTP} {fill}_up",
        ],
    )
