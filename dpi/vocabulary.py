"""The names that a policy may use, from the signatures: one of the places where the two halves meet."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dpi.policy.names import Vocabulary

if TYPE_CHECKING:
    from dpi.match.labels import Signatures


def vocabulary(folders: Iterable[Path] = ()) -> Vocabulary:
    """The built-in signatures' names with those of the user's folders.  Raises FindingsError, UsageError."""
    from dpi.match.signatures import load

    folders = tuple(folders)
    return of_signatures(load(folders)) if folders else _built_in()


@cache
def _built_in() -> Vocabulary:
    """These do not change while a program runs."""
    from dpi.match.signatures import load

    return of_signatures(load())


def of_signatures(signatures: Signatures) -> Vocabulary:
    """The names of signatures that are loaded already.

    A label that a dissector gives may be asked for as a protocol even where it is an app too.
    """
    from dpi.dissect.protocols import RESERVED

    labels = [label for label in signatures.labels if label]
    return Vocabulary(
        apps=frozenset(label.slug for label in labels if label.kind == "app"),
        protocols=frozenset(label.slug for label in labels if label.kind == "protocol" or label.id < RESERVED),
        categories={category.slug: category.within for category in signatures.categories},
        category_of={label.slug: label.category.slug for label in labels},
        devices=frozenset(signatures.devices.kinds),
    )
