"""Drives a shard packet by packet, with small tables of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from dpi.core import Core
from dpi.dissect import risks
from dpi.dissect.protocols import IDS
from dpi.flow_tuples import FLOW_FIELDS
from dpi.match.hosts import Hosts
from dpi.match.names import Names
from dpi.match.ports import Ports
from dpi.match.prefixes import Prefixes
from dpi.match.rules import Rules
from dpi.record.fields import METHODS

TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SECOND = 1_000_000_000
VIDEO, CLOUD, CLIPS = 600, 601, 602  # apps of these tables; CLIPS: what CLOUD's video is
STREAMING, HOSTING = 1, 2  # categories
SHIFT, FINAL = 16, 1 << 27
ACCEPT, DROP, HOLD = range(3)
CLIENT, SERVER, RESOLVER = "10.0.0.1", "192.0.2.10", "192.0.2.53"
REQUEST = b"GET / HTTP/1.1\r\nHost: www.video.example\r\nUser-Agent: test/1\r\n\r\n"
# Rules
SHAPED = {"apps": [VIDEO], "disposition": 5}
BLOCKED = {"hosts": ["bad.example"], "disposition": 6}
CACHED = {"apps": [VIDEO], "disposition": 7, "route": 3}


def ip(text: str) -> bytes:
    """An IPv4 address as the engine keeps it."""
    return bytes(10) + b"\xff\xff" + bytes(map(int, text.split(".")))


def core(
    max_flows: int = 1024,
    *,
    names: Names | None = None,
    rules: list[dict[str, Any]] | None = None,
    shared: bool = False,
    mixed: bool = False,
    **options: Any,
) -> Core:
    """A shard that knows video.example, cloud.example, a program, 192.0.2.0/28 as CLOUD's, and port 22.

    shared: CLOUD carries others' apps.  mixed: 192.0.2.0/28 has other services of its owner's, but for addresses in it
    that end in 7, which are CLOUD's own.
    """
    one = Core(max_flows, **options)
    category = bytearray(1024)
    category[VIDEO], category[CLOUD], category[IDS["ssh"]] = STREAMING, HOSTING, HOSTING
    label_by(
        one,
        hosts=[("video.example", VIDEO), ("cloud.example", CLOUD), ("a=clipper", CLIPS), ("clips", CLOUD)],
        prefixes=[("192.0.2.0/28", CLOUD), *([("192.0.2.7/255.255.255.31", CLOUD)] if mixed else [])],
        ports=[("tcp/22", IDS["ssh"])],
        names=names,
        category=bytes(category),
        video={CLOUD: CLIPS},
        calls={IDS["signal"]: IDS["signalvoip"]},
        shared=[CLOUD] if shared else [],
        mixed=[CLOUD] if mixed else [],
    )
    if rules is not None:
        routed = [
            {
                key: rule[key]
                for key in ("apps", "hosts", "categories", "local", "remote", "disposition", "route")
                if key in rule
            }
            for rule in rules
            if rule.get("route")
        ]
        one.set_rules(Rules(rules), Rules(routed), SHIFT, FINAL)
    return one


def label_by(
    one: Core,
    *,
    hosts: Iterable[tuple[str, int]] = (),
    prefixes: Iterable[tuple[str, int]] = (),
    ports: Iterable[tuple[str, int]] = (),
    names: Names | None = None,
    category: bytes = bytes(1024),
    **more: Any,
) -> None:
    """Has a shard label from these entries, and from names of its own where none are given."""
    names = names if names is not None else Names(1024)
    one.use(Hosts(list(hosts)), Prefixes(prefixes), Ports(list(ports)), names, category, **more)


def as_flow(flow: tuple[Any, ...] | None) -> dict[str, Any]:
    assert flow is not None
    return dict(zip(FLOW_FIELDS, flow, strict=True))


def find(one: Core, sport: int, dport: int, proto: int = TCP, src: str = CLIENT, dst: str = SERVER) -> dict[str, Any]:
    """The flow as it is now."""
    return as_flow(one.find((ip(src), sport, ip(dst), dport, 0, proto)))


def method(number: int) -> str:
    """How a label was found, by a record's number of it."""
    return METHODS[number]


def risks_of(flow: dict[str, Any]) -> set[str]:
    return set(risks.names(flow["risks"]))


def ended(one: Core) -> list[dict[str, Any]]:
    """Ends every flow: what their records say, in the order in which they came."""
    out = []
    go_on = 0
    while True:
        go_on = one.flush(go_on)
        while events := one.drain():
            out += [as_flow(event[5]) for event in events if event[0] == "end"]
        if not go_on:
            return out


class Connection:
    """A TCP connection between two ends, handshake first."""

    def __init__(self, one: Core, sport: int = 40000, dport: int = 443, src: str = CLIENT, dst: str = SERVER) -> None:
        self.core = one
        self.ends = ((ip(src), sport), (ip(dst), dport))
        self.isn = (1000, 0xFFFFFF00)  # the server's sequence numbers wrap soon
        self.sent = list(self.isn)  # where what each has sent ends: the other acknowledges it at once
        self.clock = SECOND

    def segment(self, side: int, offset: int, payload: bytes = b"", flags: int = ACK | PSH, **more: Any) -> int | None:
        """Sends bytes that start `offset` behind the SYN, and acknowledges all; the mark that came back."""
        src, dst = self.ends[side], self.ends[1 - side]
        self.clock += 1_000_000
        seq = (self.isn[side] + 1 + offset) & 0xFFFFFFFF
        if flags & SYN:
            seq = self.isn[side]
        self.sent[side] = (seq + len(payload) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
        more.setdefault("ack", self.sent[1 - side])
        _, mark, _ = self.core.feed(
            src=src[0], sport=src[1], dst=dst[0], dport=dst[1], proto=TCP, payload=payload, flags=flags, seq=seq,
            time=self.clock, **more,
        )  # fmt: skip
        return mark

    def shake(self) -> Connection:
        self.segment(0, 0, flags=SYN)
        self.segment(1, 0, flags=SYN | ACK)
        self.segment(0, 0)
        return self

    def flow(self) -> dict[str, Any]:
        (src, sport), (dst, dport) = self.ends
        return as_flow(self.core.find((src, sport, dst, dport, 0, TCP)))


def datagram(
    one: Core, payload: bytes, sport: int = 40000, dport: int = 443, src: str = CLIENT, dst: str = SERVER,
    time: int = SECOND, **more: Any,
) -> tuple[int, int | None, int]:  # fmt: skip
    return one.feed(src=ip(src), sport=sport, dst=ip(dst), dport=dport, proto=UDP, payload=payload, time=time, **more)


def dns_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def question(name: str, number: int = 1) -> bytes:
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + dns_name(name) + struct.pack(">HH", 1, 1)


def answer(name: str, *addresses: str, number: int = 1, ttl: int = 300) -> bytes:
    head = struct.pack(">HHHHHH", number, 0x8180, 1, len(addresses), 0, 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + bytes(map(int, each.split("."))) for each in addresses
    )
    return head + dns_name(name) + struct.pack(">HH", 1, 1) + records


def resolve(
    one: Core, name: str, *addresses: str, sport: int = 50000, time: int = SECOND, ttl: int = 300, number: int = 1
) -> tuple[int, int | None, int]:
    """The client asks and is answered: the decision about the answer."""
    datagram(one, question(name, number), sport, 53, dst=RESOLVER, time=time)
    return datagram(
        one, answer(name, *addresses, number=number, ttl=ttl), 53, sport, src=RESOLVER, dst=CLIENT, time=time
    )
