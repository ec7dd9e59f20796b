"""A daemon's answers without a network: a worker that has its policy and its engine, and is not in the path."""

from __future__ import annotations

from pathlib import Path

from dpi.daemon.answers import Answers
from dpi.daemon.heart import Heart
from dpi.daemon.state import Options
from dpi.daemon.worker import Worker
from dpi.engine import Engine
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine

POLICY = """
version: 1
interfaces: {lan: lan0, wan: wan0}
link: {down: 100mbit, up: 20mbit}
classes: {rest: {rate: 10mbit, default: true}}
"""


def answers_of(folder: Path, more: str = "") -> Answers:
    """Of POLICY and what is `more`, written into the folder."""
    config = folder / "policy.yaml"
    config.write_text(POLICY + more)
    worker = Worker(Options(config, state_dir=folder), Heart())
    state = worker.state
    plan = compile_policy(check(config, names=state.signatures.vocabulary), Machine(cores=1))
    state.signatures.adopt()
    state.use(plan)
    state.engine = Engine(state.signatures.used, max_flows=1024, offload=True, risks=plan.engine.risks)
    state.engine.load_rules(plan.engine, plan.kernel.targets)
    return Answers(state, worker.reloads)
