"""How many flows are named rightly where names cannot be read, and at the first packet: python tests/bench/naming.py

For every way of looking at the shared captures (all evidence, `--blind`, `--blind=dns`, `--first-packet`): of the flows
that another program calls an app, the share that is named the same, otherwise, or not at all, by method; the share of
all its labels that is right; of the names that are said to be sure, the share that is; and the packets that a decision
took.  --json for one object; --wrong lists what differs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from dpi.captures import Captures
from dpi.errors import CaptureError
from dpi.record.fields import FlowRecord

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SURE = 0.9
Blind = Literal["", "names", "dns"]
WAYS: dict[str, tuple[Blind, bool]] = {
    "all": ("", False),
    "blind": ("names", False),
    "blind=dns": ("dns", False),
    "first-packet": ("", True),
}
Key = tuple[str, str, frozenset[tuple[str, int]]]


def key(capture: str, l4: str, src: str, sport: int, dst: str, dport: int) -> Key:
    return capture, l4, frozenset([(src, sport), (dst, dport)])


def flows(engine: Captures, captures: Iterable[Path], blind: Blind, first_packet: bool) -> dict[Key, list[FlowRecord]]:
    out: dict[Key, list[FlowRecord]] = defaultdict(list)
    for path in captures:
        try:
            for flow in engine.classify(path, blind=blind, first_packet=first_packet):
                out[key(path.name, flow.l4, flow.src, flow.sport, flow.dst, flow.dport)].append(flow)
        except CaptureError:  # what there was before the damage counts
            pass
    return out


def truth(corpus: Path) -> list[dict[str, Any]]:
    """The labels that come from payload, as score.py takes them."""
    rows = map(json.loads, (corpus / "flows.jsonl").read_text().splitlines())
    return [row for row in rows if (row["confidence"] or "").startswith("DPI")]


def verdict(row: dict[str, Any], found: list[FlowRecord]) -> tuple[str, FlowRecord | None]:
    """right: one of the two labels is the app; wrong: another app; missed: none."""
    for flow in found:
        if row["app"] in (flow.app, flow.protocol):
            return "right", flow
    for flow in found:
        if flow.app:
            return "wrong", flow
    return "missed", None


def agrees(row: dict[str, Any], flow: FlowRecord) -> bool:
    """The name that the flow is shown with is one of the two labels, or the narrower of these is one of ours."""
    return (flow.app or flow.protocol) in (row["app"], row["protocol"]) or (row["app"] or row["protocol"]) in (
        flow.app,
        flow.protocol,
    )


def measure(rows: list[dict[str, Any]], got: dict[Key, list[FlowRecord]], listed: bool = False) -> dict[str, Any]:
    """Shares of the flows with an app, of those among them that are not DNS, and of all labels."""
    counts: dict[str, Counter[str]] = {"apps": Counter(), "apps_but_dns": Counter()}
    methods: dict[str, Counter[str]] = defaultdict(Counter)
    labels = 0
    sure: list[bool] = []
    for row in rows:
        found = got.get(key(row["pcap"], row["l4"], row["src"], row["sport"], row["dst"], row["dport"]), [])
        labels += any((row["app"] or row["protocol"]) in (flow.app, flow.protocol) for flow in found)
        sure += [agrees(row, flow) for flow in found[:1] if flow.method and flow.confidence >= SURE]
        if not row["app"]:
            continue
        how, flow = verdict(row, found)
        counts["apps"][how] += 1
        if row["protocol"] != "dns":
            counts["apps_but_dns"][how] += 1
        if flow:
            methods[flow.method or "none"][how] += 1
        if listed and how != "right":
            ours = f"{flow.app} by {flow.method}" if flow else "-"
            print(how, row["pcap"], row["l4"], row["dst"], row["dport"], row["protocol"], row["app"], ours)
    decided = [flow.decided_at for found in got.values() for flow in found]
    shares = {
        kind: {how: round(count[how] / max(count.total(), 1), 4) for how in ("right", "wrong", "missed")}
        for kind, count in counts.items()
    }
    return {
        "labels_right": round(labels / max(len(rows), 1), 4),
        "sure": len(sure),
        "sure_right": round(sum(sure) / max(len(sure), 1), 4),
        **shares,
        "methods": {method: dict(count) for method, count in sorted(methods.items())},
        "packets_per_decision": round(sum(decided) / max(len(decided), 1), 2),
    }


def main(arguments: list[str]) -> int:
    if not (CORPUS / "pcap").is_dir():
        print(f"the captures are not here ({CORPUS}): nothing to measure", file=sys.stderr)
        return 0
    rows, captures, engine = truth(CORPUS), sorted((CORPUS / "pcap").iterdir()), Captures(max_flows=1 << 16)
    wanted = [name for name in WAYS if name in arguments] or list(WAYS)
    results = {}
    for name in wanted:
        results[name] = measure(rows, flows(engine, captures, *WAYS[name]), "--wrong" in arguments)
    if "--json" in arguments:
        print(json.dumps(results))
        return 0
    for name, result in results.items():
        print(name)
        for what, value in result.items():
            print(f"  {what:21} {json.dumps(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
