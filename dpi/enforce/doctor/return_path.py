"""Whether what a cache answers to clients comes back through this box.

Asked of the cache itself: an echo request from the box's own address on the LAN, sent to the next hop.  The answer
goes to an address of the clients' network, so it comes the way that answers to clients come, and the kernel says by
which interface.  Of networks behind further routers this says nothing; there the traffic's counters do, which see what
went to a cache and what came back.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address

from dpi.enforce.count import counters
from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, note, ok, warning
from dpi.enforce.health import ECHO, REPLY, checksum
from dpi.enforce.routes import FAMILIES
from dpi.errors import DpiError
from dpi.policy.plan import Route

WAIT = 1.0  # seconds for an answer
MANY = 20  # packets to a cache after which one back is to be expected
PKTINFO = {4: (socket.IPPROTO_IP, 8), 6: (socket.IPPROTO_IPV6, 50)}  # IP_PKTINFO, IPV6_PKTINFO
ASK_PKTINFO = {4: 8, 6: 49}  # IP_PKTINFO, IPV6_RECVPKTINFO
FIX = "give the cache a route to the clients' networks by this box: ip route add NETWORK via ADDRESS-OF-THIS-BOX"


@check(
    "return-path",
    "whether caches answer clients through this box: pings to each next hop from the LAN's address, and the counters "
    "of what went there and came back",
    "An answer that takes another way is neither counted nor shaped, and a firewall on the way drops half a connection",
    needs_policy=True,
)
def return_path(box: Box) -> Iterator[Found]:
    if not box.kernel.routes:
        yield ok("the policy has no caches")
        return
    box.need_root()
    for route in box.kernel.routes:
        if route.kind == "dns":  # to clients it is a host like any other, wherever it is
            continue
        for hop in filter(None, (route.next_hop4, route.next_hop6)):
            yield _asked(box, route, hop)
    yield from _counted(box)


def _asked(box: Box, route: Route, hop: str) -> Found:
    version = ip_address(hop).version
    name = f"cache {route.name}"
    device = _device(box, hop, route.device)
    if device is None or ip_address(hop).is_link_local:
        return note(f"{name}: {hop} cannot be asked by a ping")
    if device in box.devices("lan"):
        return warning(
            f"{name}: {hop} is on the LAN itself ({device}): it answers clients there past this box",
            "connect the cache to an interface of its own",
        )
    own = next((str(a.ip) for a in box.addresses[device] if a.version == version and not a.is_link_local), None)
    lan = next(
        (
            (str(a.ip), name)
            for name in box.devices("lan")
            for a in box.addresses.get(name, ())
            if a.version == version and not a.is_link_local
        ),
        None,
    )
    if lan is None or own is None:
        return note(f"{name}: {hop} was not asked: the LAN has no IPv{version} address here to ask from")
    index = box.links[device].index
    back = answered_by(lan[0], hop, index)
    if back is None and answered_by(own, hop, index) is None:
        return note(f"{name}: {hop} answers no pings, so its way back could not be looked at")
    asked = f"{hop}, pinged from {lan[0]} ({lan[1]}),"
    if back is None:
        return warning(f"{name}: {asked} does not answer, and answers {own}: it has no way to the LAN by this box", FIX)
    if back != index:
        by = next((link.name for link in box.links.values() if link.index == back), "?")
        return warning(f"{name}: {asked} answers by {by}, not by {device}: its way back is another one", FIX)
    return ok(f"{name}: {asked} answers by {device}")


def _counted(box: Box) -> Iterator[Found]:
    """What went to caches and what came back, as the table has counted since it was loaded."""
    try:
        counted = counters(box.in_force.kernel if box.in_force else box.kernel).routes
    except DpiError:
        return
    for route in box.kernel.routes:
        up, down = (counted[way, route.name].packets if (way, route.name) in counted else 0 for way in ("up", "down"))
        if up >= MANY and down * 10 < up:
            yield warning(f"cache {route.name}: {up} packets went there and {down} came back through this box", FIX)
        elif up >= MANY:
            yield ok(f"cache {route.name}: {up} packets went there and {down} came back")


def _device(box: Box, hop: str, device: str | None) -> str | None:
    """The interface on whose network a next hop is."""
    address = ip_address(hop)
    for name, addresses in box.addresses.items():
        if device in (None, name) and any(a.version == address.version and address in a.network for a in addresses):
            return name
    return None


def answered_by(source: str, target: str, index: int) -> int | None:
    """Pings from an address of ours out of interface `index`; the interface by which the answer came, or None."""
    version = ip_address(target).version
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    token = os.urandom(8)
    body = struct.pack(">HH", int.from_bytes(token[:2]), 1) + token
    request = struct.pack(">BBH", ECHO[version], 0, 0) + body
    if version == 4:  # the kernel fills in ICMPv6's checksum, not ICMP's
        request = struct.pack(">BBH", ECHO[version], 0, checksum(request)) + body
    packed = socket.inet_pton(FAMILIES[version], source)
    info = struct.pack("=I4s4x", index, packed) if version == 4 else struct.pack("=16sI", packed, index)
    try:
        with socket.socket(FAMILIES[version], socket.SOCK_RAW, protocol) as sock:
            sock.setsockopt(PKTINFO[version][0], ASK_PKTINFO[version], 1)
            sock.bind((source, 0))
            sock.sendmsg([request], [(*PKTINFO[version], info)], 0, (target, 0))
            end = time.monotonic() + WAIT
            while (left := end - time.monotonic()) > 0:
                sock.settimeout(left)
                data, ancillary, _, _ = sock.recvmsg(2048, 128)
                if version == 4:
                    data = data[(data[0] & 0x0F) * 4 :] if data else b""
                if len(data) >= 8 and data[0] == REPLY[version] and data[4:] == body:
                    at = 0 if version == 4 else 16
                    return next((int(struct.unpack_from("=I", c, at)[0]) for *_, c in ancillary if len(c) >= 12), None)
    except OSError:
        return None
    return None
