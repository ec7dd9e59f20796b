"""Rules of apps in signature files: what holds together, which wins, and that every mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cores import Connection, as_flow, datagram, ip, resolve
from handshakes import openssl_hello
from signature_folders import folder

from dpi.cli.apps import command as apps
from dpi.engine import Engine
from dpi.errors import FindingsError
from dpi.match.signatures import load
from dpi.record.fields import METHODS

pytestmark = pytest.mark.usefixtures("small")

TCP, UDP = 6, 17


def engine(tmp_path: Path, *rules: str) -> Engine:
    text = "apps:\n" + "".join(f"  app{n}: {{category: web, rules: [{rule}]}}\n" for n, rule in enumerate(rules))
    text += (
        "protocols:\n  wire: {category: network, signatures: [{transport: tcp udp, bytes: [{at: 0, text: WIRE!}]}]}\n"
    )
    return Engine(load([folder(tmp_path / "mine", text)]), max_flows=1024)


def named(engine: Engine, sport: int, dport: int, proto: int = TCP, dst: str = "192.0.2.10") -> tuple[str | None, str]:
    flow: dict[str, Any] = as_flow(engine.cores[0].find((ip("10.0.0.1"), sport, ip(dst), dport, 0, proto)))
    label = engine.signatures.labels[flow["app"]]
    return (label.slug if flow["app"] and label else None), METHODS[flow["app_method"]]


def hello(engine: Engine, host: str, sport: int, dport: int = 443) -> tuple[str | None, str]:
    Connection(engine.cores[0], sport=sport, dport=dport).shake().segment(0, 0, openssl_hello(host))
    return named(engine, sport, dport)


def test_an_address_and_a_port_name_a_flow_at_its_first_packet(tmp_path: Path) -> None:
    one = engine(tmp_path, "{prefixes: 192.0.2.0/28, ports: tcp/9000-9010 udp/7}")
    Connection(one.cores[0], sport=40001, dport=9005).shake()
    assert named(one, 40001, 9005) == ("app0", "rule")
    Connection(one.cores[0], sport=40002, dport=9011).shake()
    Connection(one.cores[0], sport=40003, dport=7).shake()
    assert named(one, 40002, 9011)[0] is None and named(one, 40003, 7)[0] is None


def test_all_conditions_of_a_rule_must_hold_and_one_word_of_each(tmp_path: Path) -> None:
    one = engine(tmp_path, "{hosts: a.example =b.example, ports: tcp/8443}")
    assert hello(one, "x.a.example", 40001, 8443) == ("app0", "rule")
    assert hello(one, "b.example", 40002, 8443) == ("app0", "rule")
    assert hello(one, "x.b.example", 40003, 8443)[0] is None
    assert hello(one, "a.example", 40004, 443)[0] is None


def test_a_fingerprint_names_a_flow_whole_or_by_its_beginning(tmp_path: Path) -> None:
    plain = engine(tmp_path)
    hello(plain, "c.example", 40001)
    ja4 = as_flow(plain.cores[0].find((ip("10.0.0.1"), 40001, ip("192.0.2.10"), 443, 0, TCP)))["ja4"]
    for n, word in enumerate((ja4, ja4[:12] + "*")):
        (tmp_path / str(n)).mkdir()
        assert hello(engine(tmp_path / str(n), f'{{ja4: "{word}"}}'), "c.example", 40001) == ("app0", "rule")
    (tmp_path / "other").mkdir()
    other = ja4[:-1] + ("0" if ja4[-1] != "0" else "1")
    assert hello(engine(tmp_path / "other", f"{{ja4: {other}}}"), "c.example", 40001)[0] is None


def test_an_alpn_is_a_condition(tmp_path: Path) -> None:
    one = engine(tmp_path, "{alpn: h2 acme-tls/1, prefixes: 192.0.2.0/24}", "{alpn: nothing}")
    plain = openssl_hello("c.example", alpn=["h2"])
    Connection(one.cores[0], sport=40001).shake().segment(0, 0, plain)
    assert named(one, 40001, 443) == ("app0", "rule")


def test_bytes_count_by_the_protocol_that_they_tell(tmp_path: Path) -> None:
    one = engine(tmp_path, "{protocols: wire, prefixes: 192.0.2.0/28}")
    datagram(one.cores[0], b"WIRE! 1", sport=40001, dport=9)
    datagram(one.cores[0], b"WIRE! 1", sport=40002, dport=9, dst="198.51.100.1")
    assert named(one, 40001, 9, UDP) == ("app0", "rule")
    assert named(one, 40002, 9, UDP, "198.51.100.1")[0] is None


def test_a_rule_stands_above_a_name_and_the_first_above_the_second(tmp_path: Path) -> None:
    one = engine(tmp_path, "{hosts: www.netflix.com}", "{hosts: netflix.com}")
    assert hello(one, "www.netflix.com", 40001) == ("app0", "rule")
    assert hello(one, "api.netflix.com", 40002) == ("app1", "rule")
    assert hello(one, "www.youtube.com", 40003) == ("youtube", "sni")


def test_what_a_rule_gave_goes_where_the_flow_shows_another_name(tmp_path: Path) -> None:
    one = engine(tmp_path, "{hosts: netflix.com}")
    resolve(one.cores[0], "www.netflix.com", "192.0.2.10")
    connection = Connection(one.cores[0], sport=40001).shake()
    assert named(one, 40001, 443) == ("app0", "rule")
    connection.segment(0, 0, openssl_hello("www.youtube.com"))
    assert named(one, 40001, 443) == ("youtube", "sni")


def test_to_ask_for_a_name_is_not_to_use_it(tmp_path: Path) -> None:
    one = engine(tmp_path, "{hosts: netflix.com}")
    resolve(one.cores[0], "www.netflix.com", "192.0.2.10", sport=50000)
    assert one.signatures.rules.ask(host=b"www.netflix.com") == 0
    records = [record for record in one.flows() if record.protocol == "dns"]
    assert records and all(record.method != "rule" for record in records)


def test_all_rules_that_ask_for_a_name_or_an_address_are_listed(tmp_path: Path) -> None:
    text = "".join(
        f"      - {{hosts: '{word}', ports: tcp/{n}}}\n"
        for n, word in enumerate(["a.example", "=www.a.example", "*.a.example", "www.a.example", "b.example"], 1)
    )
    signatures = load([folder(tmp_path / "mine", f"apps:\n  a:\n    category: web\n    rules:\n{text}")])
    assert [rule.words["ports"] for _, rule in signatures.rules_for("www.a.example")] == [
        (f"tcp/{n}",) for n in (1, 2, 3, 4)
    ]


def test_every_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    text = (
        "apps:\n  a:\n    category: web\n    rules:\n"
        "      - {}\n"
        "      - {hosts: 'cdn*.example', prefixes: 10.0.0.1/8, ports: 443}\n"
        "      - {ja4: t13, alpn: '', protocols: nosuch}\n"
        "      - {colour: red}\n      - 7\n"
        "protocols:\n  b: {category: web, rules: [{alpn: x}]}\n"
    )
    with pytest.raises(FindingsError) as caught:
        load([folder(tmp_path / "mine", text)])
    found = [(finding.line, finding.column) for finding in caught.value.findings]
    assert {line for line, _ in found} == {5, 6, 7, 8, 9, 11} and len(found) >= 10
    assert {(6, 18), (6, 43), (6, 62), (7, 15)} <= set(found)


def test_show_lists_them(tmp_path: Path) -> None:
    file = folder(tmp_path / "mine", "apps:\n  a: {category: web, rules: [{hosts: a.example, ports: tcp/1}]}\n")
    out = CliRunner().invoke(apps, ["show", "a", "--signatures", str(file)], catch_exceptions=False).output
    assert "hosts a.example; ports tcp/1" in out and f"{file}/0.yaml:2" in out
