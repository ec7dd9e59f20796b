"""Counts, as they are when somebody asks: the kernel's counters, and what was used of quotas."""

from __future__ import annotations

import asyncio

from dpi import enforce
from dpi.daemon.events import catch_up
from dpi.daemon.in_force import switch
from dpi.daemon.state import State


def counters(state: State) -> enforce.Counters:
    """The kernel's counters as they are now.  Blocks."""
    found = enforce.counters(state.plan.kernel)
    state.hits.look(found)
    return found


async def quotas(state: State) -> None:
    """What was used up to now; where that changes what holds, it is in force when this returns."""
    async with state.counting:
        await asyncio.to_thread(state.accounts.refresh)
        catch_up(state)  # what the kernel's table has ended is in one of the two sums
        totals = state.quotas.ended_so_far()
        await asyncio.to_thread(lambda: state.quotas.look(totals, state.engine.flows()))
        state.quotas.forget()
        await asyncio.to_thread(state.quotas.save)
    if state.conditions.changed():
        await switch(state)
