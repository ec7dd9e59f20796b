"""Whether both directions of connections come through this box.

The daemon's flow table knows of each TCP connection which sides it has seen, and the kernel's counters say so of those
that it has.  A client that acknowledges has been answered: where no answer came by here, it took another way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dpi.enforce.doctor.box import FAMILIES, Box
from dpi.enforce.doctor.check import Found, check, note, ok, warning

FEW = 3  # connections up to which a fault of theirs is as likely
RARE = 0.02  # of all that carry something, likewise
FIX = {
    "up": "tcpdump on the other ways into the network: which brings in the answers? Have its router send them here, "
    "or put dpi where both directions pass",
    "down": "ip route on the clients' router: which way do they send? Make this box their way out, or put dpi where "
    "both directions pass",
}


@check(
    "asymmetry",
    "the TCP connections that the running daemon knows: how many show the packets of one side alone",
    "What takes another way back is neither counted nor shaped, names that servers tell are not seen, and each packet "
    "of such a connection goes through user space; a firewall that drops what conntrack calls invalid cuts them",
)
def asymmetry(box: Box) -> Iterator[Found]:
    if box.status is None:
        yield note("not known while no daemon runs")
        return
    told = box.status["one_way"]
    all_, lone = told["connections"], told["up"] + told["down"]
    if not lone:
        yield ok(f"{all_} TCP connections, both directions of each")
        return
    grave = lone > FEW and lone > all_ * RARE
    for direction, what in (("up", "what the LAN sends"), ("down", "what comes to the LAN")):
        if count := told[direction]:
            text = (
                f"of {count} of {all_} TCP connections ({count / all_:.0%}) only {what} comes by{_ways(box, direction)}"
            )
            yield (warning if grave else note)(text, FIX[direction])


def _ways(box: Box, direction: str) -> str:
    """By which interfaces the packets that are seen leave, by this box's routes."""
    far = "remote" if direction == "up" else "local"
    addresses = [e[far] for e in box.status["one_way"]["examples"] if e["direction"] == direction] if box.status else []
    devices = Counter(device for address in addresses if (device := _device(box, address)))
    return f", leaving by {' and '.join(devices)}" if devices else ""


def _device(box: Box, address: str) -> str | None:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    names = {link.index: link.name for link in box.links.values()}
    with IPRoute(groups=0) as ip:
        try:
            found: Any = ip.route("get", family=FAMILIES[6 if ":" in address else 4], dst=address)
        except (NetlinkError, OSError):
            return None
    return next((names.get(route.get_attr("RTA_OIF")) for route in found), None)
