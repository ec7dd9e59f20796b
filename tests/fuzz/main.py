"""tests/fuzz/run SECONDS [TARGET...]: exit 0, 1 where something was found, 2 where it cannot run."""

from __future__ import annotations

import re
import sys

from fuzz import fuzzing
from fuzz.seeds import SEEDS


def main(arguments: list[str]) -> int:
    if not arguments or not arguments[0].isdigit() or not set(arguments[1:]) <= set(SEEDS):
        print(f"usage: tests/fuzz/run SECONDS [TARGET...]\ntargets: {' '.join(SEEDS)}", file=sys.stderr)
        return 2
    if reason := fuzzing.why_not():
        print(reason, file=sys.stderr)
        return 2
    fuzzing.build()
    targets = arguments[1:] or list(SEEDS)
    shares = {target: fuzzing.SHARES.get(target, 1) for target in targets}
    failed = False
    for target, share in shares.items():
        done = fuzzing.fuzz(target, max(1, int(arguments[0]) * share // sum(shares.values())))
        print(summary(target, done.returncode != 0, done.stderr), flush=True)
        if done.returncode:
            failed = True
            print(done.stderr[-6000:])
    return 1 if failed else 0


def summary(target: str, found: bool, log: str) -> str:
    """A line of what libFuzzer tells: inputs that were run, edges and features that they reach, inputs kept."""
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", log))
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log) or [("?", "?", "?")]
    edges, features, kept = reached[-1]
    return (
        f"{target:14} {'FOUND' if found else 'fine':5} {stats.get('number_of_executed_units', '?'):>9} inputs, "
        f"{edges:>5} edges, {features:>6} features, {kept:>5} kept"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
