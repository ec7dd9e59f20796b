"""The engine alone, on packets in memory."""

from __future__ import annotations

import statistics
from pathlib import Path

from dpi.bench.replay import Replay
from dpi.capture.pcapfile import Capture
from dpi.core import Core
from dpi.engine import Engine


def measure(path: Path, rounds: int, max_flows: int) -> dict[str, int | float]:
    """Medians over the rounds, each with a table of its own; CPU seconds of one thread.

    packets_per_decision: packets of a flow that a dissector looked at, on average.  bytes_per_flow: of the table,
    its share of a full index and the names, for the flows that were in it at the end.
    """
    with Capture(path) as capture:
        replay = Replay(capture)
    engine = Engine(max_flows=1)
    parse = statistics.median(replay.decode() for _ in range(rounds))
    times: list[float] = []
    counters: dict[str, int] = {}
    for _ in range(rounds):
        core = Core(max_flows, merge=True)
        engine.use(core)
        times.append(replay.run(core))
        counters = core.counters()
    cpu = statistics.median(times)
    flows = max(counters["flows"], 1)
    return {
        "packets": counters["packets"],
        "flows": counters["flows"],
        "cpu_s": round(cpu, 4),
        "parse_cpu_s": round(parse, 4),
        "packets_per_s": round(counters["packets"] / cpu) if cpu else 0,
        "flows_per_s": round(counters["flows"] / cpu) if cpu else 0,
        "named": round(counters["named"] / max(counters["decided"], 1), 4),
        "packets_per_decision": round(counters["inspected"] / flows, 3),
        "bytes_per_flow": round((counters["flow_bytes"] + counters["string_bytes"]) / max(counters["active"], 1), 1),
        "rss_mb": round(resident() / 1e6, 1),
    }


def resident() -> int:
    """Bytes of this process's memory that are resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
