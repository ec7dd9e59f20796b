"""How commands reach the running daemon: a unix socket, one JSON object a line.

    → {"do": "status", …parameters}        ← {"ok": true, "result": …}
                                            ← {"ok": false, "error": "…", "exit": 1}

The socket's file mode is the access control: root and the group `dpi` (where it exists), nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dpi.errors import DpiError, FindingsError, UsageError

SOCKET = "/run/dpi/control.sock"
GROUP = "dpi"
LINE_MAX = 1 << 20  # bytes of a request
ANSWER_SECONDS = 60.0
NOBODY_LOGGED_IN = 0xFFFFFFFF  # /proc/PID/loginuid

Handler = Callable[[dict[str, Any]], Awaitable[Any]]


def socket_path() -> Path:
    """Where the daemon listens: DPI_SOCKET, else /run/dpi/control.sock."""
    return Path(os.environ.get("DPI_SOCKET") or SOCKET)


def call(do: str, *, path: Path | None = None, timeout: float = ANSWER_SECONDS, **parameters: Any) -> Any:
    """Asks the running daemon.  Raises DpiError where there is none, where it may not be asked, or as it says."""
    path = path or socket_path()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps({"do": do, **parameters}).encode() + b"\n")
                stream.flush()
                line = stream.readline()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DpiError(f"no daemon answers at {path}: start one with `dpi run --config FILE`") from error
    except PermissionError as error:
        raise DpiError(f"{path}: permission denied: root or a member of group {GROUP} is needed") from error
    except OSError as error:
        raise DpiError(f"the daemon at {path} does not answer: {error}") from error
    if not line.endswith(b"\n"):
        raise DpiError(f"the daemon at {path} ended while it was asked")
    answer = json.loads(line)
    if answer["ok"]:
        return answer["result"]
    raise (UsageError if answer.get("exit") == 2 else DpiError)(answer["error"])


class Server:
    """The daemon's side.  `handlers` maps a request's `do` to a coroutine."""

    def __init__(self, path: Path, handlers: dict[str, Handler], group: str = GROUP) -> None:
        self._path = path
        self._group = group
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens.  Raises UsageError where another daemon does already."""
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self._path))
                raise UsageError(f"another daemon listens at {self._path} (DPI_SOCKET names another place)")
            except OSError:
                self._path.unlink(missing_ok=True)  # left by one that was killed
        old = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=LINE_MAX)
        finally:
            os.umask(old)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(self._path, -1, grp.getgrnam(self._group).gr_gid)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            who = _who(writer.get_extra_info("socket"))
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line, who), default=str).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # gone, or a line over LINE_MAX
        finally:
            writer.close()

    async def _answer(self, line: bytes, who: str) -> dict[str, Any]:
        try:
            request = json.loads(line) | {"who": who}
            handler = self._handlers.get(request.pop("do"))
            if handler is None:
                raise UsageError("the daemon does not know this request: is it of another version?")
            return {"ok": True, "result": await handler(request)}
        except FindingsError as error:
            return {"ok": False, "error": str(error), "exit": 2}
        except DpiError as error:
            return {"ok": False, "error": str(error), "exit": error.exit_code}
        except Exception as error:  # a fault of ours must not end the daemon: it is said to who asked
            return {"ok": False, "error": f"{type(error).__name__}: {error}", "exit": 1}


def _who(connection: socket.socket) -> str:
    """Who asks, by unix(7): the user that logged in, where the kernel's audit knows (behind a sudo), else the user."""
    pid, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    with contextlib.suppress(OSError, ValueError):
        login = int(Path(f"/proc/{pid}/loginuid").read_text())
        user = user if login == NOBODY_LOGGED_IN else login
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
