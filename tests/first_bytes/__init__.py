"""What protocols begin with, made by hand from their descriptions: a file for each family of probes.

KNOWN    slug, transport, whether the side that opened speaks, port of the server, bytes
TALKS    slug, transport, port of the server, what both say in turn: (bytes, whether the side that opened says it)
"""

from __future__ import annotations

from importlib import import_module

from dpi.dissect.probes import FAMILIES

Known = tuple[str, int, bool, int, bytes]
Talk = tuple[str, int, int, list[tuple[bytes, bool]]]

KNOWN: list[Known] = []
TALKS: list[Talk] = []

for family in FAMILIES:
    cases = import_module(f"{__name__}.{family}")
    KNOWN += cases.KNOWN
    TALKS += getattr(cases, "TALKS", [])
