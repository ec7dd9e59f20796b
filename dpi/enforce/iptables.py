"""The queue step through iptables, for kernels without nft's queue statement.

A chain of our own, hooked first in mangle's FORWARD, loaded in one atomic `iptables-restore --noflush`.  Together
they ask what the nft rule asks: undecided (the hook, so that a decided packet costs one comparison), and between
lan and wan (the chain).  `--queue-balance` picks the queue by a hash of the two addresses that is the same for
both directions; `--queue-bypass` lets traffic pass when nobody listens.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from dpi.enforce.names import CHAIN
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch, run
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

TOOLS = {4: "iptables", 6: "ip6tables"}
TABLES = {4: "ip", 6: "ip6"}  # what nf_tables calls the families
JUMP = f"-j {CHAIN}"


@dataclass(frozen=True)
class QueueStep(Resource):
    kind: ClassVar[str] = "iptables"
    rank: ClassVar[int] = 9

    version: int
    hook: str  # "FORWARD … -j ours", "" where nothing leads to us
    rules: tuple[str, ...]  # both as iptables-save prints them

    @property
    def key(self) -> Key:
        return (self.kind, self.version)

    def title(self) -> str:
        return f"{TOOLS[self.version]} chain {CHAIN}"

    def words(self) -> str:
        return f"{len(self.rules)} rules, {'' if self.hook else 'not '}in mangle FORWARD"

    def add(self, handles: Handles) -> None:
        if not self._table_exists():
            handles.state.iptables.append(self.version)
            handles.state.save()
        lines = [f":{CHAIN} - [0:0]", *self.rules]
        if self.hook:
            lines.append(self._first())
        try:
            self._restore(lines)
        except KernelError:
            self._forget_table(handles)
            raise

    def remove(self, handles: Handles) -> None:
        unhook = [f"-D {self.hook}"] if self.hook else []
        self._restore([*unhook, f"-F {CHAIN}", f"-X {CHAIN}"])
        self._forget_table(handles)

    def change(self, handles: Handles, before: Resource) -> None:
        assert isinstance(before, QueueStep)
        lines = [f":{CHAIN} - [0:0]", *self.rules]  # naming the chain empties it
        if self.hook != before.hook:
            lines += [self._first()] if self.hook else []
            lines += [f"-D {before.hook}"] if before.hook else []
        self._restore(lines)

    def _first(self) -> str:
        return f"-I {self.hook.replace('FORWARD', 'FORWARD 1', 1)}"

    def _restore(self, lines: list[str]) -> None:
        text = "\n".join(["*mangle", *lines, "COMMIT", ""])
        code, _, error = attempt([f"{TOOLS[self.version]}-restore", "--noflush", "-w", "5"], text)
        if code:
            raise KernelError(f"{TOOLS[self.version]}: {first_line(error)}")

    def _table_exists(self) -> bool:
        return attempt(["nft", "list", "table", TABLES[self.version], "mangle"])[0] == 0

    def _forget_table(self, handles: Handles) -> None:
        """Takes away the mangle table that came with our chain, if nobody has used it since."""
        if self.version not in handles.state.iptables:
            return
        saved = run([f"{TOOLS[self.version]}-save", "-t", "mangle"]).splitlines()
        chains = [line.split()[:2] for line in saved if line.startswith(":")]
        if all(policy == "ACCEPT" for _, policy in chains) and not any(line.startswith("-") for line in saved):
            attempt(["nft", "delete", "table", TABLES[self.version], "mangle"])
        handles.state.iptables.remove(self.version)
        handles.state.save()


def rules(plan: KernelPlan, pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """The chain's rules for (in, out) pairs of devices, and the one that leads to it."""
    last = plan.queue_base + plan.queues - 1
    queue = f"--queue-balance {plan.queue_base}:{last}" if plan.queues > 1 else f"--queue-num {last}"
    verdict = f"-j NFQUEUE {queue} --queue-bypass"
    hook = f"-A FORWARD -m connmark --mark 0x0/{plan.marks.final:#x} {JUMP}"
    return (*(f"-A {CHAIN} -i {come} -o {leave} {verdict}" for come, leave in pairs), hook)


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
    hook = next((line for line in lines if line.startswith("-A FORWARD ") and line.endswith(f" {JUMP}")), "")
    return QueueStep(version, hook.removeprefix("-A "), ours)
