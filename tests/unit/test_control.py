"""The control socket: what is asked is answered, and whatever is sent, the daemon goes on."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpi.control import Server, call
from dpi.errors import DpiError, Finding, FindingsError, UsageError


async def echo(request: dict[str, Any]) -> Any:
    del request["who"]
    return request


async def who(request: dict[str, Any]) -> Any:
    return request["who"]


async def refuse(request: dict[str, Any]) -> Any:
    raise FindingsError([Finding("a.yaml", 3, 5, "rules", "no such class")])


async def break_(request: dict[str, Any]) -> Any:
    raise ZeroDivisionError("of ours")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "run" / "control.sock"
    loop = asyncio.new_event_loop()
    server = Server(path, {"echo": echo, "who": who, "refuse": refuse, "break": break_})
    started = threading.Event()

    async def run() -> None:
        await server.start()
        started.set()

    starting = loop.create_task(run())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert started.wait(5)
    yield path
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert starting.done()


def test_a_request_is_answered_with_what_its_handler_returns(daemon: Path) -> None:
    assert call("echo", path=daemon, a=1, b=["x"]) == {"a": 1, "b": ["x"]}


def test_who_asks_is_what_the_kernel_says_not_the_request(daemon: Path) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    assert call("who", path=daemon, who="somebody else") == me


def test_findings_come_back_as_wrong_input(daemon: Path) -> None:
    with pytest.raises(UsageError, match=r"a.yaml:3:5: rules: no such class"):
        call("refuse", path=daemon)


def test_a_fault_in_a_handler_is_said_and_the_daemon_goes_on(daemon: Path) -> None:
    with pytest.raises(DpiError, match="ZeroDivisionError"):
        call("break", path=daemon)
    assert call("echo", path=daemon) == {}


def test_an_unknown_request_is_refused(daemon: Path) -> None:
    with pytest.raises(UsageError, match="does not know"):
        call("fly", path=daemon)


@pytest.mark.parametrize("garbage", [b"\n", b"{}\n", b"[]\n", b"\xff\xfe\n", b"null\n", b"x" * (2 << 20) + b"\n"])
def test_garbage_is_survived(daemon: Path, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon))
        connection.settimeout(5)
        try:
            connection.sendall(garbage)
            answer = connection.makefile("rb").readline()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        assert not answer or json.loads(answer)["ok"] is False
    assert call("echo", path=daemon) == {}


def test_only_owner_and_group_may_ask(daemon: Path) -> None:
    assert stat.S_IMODE(daemon.stat().st_mode) == 0o660


def test_where_no_daemon_is_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(DpiError, match="dpi run"):
        call("status", path=tmp_path / "none.sock")


def test_a_second_daemon_on_the_same_socket_is_refused(daemon: Path) -> None:
    with pytest.raises(UsageError, match="another daemon"):
        asyncio.run(Server(daemon, {}).start())
    assert call("echo", path=daemon) == {}


@pytest.mark.parametrize("part", [b"", b'{"ok": tr', b'{"ok": true, "result": 1}'])
def test_an_answer_that_breaks_off_is_said(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "dying.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(1)

        def die() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(part)

        dying = threading.Thread(target=die)
        dying.start()
        with pytest.raises(DpiError, match="ended while it was asked"):
            call("status", path=path)
        dying.join()
