"""The one list of what a flow's record says.  Every format, table and document is made from it.

A record is complete when its flow ends.  Names are slugs as `dpi apps list` prints them; times are seconds since
1970, sizes are bytes of IP packets.  "up" is what the side that opened the flow has sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

# Order of evidence: dpi/flow/evidence.pxd has the same order, a test holds them together.
METHODS: tuple[str, ...] = (
    "",
    "sni",
    "quic-sni",
    "http-host",
    "dns-query",
    "signature",
    "certificate",
    "dns",
    "known-server",
    "program",
    "behaviour",
    "prefix",
    "neighbour",
    "fingerprint",
    "port",
    "rule",
)
STATES: tuple[str, ...] = ("new", "two-way", "opening", "established", "closing", "closed")
TUNNELS: tuple[str, ...] = (
    *("", "gre", "ipip", "gtp", "vxlan", "capwap", "geneve", "mpls", "l2tp", "ethernet", "erspan", "tzsp"),
)
TLS_VERSIONS: dict[int, str] = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
    0xFEFF: "DTLS 1.0",
    0xFEFD: "DTLS 1.2",
    0xFEFC: "DTLS 1.3",
}
TRANSPORTS: dict[int, str] = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
}


def says(text: str) -> dict[str, str]:
    """The metadata of a field: its line in the documentation."""
    return {"says": text}


@dataclass(slots=True)
class FlowRecord:
    """One flow, both directions."""

    capture: str | None = field(metadata=says("file name of the capture; null for live traffic"))
    l4: str = field(metadata=says("tcp, udp, icmp, …, or the IP protocol's number"))
    ip_version: int = field(metadata=says("4 or 6"))
    src: str = field(metadata=says("address of the side that opened"))
    sport: int = field(metadata=says("its port, 0 where there is none"))
    dst: str = field(metadata=says("address of the other side"))
    dport: int = field(metadata=says("its port"))
    vlan: int = field(metadata=says("outermost VLAN id, or that of the LAN's device; 0 for none"))
    protocol: str = field(metadata=says("what is spoken: tls, quic, dns, …; unknown"))
    app: str | None = field(metadata=says("whose traffic it is: netflix, youtube, …; null where nothing tells"))
    category: str | None = field(metadata=says("the app's category, else the protocol's"))
    hostname: str | None = field(metadata=says("the server's name; of a certificate's also `*.example.org`"))
    ja4: str | None = field(metadata=says("fingerprint of the client's TLS"))
    method: str | None = field(metadata=says("what named the app, or the protocol where there is no app"))
    confidence: float = field(metadata=says("0 to 1, by the method"))
    decided_at: int = field(metadata=says("packets seen when nothing more was looked for, or its shape told"))
    packets_up: int = field(metadata=says("packets from src"))
    bytes_up: int = field(metadata=says("their bytes"))
    packets_down: int = field(metadata=says("packets from dst"))
    bytes_down: int = field(metadata=says("their bytes"))
    start: float = field(metadata=says("time of the first packet"))
    end: float = field(metadata=says("time of the last packet"))
    risks: list[str] = field(metadata=says("what about it is worth a look: certificate-dates, foreign-port, …"))
    risk_score: int = field(metadata=says("how much all of them weigh together, 0 for none to 100"))
    hassh: str | None = field(metadata=says("fingerprint of the client's SSH"))
    hassh_server: str | None = field(metadata=says("fingerprint of the server's SSH"))
    alpn: str | None = field(metadata=says("the first application protocol that the client offers"))
    tls_version: str | None = field(metadata=says("the highest that the client offers"))
    quic_version: str | None = field(metadata=says("as eight hexadecimal digits"))
    ech: bool = field(metadata=says("the client's hello has the extension that hides names; hostname may be a cover"))
    agent: str | None = field(metadata=says("user agent, banner or client software"))
    content_type: str | None = field(metadata=says("of the HTTP response that was looked at, else of the request"))
    tunnel: str | None = field(metadata=says("what the flow was taken out of: " + ", ".join(TUNNELS[1:])))
    dscp: int = field(metadata=says("of the first packet"))
    state: str = field(metadata=says("how far it had come: opening, established, closed, …"))
    reason: str | None = field(metadata=says("why it ended: closed, idle, evicted, reused, reported, flushed"))
    rule: str | None = field(metadata=says("name of the policy's rule that it falls under"))
    mark: int = field(metadata=says("our bits of its mark, 0 while undecided"))
    direction: str | None = field(metadata=says("out: opened from the LAN, in: to it; null where not known"))
    mac: str | None = field(metadata=says("MAC address of the side behind the LAN; null where no frame shows it"))

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FIELDS}

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(", ", ": "))


FIELDS: dict[str, str] = {each.name: each.metadata["says"] for each in fields(FlowRecord)}
