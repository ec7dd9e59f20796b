"""`dpi flows --app`, `--category`, `--host` and `--port` mean what they mean to `dpi classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpi.cli import flows
from dpi.errors import UsageError
from tests.cores import CLIENT, SERVER, Connection, datagram
from tests.handshakes import openssl_hello
from tests.workers import answers_of


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Knows a flow of Netflix, one of YouTube, and one that nothing names."""
    answers = answers_of(tmp_path)
    (core,) = answers._state.engine.cores
    for sport, host in ((40000, "www.netflix.com"), (40001, "www.youtube.com")):
        Connection(core, sport=sport, dport=443).shake().segment(0, 0, openssl_hello(host))
    datagram(core, b"\0\1\2\3" * 90, 40002, 5555)
    monkeypatch.setattr(flows, "call", lambda _, **request: answers._flows(request))


def ask(*words: str) -> Result:
    return CliRunner().invoke(flows.command, ["--json", *words])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), 3),
        (("--app", "Netflix"), 1),
        (("--app", "netflix", "--app", "@unnamed"), 2),
        (("--app", "tls", "--host", "youtube.com"), 1),
        (("--category", "video"), 2),
        (("--category", "unknown"), 1),
        (("--port", "443"), 2),
        (("--port", "udp/5000-6000"), 1),
        (("--port", "443", "--port", "40002"), 3),
        (("--port", "40001", "--category", "video", "--host", CLIENT), 1),
        (("--host", f"{SERVER}/24", "--limit", "2"), 2),
    ],
)
def test_all_of_what_is_asked_holds_and_any_of_what_is_asked_twice(
    daemon: None, words: tuple[str, ...], found: int
) -> None:
    assert len(ask(*words).stdout.splitlines()) == found


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--app", "netflicks"), "did you mean netflix"),
        (("--app", "video"), "--category video"),
        (("--category", "vidio"), "did you mean video"),
        (("--port", "https"), "is no port"),
        (("--host", "10.0.0.256"), "is neither a host name nor an address"),
    ],
)
def test_what_there_is_not_is_told(daemon: None, words: tuple[str, ...], why: str) -> None:
    error: Any = ask(*words).exception
    assert isinstance(error, UsageError) and why in str(error)
