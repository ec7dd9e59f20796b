"""The queue step through iptables, for kernels without nft's queue statement.

A chain of our own, hooked first in mangle's FORWARD, loaded in one atomic `iptables-restore --noflush`.  Together
they ask what the nft rules ask: undecided or without a connection (the hooks, so that a decided packet costs two
comparisons), and between lan and wan (the chain).  `--queue-balance` picks the queue by a hash of the two addresses
that is the same for both directions; `--queue-bypass` lets traffic pass when nobody listens.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import ClassVar

from dpi.enforce.names import CHAIN
from dpi.enforce.nft.networks import local_networks
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch, run
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

TOOLS = {4: "iptables", 6: "ip6tables"}
TABLES = {4: "ip", 6: "ip6"}  # what nf_tables calls the families
JUMP = f"-j {CHAIN}"
INVALID = "-p tcp -m tcp ! --tcp-flags RST RST -m conntrack --ctstate INVALID"


@dataclass(frozen=True)
class QueueStep(Resource):
    kind: ClassVar[str] = "iptables"
    rank: ClassVar[int] = 9

    version: int
    hooks: tuple[str, ...]  # "FORWARD … -j ours", of those that lead to us
    rules: tuple[str, ...]  # both as iptables-save prints them

    @property
    def key(self) -> Key:
        return (self.kind, self.version)

    def title(self) -> str:
        return f"{TOOLS[self.version]} chain {CHAIN}"

    def words(self) -> str:
        hooked = dict.fromkeys(hook.split()[0] for hook in self.hooks)
        return f"{len(self.rules)} rules, in mangle {' and '.join(hooked) or 'nowhere'}"

    def add(self, handles: Handles) -> None:
        if self.version not in handles.state.iptables and not self._table_exists():
            handles.state.iptables.append(self.version)
            handles.state.save()
        try:
            self._restore([f":{CHAIN} - [0:0]", *self.rules, *map(_first, self.hooks)])
        except KernelError:
            take_back_table(handles, self.version)
            raise

    def remove(self, handles: Handles) -> None:
        self._restore([*(f"-D {hook}" for hook in self.hooks), f"-F {CHAIN}", f"-X {CHAIN}"])
        take_back_table(handles, self.version)

    def change(self, handles: Handles, before: Resource) -> None:
        assert isinstance(before, QueueStep)
        lines = [f":{CHAIN} - [0:0]", *self.rules]  # naming the chain empties it
        lines += [_first(hook) for hook in self.hooks if hook not in before.hooks]
        lines += [f"-D {hook}" for hook in before.hooks if hook not in self.hooks]
        self._restore(lines)

    def _restore(self, lines: list[str]) -> None:
        text = "\n".join(["*mangle", *lines, "COMMIT", ""])
        code, _, error = attempt([f"{TOOLS[self.version]}-restore", "--noflush", "-w", "5"], text)
        if code:
            raise KernelError(f"{TOOLS[self.version]}: {first_line(error)}")

    def _table_exists(self) -> bool:
        return attempt(["nft", "list", "table", TABLES[self.version], "mangle"])[0] == 0


def take_back_table(handles: Handles, version: int) -> None:
    """Takes away the mangle table that came with our chain once that is gone, if nobody has used it since."""
    if version not in handles.state.iptables or not shutil.which(f"{TOOLS[version]}-save"):
        return
    saved = run([f"{TOOLS[version]}-save", "-t", "mangle"]).splitlines()
    chains = [line.split()[:2] for line in saved if line.startswith(":")]
    if all(policy == "ACCEPT" for _, policy in chains) and not any(line.startswith("-") for line in saved):
        attempt(["nft", "delete", "table", TABLES[version], "mangle"])
    handles.state.iptables.remove(version)
    handles.state.save()


def _first(hook: str) -> str:
    chain, _, rest = hook.partition(" ")
    return f"-I {chain} 1 {rest}"


def rules(plan: KernelPlan, pairs: list[tuple[str, str]], version: int) -> tuple[str, ...]:
    """The chain's rules for (in, out) pairs of devices and for proxies on this box, and those that lead to it."""
    last = plan.queue_base + plan.queues - 1
    queue = f"--queue-balance {plan.queue_base}:{last}" if plan.queues > 1 else f"--queue-num {last}"
    verdict = f"-j NFQUEUE {queue} --queue-bypass"
    hooks = ["FORWARD"]
    local = dict(local_networks(plan)).get(version, ())
    wanted = [
        f"-A {CHAIN} -i {come} -o {leave} -s {source} -d {target} -j RETURN"
        for come, leave in pairs
        if come == leave
        for source, target in product(local, repeat=2)
    ]
    if any(route.kind == "dns" for route in plan.routes):  # see nft/text.py
        wanted.append(f"-A {CHAIN} -p udp -m udp --dport 53 -m conntrack --ctstate DNAT -j RETURN")
    wanted += [f"-A {CHAIN} -i {come} -o {leave} {verdict}" for come, leave in pairs]
    for route in plan.routes:
        if route.here:
            hooks = ["FORWARD", "INPUT"]
            mark = f"-m connmark --mark {plan.marks.route(route.number):#x}/{plan.marks.route_mask:#x}"
            lan = dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan")
            wanted += [f"-A {CHAIN} -i {come} -m conntrack --ctdir ORIGINAL {mark} {verdict}" for come in lan]
    wanted += [f"-A {hook} -m connmark --mark 0x0/{plan.marks.final:#x} {JUMP}" for hook in hooks]
    return (*wanted, f"-A FORWARD {INVALID} {JUMP}")


@lru_cache(maxsize=8)
def desired_step(version: int, wanted: tuple[str, ...]) -> QueueStep:
    """In iptables' own spelling; KernelError when it or the kernel refuses it."""
    tool = TOOLS[version]
    if not shutil.which(f"{tool}-restore"):
        raise KernelError(f"this kernel's nft has no queue statement and {tool} is not installed")
    text = "\n".join(["*mangle", f":{CHAIN} - [0:0]", *wanted, "COMMIT", ""])
    step = parse(version, in_scratch(f"{tool}-restore; {tool}-save -t mangle", text))
    assert step is not None
    return step


def actual_step(version: int) -> QueueStep | None:
    if not shutil.which(f"{TOOLS[version]}-save"):
        return None
    code, saved, _ = attempt([f"{TOOLS[version]}-save", "-t", "mangle"])
    return parse(version, saved) if code == 0 else None


def parse(version: int, saved: str) -> QueueStep | None:
    """Our chain in the output of iptables-save, or None."""
    lines = saved.splitlines()
    if not any(line.startswith(f":{CHAIN} ") for line in lines):
        return None
    ours = tuple(line for line in lines if line.startswith(f"-A {CHAIN} "))
    hooks = (line.removeprefix("-A ") for line in lines if line.startswith("-A ") and line.endswith(f" {JUMP}"))
    return QueueStep(version, tuple(sorted(hooks)), ours)
