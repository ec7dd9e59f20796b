"""DNS queries answered with a cache's address: the message, whom it is for, and what is left to the resolver."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st
from policy_texts import findings_with_apps

from dpi.daemon import override
from dpi.daemon.override import LIFE, Overrides, answer
from dpi.daemon.raw import packet
from dpi.enforce.nft.text import table_text
from dpi.enforce.nft.view import Facts
from dpi.flow_events import Asked
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.diff import diff
from dpi.policy.names import Machine
from dpi.policy.plan import Plan
from dpi.policy.show import words

FOUR, SIX = ipaddress.ip_address("192.0.2.7").packed, ipaddress.ip_address("2001:db8::7").packed
POLICY = """\
version: 1
interfaces: {lan: lan0, wan: wan0}
caches:
  lan: {kind: dns, address: [192.0.2.7, "2001:db8::7"], apps: steam, fills_from: 192.0.2.8}
"""
TWO = POLICY.replace(
    'address: [192.0.2.7, "2001:db8::7"]', "members: {a: {address: 192.0.2.7}, b: {address: 192.0.2.9}}"
).replace(", fills_from: 192.0.2.8", "")


def planned(folder: Path, text: str = POLICY) -> Plan:
    file = folder / "policy.yaml"
    file.write_text(text)
    return compile_policy(check(file), Machine(cores=1, interfaces=None))


def query(kind: str = "A", name: str = "Lancache.STEAMcontent.com", *, edns: bool = False) -> bytes:
    record = DNSRecord.question(name, kind)
    if edns:
        record.add_ar(EDNS0(flags="do", udp_len=1400))
    return bytes(record.pack())


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.7"), ("AAAA", "2001:db8::7"), ("HTTPS", None)])
@pytest.mark.parametrize("edns", [False, True])
def test_a_query_is_answered_with_the_address_of_its_family_or_with_none(
    kind: str, address: str | None, edns: bool
) -> None:
    asked = query(kind, edns=edns)
    text = answer(asked, FOUR, SIX)
    assert text is not None and text[12 : len(text)].startswith(asked[12 : asked.index(b"\0", 12) + 5])  # its case
    told, before = DNSRecord.parse(text), DNSRecord.parse(asked)
    assert (told.header.id, told.header.qr, told.header.rcode, told.header.rd) == (before.header.id, 1, 0, 1)
    assert [str(rr.rdata) for rr in told.rr] == ([address] if address else [])
    assert all(rr.ttl == LIFE for rr in told.rr)
    assert [rr.rtype for rr in told.ar] == ([QTYPE.OPT] if edns else [])


def test_a_family_that_the_cache_lacks_is_answered_with_none() -> None:
    text = answer(query("AAAA"), FOUR, None)
    assert text is not None and DNSRecord.parse(text).header.a == 0


@given(st.binary(max_size=80), st.integers(0, 40))
def test_no_bytes_make_it_fail(garbage: bytes, cut: int) -> None:
    for data in (garbage, query()[:cut] + garbage, query(edns=True)[:-cut] if cut else b""):
        text = answer(data, FOUR, SIX)
        assert text is None or text[:2] == data[:2]


def test_packets_have_the_checksum_that_receivers_look_at() -> None:
    for source, destination in ((FOUR, bytes(3) + b"\1"), (SIX, bytes(15) + b"\1")):
        made = packet(source, destination, 17, b"\0\x35\1\1\0\x0b\0\0abc", 6)
        body = made[20:] if len(source) == 4 else made[40:]
        summed = source + destination + bytes([0, 0, 0, len(body), 0, 0, 0, 17]) + body
        total = sum(int.from_bytes((summed + b"\0" * (len(summed) % 2))[i : i + 2]) for i in range(0, len(summed), 2))
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        assert total == 0xFFFF


class Outside:
    """What the overrides do to the queue, the loop and the wire."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, plan: Plan, whose: dict[str, str] | None = None) -> None:
        self.released: list[tuple[int, bool]] = []
        self.told: list[tuple[int, int]] = []
        self.sent: list[bytes] = []
        outside = self

        class Wire:
            def __init__(self, mark: int) -> None:
                assert mark == plan.kernel.marks.untracked

            def close(self) -> None: ...

            def send(self, to: bytes, data: bytes) -> bool:
                outside.sent.append(data)
                return True

        monkeypatch.setattr(override, "Sender", Wire)
        self.overrides = Overrides(
            lambda _, numbers, drop: self.released.extend((n, drop) for n in numbers),
            lambda address: (whose or {}).get(address, ""),
            lambda *which: self.told.append(which),
        )
        self.overrides.use(plan.kernel)

    def ask(self, client: str = "10.0.0.5", *, old: float = 0.0, route: int = 1, data: bytes | None = None) -> bool:
        """Whether it was answered and the query dropped."""
        told: Any = query() if data is None else data
        self.overrides.answer([Asked(0, client, 4000, "198.51.100.53", 53, route, 9, told, time.time() - old)])
        assert self.released[-1][0] == 9
        return self.released[-1][1]


def test_only_while_it_is_usable_and_in_time_and_never_to_a_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = Outside(monkeypatch, planned(tmp_path))
    assert outside.told == [(2, 0)] and not outside.ask()
    outside.overrides.usable(frozenset({"lan"}))
    assert outside.told[-1] == (2, 2) and outside.ask()
    assert not outside.ask(old=1.0)
    assert not outside.ask("192.0.2.7") and not outside.ask("192.0.2.8")
    assert not outside.ask(route=2) and not outside.ask(data=b"\0")
    assert len(outside.sent) == 1 and outside.overrides.answered == {"lan": 1}


def test_of_several_machines_a_subscriber_has_one_for_all_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clients = [f"10.0.0.{n}" for n in range(1, 60)]
    outside = Outside(monkeypatch, planned(tmp_path, TWO), dict.fromkeys(clients[:20], "s1"))
    outside.overrides.usable(frozenset({"lan/a", "lan/b"}))

    def told(client: str) -> bytes:
        assert outside.ask(client)
        return outside.sent[-1][-4:]

    first = {client: told(client) for client in clients}
    assert len({first[client] for client in clients[:20]}) == 1
    assert len({first[client] for client in clients[20:]}) == 2
    outside.overrides.usable(frozenset({"lan/b"}))
    assert {told(client) for client in clients} == {bytes([192, 0, 2, 9])}


def test_the_kernel_counts_it_and_routes_nothing(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    text = table_text(plan.kernel, Facts())
    assert "ip daddr 192.0.2.7 goto route1_give" in text and "ip6 daddr 2001:db8::7 goto route1_give" in text
    assert "route1_learnt" not in text and "route1_take" not in text and "notrack" in text
    (route,) = plan.kernel.routes
    assert route.health and (route.health.kind, route.health.target, route.health.port) == ("tcp", "192.0.2.7", 80)
    assert "cache lan: names answered with 192.0.2.7 and 2001:db8::7\n" in words(plan)
    changes = [str(change) for change in diff(plan, planned(tmp_path, POLICY.replace("192.0.2.7", "192.0.2.6")))]
    assert changes[0].startswith("~ cache lan address: 192.0.2.7")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (('address: [192.0.2.7, "2001:db8::7"], ', ""), "4:3: caches.lan: needs an address"),
        (("apps:", "next_hop: 10.0.0.1, apps:"), "4:57: caches.lan.next_hop: a cache of `kind: dns` has no next_hop"),
        (("kind: dns, ", ""), "4:9: caches.lan.address: a cache of `kind: transparent` has no address"),
        (("apps:", "prefixes: 10.0.0.0/8, apps:"), "4:57: caches.lan.prefixes: who asks no name"),
        (("apps:", "when_down: unreachable, apps:"), "4:68: caches.lan.when_down: while it is down the resolver"),
        (('"2001:db8::7"', "192.0.2.9"), "4:41: caches.lan.address[1]: two of one family"),
        (("apps:", "port: 80, apps:"), "4:57: caches.lan.port: only a cache of `kind: proxy`"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path, change: tuple[str, str], finding: str) -> None:
    said = findings_with_apps(tmp_path, POLICY.replace(*change))
    assert any(line.startswith(finding) for line in said), said
