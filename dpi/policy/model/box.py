"""The box itself: what is taken of it, and how the daemon runs there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dpi.policy.fields import FilePath, Seconds, Size
from dpi.policy.model.section import Section


class Portal(Section):
    """The daemon's own page, for rules that redirect there."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Where it is served; default: 8088"
    )
    page: FilePath | None = Field(default=None, description="A file of HTML; default: a page that says little")


class Marks(Section):
    """Our bits of the packet mark; all others belong to other software."""

    mask: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = Field(
        default=0x7FFF0000, description="Contiguous bits; default: 0x7fff0000"
    )


class Queue(Section):
    """The queues through which undecided packets reach user space."""

    count: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None, description="How many; default: one for each core"
    )
    base: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, description="Number of the first")


class Flows(Section):
    """The flow table."""

    max: Annotated[int, Field(ge=1024, le=1 << 26)] = Field(
        default=262144, description="Flows known at once; about 320 bytes each"
    )
    risks: bool = Field(default=False, description="Look at what servers answer as well, for risks")


class Records(Section):
    """Where ended flows are written, one JSON object a line."""

    file: FilePath = Field(description="The file")
    rotate: Size = Field(default=100 << 20, description="Start a new one at this size; default: 100m")
    keep: Annotated[int, Field(ge=0, le=1000)] = Field(default=5, description="How many old ones are kept")


class Control(Section):
    """How the CLI reaches the daemon, and how careful it is with changes."""

    socket: FilePath | None = Field(default=None, description="Where it is; default: /run/dpi/control.sock")
    group: Annotated[str, Field(min_length=1, max_length=32)] | None = Field(
        default=None, description="Who may use it beside root, where there is such a group; default: dpi"
    )
    confirm: Seconds | None = Field(
        default=None, description="Undo every change of policy that is not confirmed within this time; default: never"
    )
