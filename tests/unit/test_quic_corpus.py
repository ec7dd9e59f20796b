"""The shared captures: QUIC flows are named as the peer names them, and nothing else is taken for QUIC."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import pytest

from dpi.capture.pcapfile import Capture
from dpi.dissect.quic import Flow
from dpi.dissect.quic_header import looks
from dpi.wire.decode import Decoded, decode_bytes

NO, MORE, YES = range(3)
LOOKED_AT = 10  # datagrams of a flow in which QUIC may begin

Key = tuple[int, bytes, int, bytes, int]  # VLAN and 5-tuple, the sender of the first packet first


@dataclass
class Seen:
    host: str = ""
    quic: bool = False


def datagrams(path: Path) -> Iterator[Decoded]:
    with Capture(path) as capture:
        for _, linktype, wirelen, data in capture:
            packet = decode_bytes(data, linktype, wirelen)
            if not isinstance(packet, str) and packet.proto == 17:
                yield packet


def quic_flows(path: Path) -> dict[Key, Seen]:
    """Every UDP flow of a capture, dissected like the loop would."""
    seen: dict[Key, Seen] = {}
    work: dict[Key, tuple[Flow | None, int]] = {}
    for p in datagrams(path):
        key: Key = (p.vlan, p.src, p.sport, p.dst, p.dport)
        back: Key = (p.vlan, p.dst, p.dport, p.src, p.sport)
        opener = back not in seen
        key = key if opener else back
        if key not in seen:
            seen[key], work[key] = Seen(), (None, 0)
        if key not in work or not p.payload:
            continue
        flow, n = work[key]
        if flow is None:
            work[key] = None, n + 1
            if n >= LOOKED_AT:
                del work[key]
            if n >= LOOKED_AT or not looks(p.payload):
                continue
            flow = Flow()
        answer = flow.feed(p.payload, opener)
        if answer == MORE:
            work[key] = flow, n
            seen[key].quic = seen[key].quic or flow.version != 0
        else:
            seen[key].quic = seen[key].quic or answer == YES
            del work[key]
        seen[key].host = flow.host
    return seen


def mapped(text: str) -> bytes:
    address = ip_address(text)
    return address.packed if isinstance(address, IPv6Address) else bytes(10) + b"\xff\xff" + address.packed


@pytest.mark.corpus
def test_flows_of_the_corpus_have_their_names_and_only_quic_is_quic(corpus: Path) -> None:
    expected = defaultdict(list)
    for line in (corpus / "flows.jsonl").read_text().splitlines():
        flow = json.loads(line)
        if flow["l4"] == "udp" and flow["confidence"].startswith("DPI") and flow["src"].count("::") < 2:
            expected[flow["pcap"]].append(flow)
    named, names, found, wanted = 0, 0, 0, 0
    wrong = []
    for capture, flows in expected.items():
        seen = {key[1:]: value for key, value in quic_flows(corpus / "pcap" / capture).items()}
        for flow in flows:
            key = (mapped(flow["src"]), flow["sport"], mapped(flow["dst"]), flow["dport"])
            got = seen.get(key) or seen.get((*key[2:], *key[:2])) or Seen()
            if flow["protocol"] != "quic":
                if got.quic:
                    wrong.append(flow)
                continue
            wanted += 1
            found += got.quic
            if flow["hostname"]:
                names += 1
                named += got.host == flow["hostname"]
    print(f"QUIC: {found} of {wanted} flows recognised, {named} of {names} named, {len(wrong)} others taken for it")
    assert not wrong
    assert found >= 0.99 * wanted
    assert named >= 0.99 * names
