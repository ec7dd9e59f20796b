"""What every section of a policy has."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Override = Annotated[
    bool,
    Field(
        description="In a drop-in: what is said here takes the place of what earlier files say of it",
        repr=False,  # how it came about is no part of what a policy means
    ),
]


class Section(BaseModel):
    """Unknown keys are refused, values are not guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    override: Override = False
