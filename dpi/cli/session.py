"""Whose session a command is typed in, for the daemon not to cut it off."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
SAID_BY = ("SSH_CONNECTION", "SSH_CLIENT")


def own_session(proc: Path = Path("/proc")) -> str | None:
    """What sshd said of it: to this process, or, since sudo hides it, to one that this was started by."""
    for name in SAID_BY:
        if os.environ.get(name):
            return os.environ[name]
    process = os.getppid()
    while process > 1:
        try:
            environment = (proc / str(process) / "environ").read_bytes().split(b"\0")
            process = int((proc / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # of another user, or it has ended
            return None
        said = dict(each.partition(b"=")[::2] for each in environment)
        for name in SAID_BY:
            if value := said.get(name.encode()):
                return value.decode(errors="replace")
    return None


def force_option(function: F) -> F:
    """For what puts a policy in force."""
    return click.option("--force", is_flag=True, help="Also where it would cut the session in which this is typed.")(
        function
    )


def guarded(force: bool) -> dict[str, Any]:
    """What such a request tells the daemon."""
    return {"force": force, "session": own_session()}
