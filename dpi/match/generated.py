"""The part of a signature file that `dpi apps update` writes: below MARK; what stands above is its author's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpi.match.sources import KINDS, Kind

MARK = "# Written by `dpi apps update` from here on: what you change below is lost.\n"
Key = tuple[Kind, str]  # a list of a label


def apart(text: str) -> tuple[str, dict[Key, list[str]]]:
    """What is the author's of a file, and the entries of each list that an update has written."""
    head, _, below = text.partition(MARK)
    sections = {f"{kind}:": kind for kind in KINDS}
    found: dict[Key, list[str]] = {}
    kind, label = KINDS[0], ""
    for line in below.splitlines():
        if line in sections:
            kind = sections[line]
        elif line.startswith("    "):
            found.setdefault((kind, label), []).append(line.strip())
        elif line.startswith("  "):
            label = line.strip().partition(":")[0]
    return head, found


def together(head: str, lists: Mapping[Key, Sequence[str]]) -> str:
    """The text of a file with these lists; one without entries is left out."""
    text = head.rstrip("\n") + "\n\n" + MARK
    for kind in KINDS:
        mine = {label: words for (of, label), words in lists.items() if of == kind and words}
        if mine:
            text += f"{kind}:\n"
        for label, words in mine.items():
            text += f"  {label}: |\n" + "".join(f"    {word}\n" for word in words)
    return text
