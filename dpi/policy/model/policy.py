"""A policy: its sections, each a file here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from dpi.policy.fields import FilePath, Name, OrMany, Prefix, Zone
from dpi.policy.model.box import Control, Flows, Marks, Portal, Queue, Records
from dpi.policy.model.caches import Cache
from dpi.policy.model.classes import Class, Link
from dpi.policy.model.conditions import Congestion, Quota, Schedule
from dpi.policy.model.interfaces import Interfaces
from dpi.policy.model.rules import Rule
from dpi.policy.model.section import Section
from dpi.policy.model.subscribers import Site, Subscribers, Tariff


class Policy(Section):
    """A policy of dpi: which traffic gets what."""

    model_config = ConfigDict(title="dpi policy")

    version: Literal[1] = Field(description="Version of this format: 1")
    interfaces: Interfaces = Field(description="Which side is which")
    link: Link | None = Field(default=None, description="What the line carries; needed for classes")
    classes: dict[Name, Class] = Field(default={}, description="Shares of the link, by name, as a tree")
    groups: dict[Name, Annotated[list[Prefix], Field(min_length=1), OrMany()]] = Field(
        default={}, description="Hosts and networks under a name"
    )
    caches: dict[Name, Cache] = Field(default={}, description="Caches by name, seven at most")
    zone: Zone | None = Field(default=None, description="Time zone of schedules that name none")
    schedules: dict[Name, Schedule] = Field(default={}, description="Windows of time by name, for rules")
    quotas: dict[Name, Quota] = Field(default={}, description="Volumes by name, for rules")
    congestion: dict[Name, Congestion] = Field(default={}, description="Busy classes by name, for rules")
    rules: dict[Name, Rule] = Field(default={}, description="Rules by name, in order; the first that matches decides")
    tariffs: dict[Name, Tariff] = Field(default={}, description="What subscribers get, by name")
    sites: dict[Name, Site] = Field(default={}, description="What subscribers are behind, by name, as a tree")
    subscribers: Subscribers = Field(default=Subscribers(), description="Who has which tariff")
    portal: Portal = Field(default=Portal(), description="The daemon's page, for rules with redirect: portal")
    marks: Marks = Field(default=Marks(), description="Our bits of the packet mark")
    queue: Queue = Field(default=Queue(), description="The way to user space")
    flows: Flows = Field(default=Flows(), description="The flow table")
    records: Records | None = Field(default=None, description="Where ended flows are written; none: nowhere")
    signatures: Annotated[list[FilePath], OrMany()] = Field(
        default=[], description="Folders with your own signatures, from the policy's folder"
    )
    control: Control = Field(default=Control(), description="The daemon's socket")
    on_exit: Literal["clean", "keep"] = Field(
        default="clean", description="clean: leave nothing of ours in the kernel; keep: leave it as it is"
    )
