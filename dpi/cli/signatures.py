"""The option that every command has which reads signatures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def signatures_option(function: F) -> F:
    return click.option(
        "--signatures",
        "folders",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder of your own signatures, read after the built-in ones.  May be given more than once.",
    )(function)
