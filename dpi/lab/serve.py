"""The servers of one role (`inet` or `cache`), as a process inside its namespace.

python -m dpi.lab.serve ROLE DIRECTORY      writes DIRECTORY/ROLE.ready when all of them listen
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dpi.lab import h3
from dpi.lab.certs import Authority
from dpi.lab.dns import Resolver
from dpi.lab.names import SITES, Names
from dpi.lab.web import Site


async def serve(role: str, directory: Path) -> None:
    authority = Authority(directory)
    names = Names()
    pending: set[asyncio.Task[None]] = set()

    async def listen(name: str) -> None:
        """QUIC answers from the address that was asked, so every name has sockets of its own."""
        for address in names.addresses(name) or ():
            await h3.start(role, address, authority.issue(name))

    def on_new(name: str) -> None:
        if name not in SITES:
            task = asyncio.ensure_future(listen(name))
            pending.add(task)
            task.add_done_callback(pending.discard)

    await Site(role).start(authority.server_context("default.invalid"))
    for name in SITES:
        await listen(name)
    if role == "inet":
        await Resolver(names, on_new).start()
    (directory / f"{role}.ready").write_text("ready\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
