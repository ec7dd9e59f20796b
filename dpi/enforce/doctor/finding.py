"""What the doctor says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "error"]  # error: it will not work


@dataclass(frozen=True)
class Finding:
    level: Level
    topic: str  # a word or two: "queue", "marks", "lan0"
    what: str
    why: str = ""
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def ok(topic: str, what: str) -> Finding:
    return Finding("ok", topic, what)
