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
    failed = False
    for target in targets:
        done = fuzzing.fuzz(target, max(1, int(arguments[0]) // len(targets)))
        stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
        covered = re.findall(r"cov: (\d+)", done.stderr)
        result = "FOUND" if done.returncode else "fine"
        inputs = stats.get("number_of_executed_units", "?")
        print(f"{target:16} {result:5} {inputs:>9} inputs, {covered[-1] if covered else '?':>5} edges", flush=True)
        if done.returncode:
            failed = True
            print(done.stderr[-6000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
