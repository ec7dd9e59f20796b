"""One step that brings the kernel nearer to the plan, and what came of all of them.

An operation is a transition of one thing from what it is to what it shall be (`None`: absent).  Its undo is
the same transition the other way round, so there is no undo code that only a disaster would run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dpi.enforce.resource import Handles, Resource

Verb = Literal["add", "change", "remove"]


@dataclass(frozen=True)
class Operation:
    """A transition of one resource; `before` and `after` are never both None."""

    before: Resource | None
    after: Resource | None

    @property
    def verb(self) -> Verb:
        if self.before is None:
            return "add"
        return "change" if self.after is not None else "remove"

    @property
    def resource(self) -> Resource:
        resource = self.after or self.before
        assert resource is not None
        return resource

    def __str__(self) -> str:
        """In words, e.g. `change class d1:a of lan0: rate 10mbit -> 20mbit`."""
        if self.before is not None and self.after is not None:
            return f"change {self.after.title()}: {self.after.difference(self.before)}"
        return f"{self.verb} {self.resource.title()}: {self.resource.words()}"

    def to_json(self) -> dict[str, Any]:
        """`{"kind", "verb", "what", "words"}`, all strings."""
        return {
            "kind": self.resource.kind,
            "verb": self.verb,
            "what": self.resource.title(),
            "words": str(self),
        }

    def do(self, handles: Handles) -> None:
        self.resource.transition(handles, self.before, self.after)

    def undo(self, handles: Handles) -> None:
        self.resource.transition(handles, self.after, self.before)


@dataclass(frozen=True)
class Report:
    """What `apply` or `clean` did, in order; empty when there was nothing to do."""

    operations: tuple[Operation, ...]
    notes: tuple[str, ...] = ()  # what was chosen by availability, in words
    asleep: frozenset[str] = frozenset()  # subscribers without classes now, where they are made on demand

    @property
    def changed(self) -> bool:
        return bool(self.operations)

    def to_json(self) -> dict[str, Any]:
        return {"operations": [o.to_json() for o in self.operations], "notes": list(self.notes)}
