"""Says everything that is wrong with a policy at once.

First each part by itself (the models), then what takes two parts (checks/).  A part that is wrong by itself is
left out of the second step, so that one mistake is one finding and hides no other.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from dpi.errors import Finding, FindingsError, UsageError
from dpi.policy.checks import caches, classes, conditions, interfaces, rules, subscribers
from dpi.policy.checks.case import Case
from dpi.policy.checks.interfaces import signature_folder
from dpi.policy.findings import of_validation
from dpi.policy.load import LISTED, Document, Path_, load
from dpi.policy.model.policy import Policy
from dpi.policy.names import Machine, Vocabulary

_NAMED = ("classes", "groups", "caches", "rules", "tariffs", "sites", "schedules", "quotas", "congestion")
_INSTEAD: dict[str, Any] = {"version": 1, "interfaces": {"lan": ["lan"], "wan": ["wan"]}}


@dataclass(frozen=True)
class Checked:
    """A policy in which nothing is wrong, with where it came from and what looks odd."""

    document: Document
    policy: Policy
    warnings: tuple[Finding, ...]
    vocabulary: Vocabulary | None = None


class Names(Protocol):
    """Gives the vocabulary, with what the user's own folders of signatures add to it.

    Raises UsageError where those are wrong.
    """

    def __call__(self, folders: tuple[Path, ...], /) -> Vocabulary: ...


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: reading a policy makes a million objects that stay, and looking through them
    again and again took a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def check(
    file: Path,
    sets: Iterable[str] = (),
    *,
    names: Names | None = None,
    machine: Machine | None = None,
    instead: Mapping[Path, bytes] | None = None,
) -> Checked:
    """The policy of a file and its drop-ins, or FindingsError with all that is wrong.

    Without `names` labels are not looked up, without a machine interfaces are not.  `instead` as for load().
    """
    checked, findings = inspect(file, sets, names=names, machine=machine, instead=instead)
    if checked is None:
        raise FindingsError(findings)
    return checked


@uncollected()
def inspect(
    file: Path,
    sets: Iterable[str] = (),
    *,
    names: Names | None = None,
    machine: Machine | None = None,
    instead: Mapping[Path, bytes] | None = None,
) -> tuple[Checked | None, list[Finding]]:
    """As check(), but raises nothing: all findings, warnings too, in order of place."""
    findings: list[Finding] = []
    document = load(file, sets, instead, findings)
    policy, vocabulary = None, None
    if document.complete:
        if names is not None:
            try:
                vocabulary = names(signature_folders(document))
            except FindingsError as error:
                findings += error.findings
            except UsageError as error:
                findings.append(document.finding(("signatures",), str(error)))
        policy, more = examine(document, vocabulary, machine)
        findings = sorted({*findings, *more})
    if policy is None or any(not finding.warning for finding in findings):
        return None, findings
    return Checked(document, policy, tuple(findings), vocabulary), findings


def signature_folders(document: Document) -> tuple[Path, ...]:
    """The folders of the user's own signatures that exist; the others are findings."""
    node = document.root.get("signatures")
    given = node.data() if node is not None else []
    texts = given if isinstance(given, list) else [given]
    paths = [signature_folder(document.files[0], text) for text in texts if isinstance(text, str)]
    return tuple(path for path in paths if path.is_dir())


def examine(
    document: Document, vocabulary: Vocabulary | None = None, machine: Machine | None = None
) -> tuple[Policy | None, list[Finding]]:
    """What a merged document says, and all that is wrong or odd; no policy where anything is wrong."""
    data = document.data()
    findings: list[Finding] = []
    broken: set[str] = set()
    partial: set[Path_] = set()
    policy: Policy | None = None
    for _ in range(4):  # what is left out may leave something else wrong, but not for long
        try:
            policy = Policy.model_validate(data)
            break
        except ValidationError as error:
            if not findings:
                findings = of_validation(error, document)
            _leave_out(data, error, broken, partial)
    if policy is not None:
        case = Case(document, policy, vocabulary, machine, broken, partial)
        for part in (interfaces, classes, caches, rules, conditions, subscribers):
            part.check(case)
        findings += case.findings
    findings = sorted(set(findings))
    wrong = any(not finding.warning for finding in findings)
    return (None if wrong else policy), findings


def _leave_out(data: dict[str, Any], error: ValidationError, broken: set[str], partial: set[Path_]) -> None:
    for item in error.errors(include_url=False, include_context=False):
        path = [step for step in item["loc"] if step != "[key]"]
        if item["type"] == "extra_forbidden":
            _remove(data, path)
            partial.add(tuple(path[:2]))
            broken.add(str(path[0]))
        elif path[0] in _NAMED and len(path) > 1:
            broken.add(str(path[0]))
            _remove(data, path[:2])
        elif tuple(path[:2]) == LISTED and len(path) > 2:
            broken.add(str(path[0]))
            _remove(data, path[:3])
        else:
            broken.add(str(path[0]))
            data.pop(str(path[0]), None)
            if path[0] in _INSTEAD:
                data[str(path[0])] = _INSTEAD[str(path[0])]


def _remove(data: Any, path: list[Any]) -> None:
    for step in path[:-1]:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return  # one word stood for several keys, or it is gone already
    if isinstance(data, dict):
        data.pop(path[-1], None)
