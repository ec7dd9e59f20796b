"""What `dpi classify` says of captures whose flows show that they were taken in a way that hides what flows are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpi.record.lines import Lines

ENOUGH = 10  # connections from which on anything is said of all
NEARLY_ALL = 0.9
LENGTHS = 4  # different ones that there are at least: what is all made alike may well be even in all
LOOKED_AT = 1000  # packets of a capture
OFTEN = 0.01  # of these are cut: not just what is larger than any packet on a wire


def hints(lines: Lines, paths: Iterable[Path]) -> list[str]:
    """One sentence each, of the flows of all captures together, and of the first capture whose packets are cut."""
    found = [_cut(paths)]
    if lines.carrying >= ENOUGH:
        if lines.one_way >= NEARLY_ALL * lines.carrying:
            found.append(
                f"of {lines.one_way:,} of {lines.carrying:,} TCP connections one direction alone is seen: "
                "capture both, for names and risks come from either"
            )
        elif lines.even >= NEARLY_ALL * lines.carrying and lines.lengths.bit_count() >= LENGTHS:
            found.append(
                f"{lines.even:,} of {lines.carrying:,} TCP connections have even numbers of packets and bytes both "
                "ways, as if each packet had been captured twice (at two interfaces, say): then halve all counts"
            )
    return [each for each in found if each]


def _cut(paths: Iterable[Path]) -> str:
    from dpi.capture.pcapfile import Capture
    from dpi.errors import CaptureError

    for path in paths:
        cut = seen = 0
        try:
            if str(path) == "-" or not path.is_file():  # what was read of a pipe is gone
                continue
            with Capture(path) as capture:
                for _, _, wire, data in islice(capture, LOOKED_AT):
                    seen += 1
                    cut += len(data) < wire
        except (CaptureError, OSError):
            pass  # said where it was read
        if cut > OFTEN * seen:
            return (
                f"{path.name}: {cut:,} of the first {seen:,} packets are cut short: names may be missing; "
                "capture whole packets (tcpdump -s 0)"
            )
    return ""
