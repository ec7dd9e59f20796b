"""Which side is which."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dpi.policy.fields import Device, OrMany, OrShort, Prefix
from dpi.policy.model.section import Section


class Port(Section):
    """An interface of the box, or one VLAN of it in bridge mode."""

    device: Device = Field(description="The interface's name")
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = Field(
        default=None, description="Bridge mode: only the frames of this VLAN"
    )


def _port(value: Any) -> dict[str, Any]:
    return {"device": value}


Ports_ = Annotated[
    list[Annotated[Port, OrShort(_port, {"type": "string", "description": "The interface's name"})]],
    OrMany(),
]


class Interfaces(Section):
    """Which side is which."""

    mode: Literal["router", "bridge"] = Field(
        default="router", description="router: the box routes between lan and wan; bridge: it bridges them"
    )
    lan: Ports_ = Field(min_length=1, description="Towards the hosts whose traffic this policy is about")
    wan: Ports_ = Field(min_length=1, description="Towards the Internet")
    local: Annotated[list[Prefix], OrMany()] = Field(
        default=[],
        description="Prefixes behind the LAN; needed where lan and wan are the same interface",
    )
