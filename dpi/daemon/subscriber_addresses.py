"""Subscribers who are known by MAC addresses: which neighbours are followed for them, and what the kernel is told."""

from __future__ import annotations

import asyncio
import logging
import socket

from dpi import enforce
from dpi.daemon.state import State

log = logging.getLogger("dpi")


def follow(state: State) -> None:
    """Those of the policy in force; what is known of them is told to the kernel anew."""
    kernel = state.plan.kernel
    branches = kernel.subscribers.branches if kernel.subscribers and enforce.learns(kernel) else ()
    lan = [name for _, name in socket.if_nameindex() if name in state.plan.engine.lan_devices]
    state.neighbours.use({mac for b in branches for mac in b.macs}, [socket.if_nametoindex(name) for name in lan])


async def learn(state: State) -> None:
    """Addresses may have come or gone."""
    async with state.changing:
        table, kernel = state.subscribers.table, state.plan.kernel
        if not enforce.learns(kernel):
            table.learn({})
            return
        found = state.neighbours.addresses.table(table.name_of_mac, table.is_written)
        branches = {a: b for a, each in found.items() if (b := table.of_mac(each.mac))}
        asleep = {b.name for b in branches.values() if state.demand.is_asleep(b.name)}
        await asyncio.to_thread(enforce.learnt, kernel, branches, asleep)
        if found != table.learnt:
            log.debug("addresses learnt of neighbours: %d", len(found))
            table.learn(found)
