"""The queues: a thread each in the C loop, and the eventfd by which they say that something waits for an event."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading

from dpi.capture.nfqueue import QueueReader
from dpi.daemon.heart import FIRST_QUEUE, Heart
from dpi.engine import Engine
from dpi.inline import InlineHandler
from dpi.match.addresses import pack
from dpi.policy.plan import Plan


class Queues:
    """Those of one life of the daemon; `wake` is the eventfd."""

    def __init__(self, heart: Heart) -> None:
        self._heart = heart
        self.readers: list[QueueReader] = []
        self._handlers: list[InlineHandler] = []
        self._threads: list[threading.Thread] = []
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def start(self, engine: Engine, plan: Plan) -> None:
        """Binds a queue for each shard and reads it from now on.  Raises DpiError where one is somebody else's."""
        kernel = plan.kernel
        lans, vlans = self._lans = _lans(plan)
        local = [_packed(prefix) for prefix in kernel.local]
        for n, core in enumerate(engine.cores):
            handler = InlineHandler(core, lans, local, vlans, wake=self.wake)
            self._handlers.append(handler)
            reader = QueueReader(
                kernel.queue_base + n,
                handler,
                mask=kernel.marks.mask,
                heartbeat=self._heart.address(FIRST_QUEUE + n),
            )
            self.readers.append(reader)
            thread = threading.Thread(target=reader.run, name=f"queue-{kernel.queue_base + n}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def look_at_lans(self, plan: Plan) -> bool:
        """Whether an interface of the LAN has gone or come back, with another index; packets' origin follows."""
        if self._lans == (now := _lans(plan)):
            return False
        self._lans = now
        for handler in self._handlers:
            handler.use_lans(*now)
        return True

    def release(self, shard: int, numbers: list[int], drop: bool) -> None:
        """Lets packets go that are held."""
        self.readers[shard].release(numbers, drop)

    async def stop(self) -> None:
        """Accepts what is in them and lets them go."""
        for reader in self.readers:
            reader.stop()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 5)
        for reader in self.readers:
            reader.close()


def _lans(plan: Plan) -> tuple[list[int], dict[int, int]]:
    """The indexes of the LAN's interfaces that are there, and the VLAN that each interface of a router is."""
    names = {name: index for index, name in socket.if_nameindex()}
    lans = [names[name] for name in plan.engine.lan_devices if name in names]
    if plan.kernel.mode == "bridge":
        return lans, {}
    return lans, {names[i.name]: i.vlan or 0 for i in plan.kernel.interfaces if i.name in names}


def _packed(prefix: str) -> tuple[bytes, int]:
    """A prefix as the engine has addresses: of 16 bytes, IPv4 mapped."""
    network = ipaddress.ip_network(prefix)
    return pack(str(network.network_address)), network.prefixlen + (96 if network.version == 4 else 0)
