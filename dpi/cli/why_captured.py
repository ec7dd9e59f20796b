"""`dpi why --capture`: the flows of captures that are meant, explained without a daemon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpi.cli.bar import Bar
from dpi.cli.classify import files
from dpi.errors import CaptureError, DpiError


def answer_of(
    given: Sequence[Path], what: str, policy: Path | None, folders: Sequence[Path], most: int, faults: list[str]
) -> dict[str, Any]:
    """The daemon's answer of what is in captures.  faults: gets what could not be read of them.

    Raises DpiError where no flow is meant, CaptureError where that may be because of a fault.
    """
    from dpi.captures import Captures, begins
    from dpi.match.signatures import load
    from dpi.why.captured import why_captured

    plan = None
    if policy:
        from dpi.cli.policy_file import planned

        plan = planned(policy)
    captures = Captures(load([*(plan.engine.signature_dirs if plan else ()), *folders]), max_flows=1 << 19)
    if plan:
        captures.follow(plan)
    paths = list(files(given))
    if len(paths) > 1:
        paths.sort(key=begins)
    with Bar(paths) as bar:
        answer = why_captured(captures, bar.over(paths), what, plan, most=most, faults=faults, watch=bar.at)
    if not answer["flows"]:
        if faults:
            raise CaptureError("\n".join(faults))
        raise DpiError(f"{_spoken(paths)}: no flow has {what}")
    return answer


def _spoken(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} captures"
