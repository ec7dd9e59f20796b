"""Names that payloads show which tell no app."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect import shown
from dpi.dissect.protocols import IDS
from tests.cores import UDP, Connection, core, datagram, ended, find


def fcgi(kind: int, content: bytes) -> bytes:
    return bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + b"\0\0" + content


def pair(name: bytes, value: bytes) -> bytes:
    sizes = b"".join(bytes([len(x)]) if len(x) < 128 else (len(x) | 1 << 31).to_bytes(4, "big") for x in (name, value))
    return sizes + name + value


@pytest.mark.parametrize(
    ("slug", "data", "name"),
    [
        ("ssdp", b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nST: x\r\n\r\n", "239.255.255.250:1900"),
        ("ssdp", b"NOTIFY * HTTP/1.1\r\nSERVER: x\r\nHOST:[FF02::C]:1900\r\n", "[ff02::c]:1900"),
        ("ssdp", b'NOTIFY * HTTP/1.1\r\nHOST: "a,b\r\n', ""),
        ("ssdp", b"HTTP/1.1 200 OK\r\nST: x\r\n\r\n", ""),
        ("mgcp", b"CRCX 1204 aaln/1@rgw-2567.example.net MGCP 1.0\r\nC: A3\r\n", "rgw-2567.example.net"),
        ("mgcp", b"RSIP 1 *@vg224 MGCP 0.1\r\n", "vg224"),
        ("mgcp", b"200 1204 OK\r\n", ""),
        ("munin", b"# munin node at node1.example\n", "node1.example"),
        ("munin", b"# munin node", ""),
        ("collectd", b"\0\0\0\x11node.example\0\0\2\0\4", "node.example"),
        ("collectd", b"\0\2\0\x11node.example\0", ""),
        ("collectd", b"\0\0\0\x03", ""),
        ("whoisdas", b"example.com\r\n", "example.com"),
        ("whoisdas", b"-T dn,ace example.de\r\n", "example.de"),
        ("whoisdas", b"\r\n", ""),
        (
            "fastcgi",
            fcgi(1, bytes(8)) + fcgi(4, pair(b"X", b"y" * 200) + pair(b"HTTP_HOST", b"a.example")),
            "a.example",
        ),
        ("fastcgi", fcgi(4, pair(b"HTTP_HOST", b"a.example:8080")), "a.example"),
        ("fastcgi", fcgi(4, pair(b"SERVER_NAME", b"b.example") + pair(b"A", b"")), "b.example"),
        ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n", ""),
    ],
)
def test_the_name_that_a_payload_shows(slug: str, data: bytes, name: str) -> None:
    assert shown.name(slug, data) == name


def test_fast_cgi_is_waited_for_its_parameters() -> None:
    connection = Connection(core(), dport=9000).shake()
    begin = fcgi(1, b"\0\1" + bytes(6))
    connection.segment(0, 0, begin)
    connection.segment(0, len(begin), fcgi(4, pair(b"HTTP_HOST", b"api.example")))
    flow = connection.flow()
    assert (flow["protocol"], flow["host"], flow["needs"]) == (IDS["fastcgi"], "api.example", 0)


def test_fast_cgi_whose_parameters_never_end_is_named_by_those_that_came() -> None:
    connection = Connection(core(), dport=9000).shake()
    begin = fcgi(1, b"\0\1" + bytes(6))
    connection.segment(0, 0, begin)
    connection.segment(0, len(begin), fcgi(4, pair(b"SERVER_NAME", b"api.example") + pair(b"X", b"y" * 99))[:-50])
    (flow,) = ended(connection.core)
    assert (flow["protocol"], flow["host"]) == (IDS["fastcgi"], "api.example")


def test_an_agora_node_is_named_by_its_hello() -> None:
    name = b"1-2-3-4.edge.agora.io"
    hello = bytes.fromhex("00b4384c000021000000000004") + b"SNI\0" + bytes([len(name), 0]) + name + b"PDMD" + bytes(40)
    one = core()
    datagram(one, hello, dport=8130)
    assert find(one, 40000, 8130, UDP)["host"] == name.decode()


@given(st.sampled_from(["ssdp", "mgcp", "munin", "collectd", "whoisdas", "fastcgi"]), st.binary(max_size=300))
def test_any_bytes_show_a_name_that_fits_or_none(slug: str, data: bytes) -> None:
    assert len(shown.name(slug, data)) <= 255
