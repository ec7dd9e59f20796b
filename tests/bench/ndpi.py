"""nDPI beside our engine, on the same capture in memory, one thread each: python tests/bench/ndpi.py CAPTURE [ROUNDS]

Wants gcc and Debian's package libndpi-dev, and says so where they are not there.  CAPTURE is a pcap of Ethernet.  Both
are run in turn, as a machine is not the same from second to second; medians of CPU seconds are printed as JSON, and
what they are over `ndpi_parse_cpu_s`, the loop around nDPI when nDPI is not called: it parses packets and finds their
flows in a hash table, plainly.  (`bare_cpu_s` is our such loop, `bare_ahead_cpu_s` looks ahead: dpi/bench/bare.pyx.)
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = Path("/usr/include/ndpi/ndpi_api.h")


def told(*argv: str | Path) -> dict[str, float]:
    done: dict[str, float] = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    return done


def main(arguments: list[str]) -> int:
    capture, rounds = (*arguments, "5")[:2] if arguments else ("", "5")
    if len(arguments) > 2 or not Path(capture).is_file() or not rounds.isdigit() or not int(rounds):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    if not shutil.which("gcc") or not HEADER.exists():
        print("gcc and the package libndpi-dev are needed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "ndpi"
        subprocess.run(["gcc", "-O2", "-o", peer, Path(__file__).with_suffix(".c"), "-lndpi"], check=True)
        ours, theirs = [], []
        for _ in range(int(rounds)):
            theirs.append(told(peer, capture))
            engine = (sys.executable, "-m", "dpi", "bench", "engine", capture, "--rounds", "1", "--json")
            ours.append(told(*engine))

    def median(of: list[dict[str, float]], name: str) -> float:
        return statistics.median(each[name] for each in of)

    def over(name: str, of: list[dict[str, float]]) -> float:
        return round(statistics.median(o[name] / t["parse_cpu_s"] for o, t in zip(of, theirs, strict=True)), 2)

    print(
        json.dumps(
            {
                "ndpi": theirs[0]["version"],
                "packets": theirs[0]["packets"],
                "flows": {"ndpi": theirs[0]["flows"], "dpi": ours[0]["flows"]},
                "ndpi_parse_cpu_s": median(theirs, "parse_cpu_s"),
                "ndpi_cpu_s": median(theirs, "cpu_s"),
                "ndpi_first_label_cpu_s": median(theirs, "first_cpu_s"),
                "dpi_cpu_s": median(ours, "cpu_s"),
                "bare_cpu_s": median(ours, "bare_cpu_s"),
                "bare_ahead_cpu_s": median(ours, "bare_ahead_cpu_s"),
                "ndpi_over_parse": over("cpu_s", theirs),
                "dpi_over_parse": over("cpu_s", ours),
                "ndpi_over_dpi": round(
                    statistics.median(t["cpu_s"] / o["cpu_s"] for o, t in zip(ours, theirs, strict=True)), 2
                ),
                "packets_per_decision": {
                    "ndpi": theirs[0]["packets_per_decision"],
                    "dpi": ours[0]["packets_per_decision"],
                },
            },
            indent=1,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
