"""Whose session it is: from the environment, from those who started a command, from the kernel's sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dpi.cli.session import own_session
from dpi.daemon.session import Session, logged_in, session_of
from dpi.errors import UsageError


def test_a_session_is_read_as_sshd_says_it() -> None:
    assert session_of("10.0.0.5 51234 192.0.2.1 22") == Session("10.0.0.5", 51234, "192.0.2.1", 22)
    assert session_of("fe80::5%lan0 51234 fe80::1%lan0 2222") == Session("fe80::5", 51234, "fe80::1", 2222)
    assert session_of("10.0.0.5 51234 22") == Session("10.0.0.5", 51234, "", 22)


@pytest.mark.parametrize("text", ["", "somewhere", "10.0.0.5 many 22", "10.0.0.5 1", "10.0.0.5 1 2 3 4"])
def test_what_is_no_session_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        session_of(text)


def test_a_session_behind_sudo_is_found_with_who_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_CONNECTION", "SSH_CLIENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getppid", lambda: 70)  # whoever runs the tests: in a container that may be 1
    above = {70: (b"SUDO_USER=ann\0", 71), 71: (b"A=b\0SSH_CONNECTION=10.0.0.5 1 10.0.0.1 22\0", 1)}
    for process, (environment, parent) in above.items():
        folder = tmp_path / str(process)
        folder.mkdir()
        (folder / "environ").write_bytes(environment)
        (folder / "stat").write_text(f"{process} (a (bad) name) S {parent} 0 0")
    assert own_session(tmp_path) == "10.0.0.5 1 10.0.0.1 22"
    assert own_session(tmp_path / "none") is None
    monkeypatch.setenv("SSH_CLIENT", "10.0.0.6 2 22")
    assert own_session(tmp_path) == "10.0.0.6 2 22"


def test_connections_of_sshd_are_sessions_whatever_its_port(tmp_path: Path) -> None:
    """A /proc with one sshd, and the kernel's own words for connections that are really there."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        accepted, _ = listener.accept()
        with accepted:
            net = tmp_path / "self" / "net"
            net.mkdir(parents=True)
            for name in ("tcp", "tcp6"):
                (net / name).write_text(Path(f"/proc/net/{name}").read_text())
            descriptors = tmp_path / "7" / "fd"
            descriptors.mkdir(parents=True)
            (tmp_path / "7" / "comm").write_text("sshd-session\n")
            (descriptors / "3").symlink_to(f"socket:[{os.fstat(accepted.fileno()).st_ino}]")
            (descriptors / "4").symlink_to("/dev/null")
            host, port = listener.getsockname()
            assert Session("127.0.0.1", client.getsockname()[1], host, port) in logged_in(tmp_path)
            (tmp_path / "7" / "comm").write_text("nginx\n")
            assert port not in [session.sport for session in logged_in(tmp_path)]
