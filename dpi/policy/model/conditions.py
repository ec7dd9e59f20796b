"""What rules may depend on beside the traffic: the time, busy classes, volumes used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dpi.policy.fields import Dates, Label, Name, OrMany, Period, Seconds, Volume, Weekly, Zone
from dpi.policy.fields import Share as ShareOf
from dpi.policy.model.section import Section


class Schedule(Section):
    """Windows of time in which rules are there, by the clock on the wall."""

    zone: Zone | None = Field(default=None, description="Time zone; default: the policy's")
    weekly: Annotated[list[Weekly], OrMany()] = Field(default=[], description="Every week: days, hours, or both")
    dates: Annotated[list[Dates], OrMany()] = Field(default=[], description="Once: a date, or from one to another")
    without: Annotated[list[Dates], OrMany()] = Field(default=[], description="But not then")


class Congestion(Section):
    """A class that is busy: over a share of its rate for some time."""

    class_: Name = Field(alias="class", description="The class")
    direction: Literal["down", "up"] = Field(default="down", description="Which of its rates")
    above: ShareOf = Field(description="It begins over this share of the rate")
    below: ShareOf | None = Field(default=None, description="It ends under this share; default: four fifths of `above`")
    for_: Seconds = Field(default=30.0, alias="for", description="For so long, to begin and to end; default: 30s")


class Quota(Section):
    """A volume that each subscriber or host may use in a time, counted in both directions."""

    each: Literal["subscriber", "host"] | None = Field(
        default=None, description="Whose it is; default: each subscriber's, each host's where there are none"
    )
    app: Annotated[list[Label], OrMany()] = Field(default=[], description="Only what these apps or protocols use")
    category: Annotated[list[Label], OrMany()] = Field(default=[], description="Only what apps of these use")
    volume: Volume = Field(description="How much")
    per: Period = Field(description="day, week or month of the calendar; or a time that rolls, as 24h")
    zone: Zone | None = Field(default=None, description="Time zone of the calendar; default: the policy's")
    tariff: Name | None = Field(
        default=None, description="The tariff of a subscriber who has used it up; default: their own"
    )
    warn: Annotated[list[ShareOf], OrMany()] = Field(default=[], description="Shares of it at which to warn")
