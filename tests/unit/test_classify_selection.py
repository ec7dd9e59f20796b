"""`dpi classify --app`, `--category`, `--host` and `--port`: only flows that are meant, spelled as without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpi.analyse.selection import WORDS, Hosts, Ports, Selection
from dpi.cli.classify import command
from dpi.errors import UsageError
from tests.captures import packet, visit, write
from tests.cores import CLIENT, SERVER, UDP


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    other = [packet("10.0.0.9", 4444, "203.0.113.9", 5555, UDP, b"\0\1\2\3" * 90)]
    return write(tmp_path / "one.pcap", visit("www.netflix.com") + visit("www.youtube.com", 41000) + other)


def lines(*arguments: str | Path) -> list[str]:
    result = CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.mark.parametrize(("style", "head"), [("table", 1), ("csv", 1), ("jsonl", 0)])
def test_those_meant_are_spelled_as_among_all(capture: Path, style: str, head: int) -> None:
    every = lines(capture, "--format", style)
    meant = lines(capture, "--format", style, "--app", "Netflix")
    assert meant == every[:head] + [line for line in every[head:] if "netflix" in line] and len(meant) == head + 2


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--app", "dns"), 1),
        (("--app", "tls"), 2),
        (("--app", "unknown"), 1),
        (("--host", "NETFLIX.com."), 2),
        (("--host", "flix.com"), 0),
        (("--host", CLIENT), 3),
        (("--host", "10.0.0.9"), 1),
        (("--host", "10.0.0.8/31"), 1),
        (("--host", "0.0.0.0/0"), 4),
        (("--host", "2001:db8::/32"), 0),
        (("--app", "tls", "--host", SERVER), 2),
        (("--app", "netflix", "--host", "10.0.0.9"), 0),
        (("--app", "netflix", "--app", "unknown"), 3),
        (("--app", "@no-app"), 1),
        (("--app", "@unnamed"), 1),
        (("--app", "@unnamed", "--app", "youtube"), 2),
        (("--category", "Video"), 3),
        (("--category", "unknown"), 1),
        (("--category", "game", "--category", "video"), 3),
        (("--category", "video", "--app", "dns"), 1),
        (("--port", "443"), 2),
        (("--port", "tcp/443"), 2),
        (("--port", "udp/443"), 0),
        (("--port", "4444"), 1),
        (("--port", "4000-5555"), 1),
        (("--port", "443", "--port", "udp/53"), 3),
        (("--port", "443", "--host", "netflix.com"), 1),
        (("--host", "*.netflix.com"), 2),
        (("--host", ".netflix.com"), 2),
        (("--host", "*.www.netflix.com"), 0),
        (("--host", "=netflix.com"), 0),
        (("--host", "=www.netflix.com"), 2),
        (("--host", "[::ffff:10.0.0.9]"), 1),
        (("--host", "netflix.com", "--host", "10.0.0.9"), 3),
    ],
)
def test_by_app_protocol_address_and_name(capture: Path, arguments: tuple[str, ...], found: int) -> None:
    assert len(lines(capture, "--json", *arguments)) == found
    assert json.loads("".join(lines(capture, "--json", "--summary", *arguments)))["flows"] == found


def test_an_address_may_be_spelled_in_any_way() -> None:
    assert Hosts.of(["2001:DB8:0::1"]).takes("2001:db8::1", "::2", None)
    assert not Hosts.of(["2001:db8::1"]).takes("2001:db8::10", "::2", None)


def test_a_name_beyond_ascii_is_as_dns_has_it() -> None:
    assert Hosts.of(["Müller.example"]).takes("10.0.0.1", "192.0.2.1", "www.xn--mller-kva.example")


def test_dots_alone_are_no_host_and_do_not_mean_all(capture: Path) -> None:
    with pytest.raises(UsageError, match="is neither a host name nor an address"):
        lines(capture, "--host", "..")
    with pytest.raises(UsageError, match="nor a prefix"):
        lines(capture, "--host", "10.0.0.0/33")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("192.168.1", "192.168.1.0/24"),
        ("10.1.", "10.1.0.0/16"),
        ("10.0.0.256", ""),
        ("10.0.0.5:443", ""),
        ("*netflix.com", ""),
        ("*", ""),
        ("www.*.com", ""),
        ("https://www.netflix.com", ""),
        ("a b", ""),
        ("a" * 300, ""),
    ],
)
def test_what_is_no_host_is_told(word: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is neither a host name nor an address") as told:
        Hosts.of([word])
    assert str(told.value).endswith(f"; did you mean {hint}?" if hint else "nor a prefix")


@pytest.mark.parametrize("word", ["0", "65536", "https", "tpc/443", "90-80", "tcp/", "-1", "443/tcp"])
def test_what_is_no_port_is_told(word: str) -> None:
    with pytest.raises(UsageError, match="is no port"):
        Ports.of(word)


def test_an_app_or_category_that_is_none_is_told_with_what_is_near(capture: Path) -> None:
    for arguments, near in (
        (("--app", "netflicks"), "did you mean netflix"),
        (("--app", "video"), "--category video"),
        (("--app", "@noapp"), "did you mean @no-app"),
        (("--category", "vidio"), "did you mean video"),
    ):
        with pytest.raises(UsageError, match=near):
            lines(capture, *arguments)


def test_words_in_place_of_an_app_are_no_slugs() -> None:
    assert all(word.startswith("@") for word in WORDS) and not Selection.of()
