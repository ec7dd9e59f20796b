"""What the doctor's tests ask it, how they read what it finds, and somebody else's rules for it to find."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from world import World, plan

from dpi.enforce.doctor import Box, Diagnosis, examine
from dpi.enforce.probe import Features, probe
from dpi.policy.plan import EnginePlan, Ids, KernelPlan, Plan

ROOT = Path(__file__).resolve().parents[2]


def whole(kernel: KernelPlan, **changes: Any) -> Plan:
    engine = EnginePlan((), tuple(i.name for i in kernel.interfaces if i.role == "lan"), kernel.marks, 262144)
    return Plan(kernel, engine, Ids(), "clean", ("policy.yaml",), "0123456789abcdef", **changes)


@cache
def features() -> Features:
    """Tried once: it takes seconds and no test changes it."""
    return probe(fresh=True)


def look(state: Path, kernel: KernelPlan | None = None, **told: Any) -> list[Diagnosis]:
    box = Box(plan=whole(kernel or plan(routes=())), state_dir=state, **told)
    box.features = features()
    return examine(box)


def told(found: list[Diagnosis], check: str, level: str) -> list[str]:
    return [d.found for d in found if (d.check, d.level) == (check, level)]


def one(found: list[Diagnosis], check: str, level: str, text: str) -> Diagnosis:
    matching = [d for d in found if (d.check, d.level) == (check, level) and text in d.found]
    assert len(matching) == 1, [(d.level, d.check, d.found) for d in found if d.level != "ok"]
    assert matching[0].looked_at and matching[0].why
    assert matching[0].fix or level == "note"
    return matching[0]


def errors(found: list[Diagnosis]) -> list[str]:
    return [f"{d.check}: {d.found}" for d in found if d.level == "error"]


def nft(world: World, *chains: str) -> None:
    """A table of somebody else's."""
    text = "table inet theirs {\n" + "\n".join(chains) + "\n}\n"
    with world.box:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def chain(hook: str, *rules: str, policy: str = "accept") -> str:
    lines = [f"type {'route' if hook == 'output' else 'filter'} hook {hook} priority 0; policy {policy};", *rules]
    return f"chain {hook} {{\n" + "\n".join(lines) + "\n}"


def status(**changes: Any) -> dict[str, Any]:
    """What a daemon in order says of itself, as far as the doctor asks."""
    return {
        "version": "0",
        "pid": os.getpid(),
        "policy_hash": "0123456789abcdef",
        "config": ["policy.yaml"],
        "reload": None,
        "queues": [],
        "flows": 10,
        "max_flows": 1000,
        "records": None,
        "routes": [],
        **changes,
    }
