"""`dpi doctor`: looks for what could keep dpi from working here, and changes nothing.

    for diagnosis in examine(Box(plan)): print(diagnosis.level, diagnosis.found, diagnosis.fix)

It looks at the network namespace of the calling thread.  Without a policy it says what can be said without
knowing which interfaces are ours; without root, what an ordinary user may read.

One file a subject.  A check is a function that is given the box and yields what it found; `check.py` has the form
and the table that the functions enter.  `box.py` reads the machine, each thing once and only when a check asks for
it; what needs no machine (the parsers, and what is concluded from their values) is in functions of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from dpi.enforce.doctor import (
    asymmetry,
    conntrack,
    daemon,
    host,
    interfaces,
    kernel,
    links,
    queues,
    return_path,
    routing,
    rulesets,
)
from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import LEVELS, Check, Diagnosis, Level, entered

__all__ = ["CHECKS", "Box", "Diagnosis", "Level", "examine", "worst"]

SUBJECTS = (
    daemon,
    kernel,
    interfaces,
    routing,
    return_path,
    asymmetry,
    links,
    rulesets,
    conntrack,
    queues,
    host,
)  # the order of the report
CHECKS: dict[str, Check] = {c.name: c for subject in SUBJECTS for c in entered(subject.__name__)}


def examine(box: Box) -> list[Diagnosis]:
    """All checks, in order.  Those that need a policy and have none are named in one note."""
    found: list[Diagnosis] = []
    left: list[str] = []
    for check in CHECKS.values():
        if check.needs_policy and box.plan is None:
            left.append(check.name)
        else:
            found += check.run(box)
    if left:
        found.append(
            Diagnosis(
                "note",
                "policy",
                CHECKS["policy"].looks_at,
                f"not looked at without a policy: {', '.join(left)}",
                "These checks have to know which interfaces are lan and wan, and the rates",
                "dpi doctor --config FILE",
            )
        )
    return found


def worst(found: Iterable[Diagnosis]) -> Level:
    """The worst level among them."""
    return max((d.level for d in found), key=LEVELS.index, default="ok")
