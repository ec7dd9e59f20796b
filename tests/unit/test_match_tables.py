"""The tables' own rules: spelling, precedence, what is refused.  tests/property holds them to a slow reading."""

from __future__ import annotations

import pytest

from dpi.match import addresses, hosts, patterns, ports, prefixes


@pytest.mark.parametrize("text", ["a", "a.b", "_dmarc.x-y.org", "=a.b", "*.a.b", "*abc*", "cdn*.x.net", "a*bcd"])
def test_entries_that_are_right(text: str) -> None:
    assert hosts.problem(text) == ""
    assert len(hosts.Hosts([(text, 1)])) == 1


@pytest.mark.parametrize(
    "text",
    ["", "=", "*", "*.", "A.b", "a..b", ".a", "a.", "-a.b", "ä.de", "a b", "*a*", "*a/b*", "x" * 64, "a." * 127 + "a"],
)
def test_entries_that_are_refused(text: str) -> None:
    assert hosts.problem(text)
    with pytest.raises(ValueError):
        hosts.Hosts([(text, 1)])


@pytest.mark.parametrize("label", [0, -1, 65536])
def test_labels_have_16_bits_and_are_not_zero(label: int) -> None:
    with pytest.raises(ValueError):
        hosts.Hosts([("a", label)])
    with pytest.raises(ValueError):
        prefixes.Prefixes([("::/0", label)])
    with pytest.raises(ValueError):
        ports.Ports([("tcp/1", label)])


def test_case_and_the_root_dot_do_not_matter() -> None:
    table = hosts.Hosts([("example.org", 7)])
    for name in ("EXAMPLE.org", "www.Example.ORG.", b"a.b.example.org"):
        assert table.match(name) == (7, "suffix", 11, 0)


@pytest.mark.parametrize("name", ["", ".", "..", "org", "xample.org", "example.org.x", "x" * 256, ".example.org" * 30])
def test_names_that_are_of_no_entry(name: str) -> None:
    assert hosts.Hosts([("example.org", 7)]).match(name) is None


def test_the_longest_names_still_match() -> None:
    name = ".".join(["x" * 61] * 4)
    table = hosts.Hosts([(name[62:], 3), (f"={name}", 4)])
    assert table.match(name) == (4, "exact", 247, 1)
    assert table.match("y" + name[1:]) == (3, "suffix", 185, 0)


def test_a_table_of_many_entries_finds_each() -> None:
    names = [f"h{number}.d{number % 97}.example" for number in range(50_000)]
    table = hosts.Hosts([(name, number % 65535 + 1) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        hit = table.match(f"www.{name}")
        assert hit is not None and hit.entry == number


def test_patterns_with_a_literal_in_common_are_all_looked_at() -> None:
    table = hosts.Hosts([("cdn-*.one.net", 1), ("cdn-*.two.net", 2), ("*cdn-9*", 3), ("two.net", 4)])
    assert table.match("cdn-1.one.net") == (1, "pattern", 12, 0)
    assert table.match("cdn-1.two.net") == (2, "pattern", 12, 1)
    assert table.match("x-cdn-99.org") == (3, "pattern", 5, 2)
    assert table.match("x-cdn-99.two.net") == (4, "suffix", 7, 3)


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match="patterns"):
        hosts.Hosts([(f"*pattern{number}*", 1) for number in range(patterns.PATTERNS_MAX + 1)])


def test_a_name_cannot_be_made_to_cost_much() -> None:
    table = hosts.Hosts([(f"dear-*x{number:02}", number + 1) for number in range(64)])
    assert table.match("dear-" * 50) is None
    for number in range(64):
        assert table.match(f"dear-x{number:02}") == (number + 1, "pattern", 8, number)
    with pytest.raises(ValueError, match="share 'dear-'"):
        hosts.Hosts([(f"dear-*x{number:02}", 1) for number in range(65)])


def test_an_empty_table_matches_nothing() -> None:
    assert hosts.Hosts([]).match("a.b") is None
    assert prefixes.Prefixes([]).match("192.0.2.1") is None
    assert prefixes.Prefixes([]).match("::") is None
    assert ports.Ports([]).match(6, 80) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "1.2.3",
        "1.2.3.4/33",
        "1.2.3.4/-1",
        "1.2.3.4/ 8",
        "::/129",
        "1.2.3.4/31x",
        "::1/64",
        "10.0.0.1/8",
        "::ffff:1.2.3.4/128",
        "é",
        "1.2.3.4\0",
        "1.2.3.4/0.255.0.255",
        "1.2.3.4/255.0.0.0",
        "1.2.3.4/255.255.255",
        "1.2.3.4/ffff::",
        "::1/255.0.0.1",
        "2001:db8::1/ffff:ffff::",
    ],
)
def test_prefixes_that_are_refused(text: str) -> None:
    assert addresses.problem(text)
    with pytest.raises(ValueError):
        prefixes.Prefixes([(text, 1)])


def test_the_ends_of_the_address_space_are_covered() -> None:
    table = prefixes.Prefixes([("0.0.0.0/0", 1), ("255.255.255.255", 2), ("::/0", 3), ("ffff::/16", 4)])
    assert table.match("0.0.0.0") == (1, 0)
    assert table.match("255.255.255.254") == (1, 0)
    assert table.match("255.255.255.255") == (2, 1)
    assert table.match("::") == (3, 2)
    assert table.match("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == (4, 3)


def test_a_mask_tells_services_by_the_end_of_their_addresses() -> None:
    table = prefixes.Prefixes([
        ("198.51.0.0/16", 1), ("198.51.7.0/24", 2), ("198.51.0.40/255.255.0.255", 3), ("198.51.0.8/255.255.0.31", 4),
        ("198.51.9.40", 5), ("198.51.0.40/255.255.0.255", 6), ("2001:db8::40/ffff:ffff:0:0:ffff:ffff:ffff:ffff", 7),
        ("2001:db8:5::/48", 8), ("2001:db8:5::40/128", 9),
    ])  # fmt: skip
    for address, label in {
        "198.51.3.1": 1,
        "198.51.3.40": 6,  # of the same, the later
        "198.51.3.41": 1,
        "198.51.3.72": 4,  # 72 is 8 behind two rows of 32
        "198.51.7.40": 2,  # a prefix of as many bits
        "198.51.9.40": 5,
        "64:ff9b::198.51.3.40": 6,
        "2001:db8:5::41": 8,
        "2001:db8:5:9::40": 7,
        "2001:db8:5::40": 9,
    }.items():
        hit = table.match(address)
        assert hit is not None and hit.label == label, address
    assert table.match("203.0.113.40") is None and table.match("2001:db9::40") is None


@pytest.mark.parametrize("address", ["", "x", "1.2.3", "1.2.3.4/32", b"", b"\0" * 15])
def test_what_is_no_address_is_refused(address: str | bytes) -> None:
    with pytest.raises(ValueError):
        prefixes.Prefixes([]).match(address)


def test_ports_are_by_transport_and_later_entries_hold() -> None:
    table = ports.Ports([("udp/3478-3481", 5), ("tcp/443", 6), ("udp/3480", 7), ("sctp/3868", 8)])
    assert [table.match(17, port) for port in range(3477, 3483)] == [0, 5, 5, 7, 5, 0]
    assert table.match(6, 443) == 6
    assert table.match(17, 443) == 0
    assert table.match(132, 3868) == 8
    assert table.match(1, 443) == table.match(999, 443) == table.match(6, -1) == 0


@pytest.mark.parametrize("text", ["", "tcp", "tcp/", "tcp/x", "tcp/0", "tcp/65536", "udp/5-4", "icmp/1", "tcp/1-2-3"])
def test_ports_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ports.parse(text)
