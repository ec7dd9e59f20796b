"""The shared captures are read to their ends, and the decoder finds the flows that the peer found."""

from __future__ import annotations

import json
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path

import pytest

from dpi.capture.pcapfile import Capture
from dpi.errors import CaptureError
from dpi.wire.decode import Decoded, decode_bytes

NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "ospf": 89, "pim": 103}
NUMBERS |= {"vrrp": 112, "sctp": 132}
PORTS = {6, 17}  # the peer reads no ports of SCTP
MISSING_AT_MOST = 4  # of 6,134: made-up packets whose headers contradict themselves, and an address misspelt

Key = tuple[int, frozenset[tuple[bytes, int]]]


def packed(address: str) -> bytes:
    try:
        known = ip_address(address)
    except ValueError:
        return address.encode()
    return known.packed if known.version == 6 else bytes(10) + b"\xff\xff" + known.packed


def key(proto: int, src: bytes, sport: int, dst: bytes, dport: int) -> Key:
    ports = proto in PORTS
    return proto, frozenset({(src, sport * ports), (dst, dport * ports)})


def flows(path: Path) -> tuple[set[Key], str | None]:
    """Those of a capture, and what was wrong with it."""
    found: set[Key] = set()
    try:
        with Capture(path) as capture:
            for _, linktype, wirelen, data in capture:
                p = decode_bytes(data, linktype, wirelen)
                if isinstance(p, Decoded):
                    found.add(key(p.proto, p.src, p.sport, p.dst, p.dport))
    except CaptureError as error:
        return found, str(error)
    return found, None


@pytest.mark.corpus
def test_the_peers_flows_are_found(corpus: Path) -> None:
    wanted: dict[str, set[Key]] = defaultdict(set)
    for line in (corpus / "flows.jsonl").read_text().splitlines():
        f = json.loads(line)
        proto = NUMBERS[f["l4"]] if f["l4"] in NUMBERS else int(f["l4"])
        ends = packed(f["src"]), f["sport"] or 0, packed(f["dst"]), f["dport"] or 0
        wanted[f["pcap"]].add(key(proto, *ends))
    missing, faults = [], []
    for path in sorted((corpus / "pcap").iterdir()):
        found, fault = flows(path)
        missing += [(path.name, flow) for flow in wanted[path.name] - found]
        faults += [fault] if fault else []

    assert len(missing) <= MISSING_AT_MOST, missing
    assert all("ends in the middle of a record" in fault for fault in faults)
    assert len(faults) <= 1
