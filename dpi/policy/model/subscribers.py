"""Who is shaped by a tariff of their own, and what they are behind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dpi.policy.fields import Mac, Name, OrMany, Prefix, Seconds, Size
from dpi.policy.model.classes import BothRates
from dpi.policy.model.section import Section


class Share(Section):
    """What one class gets of a tariff; shares are of the tariff's own rate and ceil."""

    rate: BothRates = Field(description="What the class gets of it whatever else its subscriber does")
    ceil: BothRates | None = Field(default=None, description="What it may borrow up to; default: all of the tariff")


class Tariff(Section):
    """What a subscriber gets."""

    rate: BothRates = Field(description="What a subscriber gets, or its part of it where all together ask for too much")
    ceil: BothRates | None = Field(
        default=None, description="What it may borrow up to from others who are idle; default: its rate"
    )
    burst: Size | None = Field(default=None, description="What may go at once after a pause; default: computed")
    classes: dict[Name, Share] = Field(
        default={}, max_length=14, description="How it is shared among classes; none: it is not"
    )


class Site(Section):
    """A part of the network that subscribers share: a site, an access point, a cabinet, a sector."""

    parent: Name | None = Field(default=None, description="The site that this one is behind; none: the link")
    rate: BothRates = Field(description="What it carries")


class Subscriber(Section):
    """A customer with a tariff."""

    tariff: Name = Field(description="The tariff")
    address: Annotated[list[Prefix], OrMany()] = Field(
        default=[], description="Addresses and prefixes; of several that hold an address the longest counts"
    )
    mac: Annotated[list[Mac], OrMany()] = Field(
        default=[], description="MAC addresses; an address that is written somewhere counts before them"
    )
    vlan: Annotated[list[Annotated[int, Field(ge=1, le=4094)]], OrMany()] = Field(
        default=[], description="VLANs of the LAN; an address or a MAC address counts before them"
    )
    parent: Name | None = Field(default=None, description="The site that the subscriber is behind; none: the link")


class Subscribers(Section):
    """Who is shaped by a tariff of their own."""

    default: Name | None = Field(
        default=None,
        description="Tariff that all other hosts share; default: they have the classes of the link",
    )
    queues: Literal["auto", "all", "on-demand"] = Field(
        default="auto",
        description="Whether a subscriber's classes are there from the start (all) or while there is traffic of theirs"
        " (on-demand); auto: on demand above 1,000 subscribers",
    )
    idle: Seconds = Field(
        default=600.0, description="On demand: how long without traffic until they are taken away; default: 10min"
    )
    entries: dict[Name, Subscriber] = Field(
        default={}, description="Subscribers by id; those in the policy's folder's *.csv files are added"
    )
