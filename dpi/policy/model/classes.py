"""The link, and its shares: rates and classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dpi.policy.fields import RATE_PATTERN, LinkRate, Name, OrShort, Rate, Size
from dpi.policy.model.section import Section
from dpi.policy.plan import Direction
from dpi.policy.units import Rate as RateValue


class Link(Section):
    """The rates at which the line really passes traffic; a little less keeps the queue on this box."""

    down: LinkRate = Field(description="From the Internet, as in 500mbit")
    up: LinkRate = Field(description="To the Internet")


class Rates(Section):
    """A rate for each direction; a direction that is left out is not shaped by this class."""

    down: Rate | None = Field(default=None, description="From the Internet")
    up: Rate | None = Field(default=None, description="To the Internet")

    def of(self, direction: Direction) -> RateValue | None:
        return self.down if direction == "down" else self.up


def _both(value: Any) -> dict[str, Any]:
    return {"down": value, "up": value}


BothRates = Annotated[
    Rates,
    OrShort(
        _both, {"type": "string", "pattern": RATE_PATTERN, "description": "One rate for both directions: 8mbit, 20%"}
    ),
]


class Class(Section):
    """A share of the link."""

    parent: Name | None = Field(default=None, description="The class that this one is part of; none: the link")
    rate: BothRates = Field(description="What the class gets whatever else is going on")
    ceil: BothRates | None = Field(
        default=None, description="What it may borrow up to; default: its rate, so that it is held to that"
    )
    priority: Annotated[int, Field(ge=0, le=7)] = Field(
        default=4, description="Who is offered spare rate first: 0 before 7"
    )
    burst: Size | None = Field(default=None, description="What may go at the link's speed at once; default: computed")
    leaf: Literal["auto", "cake", "fq_codel", "bfifo"] | None = Field(
        default=None, description="The queue at the end; auto: the best that the kernel has"
    )
    default: bool = Field(default=False, description="The class of everything that no rule puts elsewhere")
