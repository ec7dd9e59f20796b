"""The engine alone, on packets in memory, and beside it a loop that only counts flows."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from dpi.bench.bare import bare
from dpi.bench.replay import Replay
from dpi.capture.pcapfile import Capture
from dpi.core import Core
from dpi.decider import Decider
from dpi.match.names import Names


def measure(capture: Capture, rounds: int, max_flows: int) -> dict[str, int | float | None]:
    """Medians over the rounds, each with a table of its own; CPU seconds of one thread.

    cpu_s: of decoding, the flow table and naming.  cpu_with_risks_s: where servers' answers are looked at for risks as
    well, as `dpi classify` and policies that ask for it have it.  parse_cpu_s: of decoding and the flow table alone.
    cost_over_bare: what a packet costs the engine, over what it costs a loop that only counts flows, one packet after
    another; cost_over_bare_ahead: over the same that looks ahead as the engine does (bare.pyx).
    packets_per_decision: packets of a flow that a dissector looked at, on average.  bytes_per_flow: of the table, its
    share of a full index, the names and what undecided flows are lent, for the flows that were in it at the end.
    start_s: from nothing to an engine with all signatures, in a process of its own.
    """
    start = statistics.median(started() for _ in range(rounds))
    replay = Replay(capture)
    decider = Decider()
    parses: list[float] = []
    bares: dict[bool, list[tuple[float, int, int]]] = {False: [], True: []}  # by whether it looks ahead
    times: dict[bool, list[float]] = {False: [], True: []}  # by whether risks are looked for
    counters: dict[str, int] = {}
    for _ in range(rounds):  # in turn, as a machine is not the same from second to second
        parses.append(replay.track(max_flows))
        for ahead in (True, False):
            bares[ahead].append(bare(replay, ahead))
        for risks in (True, False):
            core = Core(max_flows, merge=True, risks=risks)
            decider.use(core, Names())
            times[risks].append(replay.run(core))
            counters = core.counters()
    cpu = statistics.median(times[False])
    packets = max(counters["packets"], 1)
    bare_cpu, bare_packets, bare_flows = sorted(bares[False])[rounds // 2]
    ahead_cpu, _, _ = sorted(bares[True])[rounds // 2]
    as_many = cpu / packets * bare_packets
    flows = max(counters["flows"], 1)
    return {
        "packets": counters["packets"],
        "flows": counters["flows"],
        "cpu_s": round(cpu, 4),
        "cpu_with_risks_s": round(statistics.median(times[True]), 4),
        "parse_cpu_s": round(statistics.median(parses), 4),
        "bare_cpu_s": round(bare_cpu, 4),
        "bare_ahead_cpu_s": round(ahead_cpu, 4),
        "bare_packets": bare_packets,
        "bare_flows": bare_flows,
        "cost_over_bare": round(as_many / bare_cpu, 2) if bare_packets else None,
        "cost_over_bare_ahead": round(as_many / ahead_cpu, 2) if bare_packets else None,
        "packets_per_s": round(counters["packets"] / cpu) if cpu else 0,
        "flows_per_s": round(counters["flows"] / cpu) if cpu else 0,
        "named": round(counters["named"] / max(counters["decided"], 1), 4),
        "packets_per_decision": round(counters["inspected"] / flows, 3),
        "bytes_per_flow": round(
            sum(counters[f"{kind}_bytes"] for kind in ("flow", "string", "work")) / max(counters["active"], 1), 1
        ),
        "rss_mb": round(resident() / 1e6, 1),
        "start_s": round(start, 3),
    }


def started() -> float:
    """Seconds until a new process has an engine with all signatures."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from dpi.engine import Engine; Engine()"], check=True)
    return time.perf_counter() - begin


def resident() -> int:
    """Bytes of this process's memory that are resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
