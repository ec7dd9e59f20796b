"""Every parser has a target of its own for the fuzzer, and every target has seeds."""

from __future__ import annotations

import re
from pathlib import Path

from fuzz.seeds import SEEDS

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests" / "fuzz"
# What knows flows or whole conversations, and the tools of the others: reached by the targets `flows` and `engine`.
THROUGH_THE_ENGINE = {
    "answer",
    "decoys",
    "dialogue",
    "find",
    "first_bytes",
    "inspect",
    "inspector",
    "ja4",
    "obfuscated",
    "quic_frames",
    "ssh",
    "text",
    "tunnelled",
}


def test_every_dissector_and_reader_is_asked_by_a_target() -> None:
    asked = set(re.findall(r"^from (dpi[\w.]*) cimport", "".join(p.read_text() for p in FUZZ.glob("*.pyx")), re.M))
    parsers = {f"dpi.dissect.{p.stem}" for p in (ROOT / "dpi" / "dissect").glob("*.pyx")}
    parsers -= {f"dpi.dissect.{each}" for each in THROUGH_THE_ENGINE}
    parsers |= {"dpi.dissect.probes.index", "dpi.wire.decode", "dpi.wire.fragments", "dpi.flow.stream"}
    parsers |= {"dpi.capture.pcapfile", "dpi.capture.nfnetlink", "dpi._fastpath"}
    assert parsers <= asked


def test_every_target_has_seeds() -> None:
    rows = set(re.findall(r'^row\("(\w+)"', (FUZZ / "targets.pyx").read_text(), re.M))
    assert rows == set(SEEDS)
    assert all(seeds() for seeds in SEEDS.values())
