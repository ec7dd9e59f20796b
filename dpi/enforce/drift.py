"""Somebody else changed what is ours: `nft flush ruleset`, a device that went and came back, a deleted rule.

Restarting nftables.service flushes every table, ours too, and a cache's route goes with its device's carrier.
The kernel tells of both; so after such news has settled, the plan is applied again, which costs nothing
where nothing is missing.  Traffic passes unshaped in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from dpi.enforce.netlink import HEADER, NETLINK_NETFILTER, NETLINK_ROUTE, Netlink, messages
from dpi.enforce.operation import Report
from dpi.errors import DpiError
from dpi.policy.plan import KernelPlan

log = logging.getLogger("dpi.kernel")

# Groups of linux/rtnetlink.h and nfnetlink.h.  Routes are left out: a router with BGP has thousands of
# changes a second, and ours go with their link or by hand.
LINK, TC, RULE4, RULE6 = 1, 4, 8, 19
NFTABLES = 7
NFT = 10 << 8
NFT_DELETIONS = {NFT | n for n in (2, 5, 8, 11, 20)}  # table, chain, rule, set, object
ROUTE_NEWS = {16, 17, 33, 37, 41}  # link new and deleted, rule deleted, qdisc deleted, class deleted
SETTLE = 1.0  # seconds of quiet before looking
RESTLESS = 15  # times SETTLE after which it is looked without quiet: devices of sessions come and go all the time
RETRY = 30.0  # seconds after an apply that failed, where there is no news before


class News:
    """Events that may mean that something of ours is gone.  `own`: the netlink port whose removals are ours."""

    def __init__(self, own: Callable[[], int | None] = lambda: None) -> None:
        self._own = own
        self._route = Netlink(NETLINK_ROUTE, receive_buffer=1 << 20)
        self._nft = Netlink(NETLINK_NETFILTER, receive_buffer=1 << 20)
        for group in (LINK, TC, RULE4, RULE6):
            self._route.join(group)
        self._nft.join(NFTABLES)
        self._route.keep_only(ROUTE_NEWS)
        for socket in (self._route.socket, self._nft.socket):
            socket.setblocking(False)
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Returns when there was news and then none for SETTLE seconds, or no quiet for RESTLESS times that."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._route.socket, self._read, self._route, ROUTE_NEWS)
        loop.add_reader(self._nft.socket, self._read, self._nft, NFT_DELETIONS)
        try:
            await self._event.wait()
            for _ in range(RESTLESS):
                if not self._event.is_set():
                    break
                self._event.clear()
                await asyncio.sleep(SETTLE)
        finally:
            loop.remove_reader(self._route.socket)
            loop.remove_reader(self._nft.socket)

    def _read(self, kernel: Netlink, matters: set[int]) -> None:
        try:
            data = kernel.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: there was more than fits, so there was news
            self._event.set()
            return
        own = self._own()
        for kind, _, start, _ in messages(data):
            if kind in matters and (own is None or HEADER.unpack_from(data, start - HEADER.size)[4] != own):
                self._event.set()

    def again(self) -> None:
        """As if there had been news."""
        self._event.set()

    def close(self) -> None:
        self._route.close()
        self._nft.close()


async def keep(
    plan: Callable[[], KernelPlan],
    *,
    state_dir: Path,
    changing: asyncio.Lock,
    repaired: Callable[[Report], None] | None = None,
    own: Callable[[], int | None] = lambda: None,
) -> None:
    """Applies `plan()` again whenever something of ours may be missing, until cancelled.

    `changing` is held meanwhile, so that a reload and a repair do not meet.  `repaired` is told of every
    apply that had something to do.  `own`: the netlink port of whom in this process takes things away on purpose.
    """
    from dpi.enforce import apply

    news = News(own)
    again: asyncio.TimerHandle | None = None
    try:
        while True:
            await news.wait()
            if again:
                again.cancel()
            try:
                async with changing:
                    report = await asyncio.to_thread(apply, plan(), state_dir=state_dir, look_again=True)
            except DpiError as error:
                log.error("cannot put back what somebody else removed: %s", error)
                again = asyncio.get_running_loop().call_later(RETRY, news.again)
                continue
            if report.changed:
                log.warning("put back: %s", "; ".join(map(str, report.operations)))
                if repaired:
                    repaired(report)
    finally:
        if again:
            again.cancel()
        news.close()
