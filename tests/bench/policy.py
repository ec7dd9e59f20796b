"""Seconds that it takes to load, check and compile a policy of many rules: python tests/bench/policy.py [RULES]

The rules are of every kind (hosts, networks, apps, ports) and lead to fifty classes.  The median of seven rounds of
CPU time, in this process, without the import of libraries; the baseline is PyYAML's own safe loader in pure Python
doing nothing but load the file, as most tools do.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dpi.policy.check import Checked, examine, inspect
from dpi.policy.compile import compile_policy
from dpi.policy.load import load
from dpi.policy.names import Machine
from dpi.vocabulary import vocabulary

HEAD = """version: 1
interfaces: {lan: eth1, wan: eth0}
link: {down: 1gbit, up: 1gbit}
groups:
  students: [10.0.0.0/8, 2001:db8::/32]
classes:
  rest: {rate: 500mbit, ceil: 100%, default: true}
"""


def policy(rules: int) -> str:
    """A policy of so many rules."""
    lines = [HEAD + "".join(f"  c{i}: {{rate: 10mbit, ceil: 50mbit}}\n" for i in range(50)) + "rules:\n"]
    conditions = [
        "local: 10.{a}.{b}.1, app: [netflix, youtube]",
        'host: [h{i}.example.org, "*.y{i}.example.com"]',
        "remote: 192.0.2.{b}, port: {i}",
        'remote: "2001:db8:{i:x}::/48", transport: tcp, port: 443',
        "local: students, category: video, dscp: af41, port: {i}-{top}",
    ]
    for i in range(1, rules + 1):
        match = conditions[i % len(conditions)].format(i=i, a=i // 250, b=i % 250, top=i + 1)
        lines.append(f"  r{i}:\n    match: {{{match}}}\n    shape: c{i % 50}\n")
    return "".join(lines)


def seconds(run: Callable[[], object], rounds: int = 7) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return round(statistics.median(times), 3)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    words = vocabulary()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yaml"
        file.write_text(policy(count))
        checked, findings = inspect(file, names=lambda _: words)
        if checked is None:
            raise SystemExit("\n".join(map(str, findings)))
        document, right = load(file), checked

        def whole() -> None:
            done, _ = inspect(file, names=lambda _: words)
            assert isinstance(done, Checked)
            compile_policy(done, Machine(cores=4))

        result = {
            "rules": count,
            "load": seconds(lambda: load(file)),
            "check": seconds(lambda: examine(document, words)),
            "compile": seconds(lambda: compile_policy(right, Machine(cores=4))),
            "whole": seconds(whole),
            "python_yaml_load_alone": seconds(lambda: yaml.load(file.read_text(), Loader=yaml.SafeLoader), rounds=1),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
