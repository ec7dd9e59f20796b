"""`dpi classify --app` and `--host`: only the flows that are meant, spelled as without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpi.analyse.selection import STYLE, Selected, Selection
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
    ],
)
def test_by_app_protocol_address_and_name(capture: Path, arguments: tuple[str, ...], found: int) -> None:
    assert len(lines(capture, "--json", *arguments)) == found
    assert json.loads("".join(lines(capture, "--json", "--summary", *arguments)))["flows"] == found


def test_an_address_may_be_spelled_in_any_way() -> None:
    assert Selection.of(None, "2001:DB8:0::1").takes(None, "tls", "2001:db8::1", "::2", None)
    assert not Selection.of(None, "2001:db8::1").takes(None, "tls", "2001:db8::10", "::2", None)


def test_dots_alone_are_no_host_and_do_not_mean_all(capture: Path) -> None:
    with pytest.raises(UsageError, match="is neither a host name nor an address"):
        lines(capture, "--host", "..")
    with pytest.raises(UsageError, match="nor a prefix"):
        lines(capture, "--host", "10.0.0.0/33")


def test_an_app_that_is_none_is_told_with_what_is_near(capture: Path) -> None:
    with pytest.raises(UsageError, match="did you mean netflix"):
        lines(capture, "--app", "netflicks")


def test_a_reader_that_takes_a_part_gets_the_rest() -> None:
    taken = bytearray()

    class Slow:
        def write(self, data: memoryview) -> int:
            taken.extend(data[:3])
            return min(len(data), 3)

    line = b'{"src": "10.0.0.1", "dst": "192.0.2.1", "app": null, "protocol": "tls", "hostname": null}\n'
    out = Selected(Selection.of("tls", None), STYLE, ("src", "dst", "app", "protocol", "hostname"), Slow())
    assert out.write(memoryview(line)) == len(line)
    assert bytes(taken) == line
