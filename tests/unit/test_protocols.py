"""The C enum of labels and its Python twin are the same list."""

from __future__ import annotations

import re
from pathlib import Path

from dpi.dissect import protocols


def test_the_enum_and_the_tuple_name_the_same_labels_in_the_same_order() -> None:
    text = Path(protocols.__file__).with_suffix(".pxd").read_text()
    body = text.split("cdef enum Protocol:")[1].split("P_COUNT")[0]
    code = re.sub(r"#.*", "", body)
    assert tuple(name.lower() for name in re.findall(r"\bP_(\w+)", code)) == protocols.SLUGS


def test_numbers_are_unique_and_below_what_the_loader_gives_away() -> None:
    assert len(protocols.IDS) == len(protocols.SLUGS) <= protocols.RESERVED
    assert protocols.IDS["unknown"] == 0
    pxd = Path(protocols.__file__).with_suffix(".pxd").read_text()
    assert f"P_RESERVED = {protocols.RESERVED}" in pxd
