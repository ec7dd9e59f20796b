"""Signatures of bytes that files declare: what they match, what is refused, and that flows are named by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from cores import ACK, Connection, as_flow, core, datagram, ended, ip
from handshakes import openssl_hello
from signature_folders import folder

from dpi.cli.bench_signatures import command as bench
from dpi.core import Core
from dpi.dissect.declared import Declarations
from dpi.engine import Engine
from dpi.errors import FindingsError
from dpi.match.signatures import load

pytestmark = pytest.mark.usefixtures("small")

TCP, UDP = 6, 17
HEAD = "protocols:\n  mine:\n    category: network\n    signatures:\n"


def table(tmp_path: Path, *items: str) -> Declarations:
    text = HEAD + "".join(f"      - {item}\n" for item in items)
    return load([folder(tmp_path / "mine", text)]).declared


def named(declared: Declarations, *messages: tuple[bytes, bool], proto: int = UDP, dport: int = 40001) -> bool:
    return declared.find(messages, proto=proto, dport=dport)[0] != 0


def refused(tmp_path: Path, *items: str) -> list[str]:
    with pytest.raises(FindingsError) as caught:
        table(tmp_path, *items)
    return [str(finding).removeprefix(f"{tmp_path}/mine/0.yaml:") for finding in caught.value.findings]


def test_bytes_stand_at_offsets_under_masks(tmp_path: Path) -> None:
    declared = table(
        tmp_path, '{transport: udp, bytes: [{at: 1, hex: "5a 4? ff 01", mask: "ff ff f0 ff"}, {at: 8, text: "AB"}]}'
    )
    assert named(declared, (b"?\x5a\x4c\xf7\x01...AB", True))
    assert not named(declared, (b"?\x5a\x5c\xf7\x01...AB", True))
    assert not named(declared, (b"?\x5a\x4c\xe7\x01...AB", True))
    assert not named(declared, (b"?\x5a\x4c\xf7\x01...AB", True), proto=TCP)


def test_bytes_stand_somewhere_or_behind_others(tmp_path: Path) -> None:
    declared = table(
        tmp_path,
        '{transport: udp, bytes: [{within: 40, text: "somewhere"}]}',
        '{transport: udp, bytes: [{after: "key=", within: 60, hex: "0102030405"}]}',
    )
    assert named(declared, (b"-" * 31 + b"somewhere", True))
    assert not named(declared, (b"-" * 32 + b"somewhere", True))
    assert named(declared, (b"-" * 20 + b"key=\1\2\3\4\5", True))
    assert not named(declared, (b"-" * 20 + b"key=-\1\2\3\4\5", True))


def test_a_length_field_counts_what_is_there(tmp_path: Path) -> None:
    declared = table(
        tmp_path,
        '{transport: tcp udp, bytes: [{at: 0, text: "abc"}], length_field: {at: 3, size: 2}}',
        '{transport: udp, bytes: [{at: 0, text: "xyz"}], length_field: {at: 3, size: 2, counts_from: 0, '
        "order: little}}",
    )
    assert named(declared, (b"abc\0\x04four", True))
    assert not named(declared, (b"abc\0\x05four", True))
    assert not named(declared, (b"abc\0\x03four", True))
    assert named(declared, (b"xyz\x09\0four", True))
    assert declared.find([(b"abc\0\x05four", True)], proto=TCP)[1] == "more"
    assert declared.find([(b"abc\0\x03four", True)], proto=TCP)[1] == "no"


def test_length_port_sender_and_packet_number_are_conditions(tmp_path: Path) -> None:
    declared = table(
        tmp_path,
        '{transport: udp, length: 6-8, bytes: [{at: 0, text: "size"}]}',
        '{transport: udp, ports: 9000 9100-9110, bytes: [{at: 0, text: "pt"}]}',
        '{transport: udp, from: server, bytes: [{at: 0, text: "serv"}]}',
        '{transport: udp, packet: 2-3, bytes: [{at: 0, text: "turn"}]}',
    )
    assert [named(declared, (b"size".ljust(n), True)) for n in (5, 6, 8, 9)] == [False, True, True, False]
    assert [named(declared, (b"pt", True), dport=port) for port in (9000, 9105, 9111)] == [True, True, False]
    assert declared.find([(b"pt", True)], proto=UDP, sport=9000)[0]
    assert not named(declared, (b"serv", True)) and named(declared, (b"?", True), (b"serv", False))
    assert not named(declared, (b"turn", True))
    assert named(declared, (b"?", True), (b"turn", True))
    assert not named(declared, *[(b"?", True)] * 3, (b"turn", True))


def test_both_sides_must_look_so(tmp_path: Path) -> None:
    declared = table(tmp_path, '{transport: tcp udp, both: true, bytes: [{at: 0, text: "yo"}]}')
    assert not named(declared, (b"yo1", True), (b"yo2", True))
    assert named(declared, (b"yo1", True), (b"no", False), (b"yo2", False))


def test_a_host_name_is_taken_out(tmp_path: Path) -> None:
    declared = table(
        tmp_path,
        '{transport: tcp udp, bytes: [{at: 0, text: "HELO"}], host: {after: "to=", until: ";"}}',
        '{transport: tcp udp, bytes: [{at: 0, text: "SIZE"}], host: {at: 4, size: 1}}',
    )
    assert declared.find([(b"HELO to=A.Example;x", True)], proto=UDP)[2] == "a.example"
    assert declared.find([(b"HELO to=a.exa", True)], proto=TCP)[1] == "more"
    assert declared.find([(b"HELO", True)], proto=UDP)[1:] == ("yes", "")
    assert declared.find([(b"SIZE\x05a.netx", True)], proto=UDP)[2] == "a.net"
    assert declared.find([(b"SIZE\x05a.n", True)], proto=TCP)[1] == "more"


def test_the_one_with_more_evidence_wins(tmp_path: Path) -> None:
    text = (
        "protocols:\n"
        '  short: {category: network, signatures: [{transport: udp, bytes: [{at: 0, text: "abcd"}]}]}\n'
        '  long: {category: network, signatures: [{transport: udp, bytes: [{at: 0, text: "abcdef"}]}]}\n'
    )
    loaded = load([folder(tmp_path / "mine", text)])
    for data, slug in ((b"abcdef", "long"), (b"abcde", "short")):
        label = loaded.labels[loaded.declared.find([(data, True)], proto=UDP)[0]]
        assert label and label.slug == slug


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_a_stream_wants_more_until_it_is_whole_and_a_datagram_never_does(tmp_path: Path, proto: int) -> None:
    declared = table(
        tmp_path,
        '{transport: tcp udp, bytes: [{at: 0, text: "GO"}, {at: 9, text: "XY"}, {after: "k=", text: "v"}]}',
    )
    whole = b"GO.......XY..k=v"
    for n in range(1, len(whole)):
        assert declared.find([(whole[:n], True)], proto=proto)[:2] == (0, "more" if proto == TCP else "no")
    assert declared.find([(whole, True)], proto=proto)[1] == "yes"


def test_too_little_evidence_is_refused_with_how_much_there_is(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        '{transport: udp, bytes: [{at: 0, text: "abc"}]}',
        '{transport: udp, ports: 9, bytes: [{at: 0, text: "a"}]}',
        '{transport: udp, both: true, bytes: [{at: 0, text: "a"}]}',
        '{transport: udp, bytes: [{at: 0, hex: "00000000ff00"}]}',
        '{transport: udp, bytes: [{within: 300, text: "abcd"}]}',
        "{transport: udp, length: 7}",
    )
    assert [line.split(": ")[2].partition(",")[0] for line in found] == [
        f"{bits} bits of evidence" for bits in (24, 8, 8, 12, 23, 0)
    ]


def test_every_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        '{bytes: [{at: 0, text: "abcdef"}]}',
        '{transport: tcp, packet: 1, bytes: [{at: 0, text: "abcdef"}]}',
        '{transport: udp, bytes: [{at: 0, text: "abcdef"}, {at: 2, text: "x"}]}',
        '{transport: udp, bytes: [{text: "abcdef"}, {at: 0, hex: "0"}, {within: 3, text: "four"}, 7]}',
        '{transport: udp, from: client, both: true, bytes: [{at: 0, text: "abcdef"}]}',
        "{transport: icmp, ports: 0, length: 9-3, length_field: {at: 1}, host: {until: x, size: 3}, colour: red}",
        "word",
    )
    assert len(found) >= 14
    places = [tuple(map(int, line.split(":")[:2])) for line in found]
    assert places == sorted(places) and {line for line, _ in places} == set(range(5, 12))
    assert any("unknown key 'colour'" in line for line in found)


def test_one_that_the_index_has_no_room_for_is_a_finding(tmp_path: Path) -> None:
    text = "protocols:\n"
    for n in range(17):
        item = f'{{transport: udp, bytes: [{{within: 40, text: "abcdefg{n:02}"}}]}}'
        text += f"  p{n}: {{category: network, signatures: [{item}]}}\n"
    with pytest.raises(FindingsError) as caught:
        load([folder(tmp_path / "mine", text)])
    assert "18:" in str(caught.value) and "more than 16 signatures" in str(caught.value)


# Through the engine

TEXT = """
apps:
  our-app:
    category: web
    signatures:
      - {transport: udp, bytes: [{at: 0, text: "OURAPP"}]}
      - {transport: tcp, bytes: [{at: 0, text: "POST /our/api"}]}
      - {transport: tcp, from: client, bytes: [{at: 0, hex: "16 03"}, {within: 512, text: "our.example"}]}
protocols:
  our-wire:
    category: network
    signatures:
      - {transport: tcp udp, bytes: [{at: 0, text: "OURWIRE/"}], host: {after: "to=", until: "\\n"}}
      - {transport: tcp udp, both: true, bytes: [{at: 0, text: "%%"}]}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(load([folder(tmp_path / "mine", TEXT)]), max_flows=1024)


def labels(engine: Engine, one: Core, sport: int, proto: int) -> tuple[str | None, str | None, str | None, int]:
    flow = as_flow(one.find((ip("10.0.0.1"), sport, ip("192.0.2.10"), 41000, 0, proto)))
    protocol, app = engine.signatures.labels[flow["protocol"]], engine.signatures.labels[flow["app"]]
    return (
        protocol.slug if flow["protocol"] and protocol else None,
        app.slug if flow["app"] and app else None,
        flow["host"],
        flow["decided_at"],
    )


def test_a_flow_is_named_by_a_declared_protocol_whatever_the_cut(engine: Engine) -> None:
    one = engine.cores[0]
    whole = b"OURWIRE/1 to=www.netflix.com\n"
    for cut in range(1, len(whole)):
        connection = Connection(one, sport=41000 + cut, dport=41000).shake()
        connection.segment(0, 0, whole[:cut])
        connection.segment(0, cut, whole[cut:])
        found = labels(engine, one, 41000 + cut, TCP)
        assert found[0] == "our-wire", cut
        assert found[2] == "www.netflix.com", cut  # where the name came too late, another flow of the server had it


def test_an_app_is_named_and_its_protocol_left_to_others(engine: Engine) -> None:
    one = engine.cores[0]
    datagram(one, b"OURAPP 1", sport=42000, dport=41000)
    assert labels(engine, one, 42000, UDP)[:2] == (None, "our-app")


@pytest.mark.parametrize(
    ("payload", "protocol", "host"),
    [
        (b"POST /our/api HTTP/1.1\r\nHost: www.netflix.com\r\n\r\n", "http", "www.netflix.com"),
        (openssl_hello("www.our.example"), "tls", "www.our.example"),
    ],
)
def test_an_apps_bytes_may_stand_in_what_has_a_dissector(
    engine: Engine, payload: bytes, protocol: str, host: str
) -> None:
    """Its author knows better than a name whose the request is."""
    one = engine.cores[0]
    for cut in (len(payload), 30, 100):
        connection = Connection(one, sport=44000 + cut, dport=41000).shake()
        connection.segment(0, 0, payload[:cut])
        connection.segment(0, cut, payload[cut:])
        assert labels(engine, one, 44000 + cut, TCP)[:3] == (protocol, "our-app", host), cut


def test_an_apps_bytes_name_it_where_the_rest_never_comes(engine: Engine) -> None:
    one = engine.cores[0]
    Connection(one, sport=45000, dport=41000).shake().segment(0, 0, b"POST /our/api?to=", flags=ACK)
    assert labels(engine, one, 45000, TCP)[1] is None
    assert engine.signatures.labels[ended(one)[0]["app"]].slug == "our-app"


def test_both_sides_of_a_connection_agree(engine: Engine) -> None:
    one = engine.cores[0]
    for sport, answer, slug in ((43000, b"%% yes", "our-wire"), (43001, b"no no", None)):
        connection = Connection(one, sport=sport, dport=41000).shake()
        connection.segment(0, 0, b"%% hello")
        assert labels(engine, one, sport, TCP)[0] is None
        connection.segment(1, 0, answer)
        assert labels(engine, one, sport, TCP)[0] == slug


def test_without_signatures_nothing_changes() -> None:
    one = core()
    datagram(one, b"OURAPP 1", sport=42000, dport=41000)
    assert as_flow(one.find((ip("10.0.0.1"), 42000, ip("192.0.2.10"), 41000, 0, UDP)))["protocol"] == 0


def test_the_benchmark_has_a_line_for_each_size() -> None:
    result = CliRunner().invoke(bench, ["--base", "5", "--rounds", "1", "--json"], catch_exceptions=False)
    assert [line["signatures"] for line in json.loads(result.output)] == [0, 5, 50, 500]
