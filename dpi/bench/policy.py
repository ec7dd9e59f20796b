"""What a large policy costs: to compile, to ask for a flow's rule, to put in force, to change, to forward through.

compile_s         from the files to a plan, signatures loaded: read, check, compile; the median of the rounds
rule_lookup_us    CPU to find a flow's rule among all of them; half of the flows match one
rule_lookups      the same by the number of rules
apply_s           to make the kernel as the plan says, from nothing, by the number of subscribers
make_s            to make the classes of those that are awake, where that is on demand
reapply_1pct_s    to make it so after one in a hundred has another tariff; reapply_cpu_s: the CPU that this took
wake_ms           from a subscriber's first packet to classes of their own, by the daemon's own loop; median
kernel_mb         what the kernel's memory has grown by meanwhile (slabs, per-CPU, vmalloc; of the whole machine)
resident_mb       memory of this process, which has the plans
clean_s           to take all of it away again
forward_ratio     bulk TCP through a router with so many subscribers, against one with a single one

Where all have classes from the start, applying is tried with more and more subscribers, each time in a namespace of its
own, up to the number that was asked for: the kernel's cost of a class grows with the number that there are
(docs/internals/kernel.md).  A number that would take longer than the limit, by what the last took, is left out and
said so.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any

from dpi import enforce
from dpi.bench.inline import bulk
from dpi.bench.path import CLIENT, CLIENT4, LAN, ROUTER, SERVER4, WAN, Path
from dpi.daemon.on_demand import TURN_SECONDS, Demand
from dpi.enforce.on_demand import OnDemand
from dpi.errors import KernelError
from dpi.match.addresses import pack
from dpi.match.labels import Signatures
from dpi.match.signatures import load
from dpi.policy.check import Checked, check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine
from dpi.policy.plan import Ids, Plan
from dpi.policy.subscribe import MANY
from dpi.rule_tables import tables
from dpi.vocabulary import of_signatures

Result = dict[str, Any]
Say = Callable[[str], None]

CLASSES = 50  # of the link
SHARES = 4  # of a subscriber
SITES = 200
FEWEST = 250  # subscribers that applying begins with
LOOKUPS = (10, 1_000, 10_000)  # rules
FLOWS = 1_000  # different ones that are asked
TIMES = 200  # that each is asked
SECONDS = 2.0  # of bulk TCP
WAKES = 9  # subscribers that are woken one by one
PATIENCE = 10.0  # seconds for each of them
NETWORK = "100.64.0.0/10"  # where subscribers are

HEAD = f"""version: 1
interfaces: {{lan: {LAN}, wan: {WAN}}}
marks: {{mask: 0x7ffff000}}
link: {{down: 100gbit, up: 100gbit}}
queue: {{count: 1}}
groups: {{students: [10.0.0.0/8, 2001:db8::/32]}}
tariffs:
  home: {{rate: {{down: 100mbit, up: 20mbit}}, classes: {{c1: {{rate: 30%}}, c2: {{rate: 20%}}, c3: {{rate: 10%}}}}}}
  more: {{rate: {{down: 200mbit, up: 50mbit}}, classes: {{c1: {{rate: 30%}}, c2: {{rate: 20%}}, c3: {{rate: 10%}}}}}}
  fast: {{rate: 50gbit, classes: {{c1: {{rate: 30%}}, c2: {{rate: 20%}}, c3: {{rate: 10%}}}}}}
"""
CONDITIONS = (
    "local: 10.{a}.{b}.1, app: [netflix, youtube]",
    'host: [h{i}.example.org, "*.y{i}.example.com"]',
    "remote: 198.18.{b}.{a}, port: {i}",
    'remote: "2001:db8:{i:x}::/48", transport: tcp, port: 443',
    "local: students, category: video, port: {i}-{top}",
)


def address_of(n: int) -> str:
    return f"100.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"


def write(folder: FilePath, rules: int, subscribers: int, changed: float = 0.0, queues: str = "auto") -> FilePath:
    """A policy of rules of every kind, and a list of subscribers behind sites; of some the tariff is another."""
    lines = [
        HEAD,
        f"subscribers: {{queues: {queues}}}\n",
        "classes:\n  rest: {rate: 10gbit, ceil: 100%, default: true}\n",
    ]
    lines += [f"  c{n}: {{rate: 100mbit, ceil: 100%}}\n" for n in range(1, CLASSES + 1)]
    lines += ["sites:\n", *(f"  m{n}: {{rate: 10gbit}}\n" for n in range(min(SITES, subscribers)))]
    lines.append("rules:\n" if rules else "")
    for i in range(1, rules + 1):
        match = CONDITIONS[i % len(CONDITIONS)].format(i=i, a=i // 250, b=i % 250, top=i + 1)
        lines.append(f"  r{i}: {{match: {{{match}}}, shape: c{i % CLASSES + 1}}}\n")
    file = folder / "policy.yaml"
    file.write_text("".join(lines))
    rows = ["id,tariff,address,parent\n", f"client,fast,{CLIENT4},\n"]
    every = round(1 / changed) if changed else 0
    for n in range(subscribers - 1):
        tariff = "more" if every and n % every == 0 else "home"
        rows.append(f"s{n},{tariff},{address_of(n)},m{n % min(SITES, subscribers)}\n")
    (folder / "policy.d").mkdir(exist_ok=True)
    (folder / "policy.d" / "subscribers.csv").write_text("".join(rows))
    return file


class Bench:
    def __init__(self, folder: FilePath, say: Say, queues: str = "auto", awake: int = 0) -> None:
        self.folder = folder
        self.queues = queues
        self.awake = awake  # subscribers that have classes, where these are made on demand
        self.say = say
        self.signatures: Signatures = load()
        self.words = of_signatures(self.signatures)

    def plan(self, rules: int, subscribers: int, known: Ids | None = None, changed: float = 0.0) -> Plan:
        file = write(self.folder, rules, subscribers, changed, self.queues)
        return compile_policy(self.checked(file), Machine(cores=1), known)

    def checked(self, file: FilePath) -> Checked:
        return check(file, names=lambda _: self.words)

    def compile(self, rules: int, subscribers: int, rounds: int) -> Result:
        file = write(self.folder, rules, subscribers, 0.0, self.queues)
        took, busy = [], []
        for _ in range(rounds):
            begun, cpu = time.perf_counter(), time.process_time()
            compile_policy(self.checked(file), Machine(cores=1))
            took.append(time.perf_counter() - begun)
            busy.append(time.process_time() - cpu)
        return {
            "compile_s": round(statistics.median(took), 3),
            "compile_cpu_s": round(statistics.median(busy), 3),
        }

    def lookup(self, rules: int, rounds: int) -> float:
        """Microseconds of CPU that a flow's look-up takes among so many rules."""
        plan = self.plan(rules, 1)
        table, _ = tables(plan.engine, plan.ids.routes, self.signatures)
        asked = list(self._questions(rules))
        took = []
        for _ in range(rounds):
            begun = time.process_time()
            found = table.speed(asked, TIMES)
            took.append(time.process_time() - begun)
            assert 0 < found < TIMES * len(asked)
        return round(statistics.median(took) / TIMES / len(asked) * 1e6, 3)

    def _questions(self, rules: int) -> Iterator[Result]:
        """Flows of every kind, every second of them one that a rule is for."""
        rng = random.Random(0)
        app = self.signatures.by_slug["netflix"].id
        video = self.signatures.category_by_slug["video"].id
        for n in range(FLOWS):
            i = rng.randrange(1, rules + 1) if n % 2 else 20_000 + n
            a, b = i // 250, i % 250
            question = {"local": pack("192.0.2.1"), "remote": pack("203.0.113.1"), "port": 443, "proto": 6}
            match i % len(CONDITIONS):
                case 0:
                    question |= {"local": pack(f"10.{a}.{b}.1"), "app": app, "category": video}
                case 1:
                    question |= {"host": b"www.h%d.example.org" % i}
                case 2:
                    question |= {"remote": pack(f"198.18.{b}.{a % 250}"), "port": i}
                case 3:
                    question |= {"remote": pack(f"2001:db8:{i:x}::1")}
                case 4:
                    question |= {"local": pack("10.255.0.9"), "category": video, "port": i}
            yield question

    def apply(self, subscribers: int) -> Result:
        """In a namespace of its own, beside one with a single subscriber."""
        with Path() as path, Path() as lone:
            path.run(ROUTER, "ip", "route", "add", NETWORK, "via", CLIENT4)
            before = _kernel_memory()
            plan = self.plan(1, subscribers)
            on_demand = plan.kernel.subscribers is not None and plan.kernel.subscribers.on_demand
            row: Result = {"subscribers": subscribers, "queues": "on-demand" if on_demand else "all"}
            row["awake"] = min(self.awake, subscribers) if on_demand else subscribers
            row["apply_s"] = self._apply(path, plan)
            row["make_s"] = path.inside(ROUTER, lambda: self._make(path, plan, row["awake"])) if on_demand else None
            other = self.plan(1, subscribers, plan.ids, 0.01)
            busy = _busy()
            row["reapply_1pct_s"] = self._apply(path, other)
            row["reapply_cpu_s"] = round(_busy() - busy, 3)
            row["wake_ms"] = self._wake(path, other, row["awake"]) if on_demand else None
            row["kernel_mb"] = round((_kernel_memory() - before) / 1e6, 1)
            row["resident_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
            self._apply(lone, self.plan(1, 1))
            ratios = []
            for _ in range(3):
                one, many = (bulk(each, SECONDS, "")["tcp_gbit_s"] for each in (lone, path))
                ratios.append(many / one)
            row["forward_ratio"] = round(statistics.median(ratios), 3)
            begun = time.perf_counter()
            # In the order in which the kernel forgets at no cost; the namespace's own end would hold up the machine.
            path.inside(ROUTER, lambda: enforce.clean(state_dir=self._state(path)))
            row["clean_s"] = round(time.perf_counter() - begun, 3)
        return row

    def _state(self, path: Path) -> FilePath:
        return self.folder / path.name(ROUTER)

    def _apply(self, path: Path, plan: Plan) -> float:
        begun = time.perf_counter()
        self.report = path.inside(ROUTER, lambda: enforce.apply(plan.kernel, state_dir=self._state(path)))
        return round(time.perf_counter() - begun, 3)

    def _make(self, path: Path, plan: Plan, count: int) -> float:
        """Classes of the subscriber whose TCP is measured, and of others: in steps as the daemon makes them."""
        branches = OnDemand(plan.kernel, self._state(path))
        names = ["client", *(f"s{n}" for n in range(count - 1))]
        begun = time.perf_counter()
        while names:
            made, failed = branches.make(names, time.monotonic() + TURN_SECONDS)
            if failed:
                raise KernelError(next(iter(failed.values())))
            del names[: len(made)]
        branches.close()
        return round(time.perf_counter() - begun, 3)

    def _wake(self, path: Path, plan: Plan, awake: int) -> float | None:
        """Milliseconds from a packet of one who has no classes until they are there.  None: all have."""
        names = [f"s{n}" for n in range(max(awake - 1, 0), len(self.report.asleep) + awake - 1)][:WAKES]
        for name in names:
            path.run(CLIENT, "ip", "address", "add", address_of(int(name[1:])), "dev", "lo")

        async def wake(sender: socket.socket, demand: Demand, name: str) -> float:
            sender.bind((address_of(int(name[1:])), 0))
            begun = time.perf_counter()
            sender.sendto(b"?", (SERVER4, 9))
            while demand.is_asleep(name):
                if time.perf_counter() - begun > PATIENCE:
                    raise KernelError(f"the classes of {name} were not made: {demand.error}")
                await asyncio.sleep(0.001)
            return time.perf_counter() - begun

        async def wakes() -> list[float]:
            demand = Demand(self._state(path), asyncio.Lock())
            demand.use(plan.kernel, self.report.asleep)
            running = asyncio.create_task(demand.run())
            took = []
            for sender, name in zip(senders, names, strict=True):
                await asyncio.sleep(random.uniform(0.1, 0.4))
                took.append(await wake(sender, demand, name))
            running.cancel()
            await demand.stop()
            demand.close()
            return took

        senders = [path.socket(CLIENT, socket.AF_INET, socket.SOCK_DGRAM) for _ in names]
        try:
            took = path.inside(ROUTER, lambda: asyncio.run(wakes()))
        finally:
            for sender in senders:
                sender.close()
        return round(statistics.median(took) * 1000, 1) if took else None


def _busy() -> float:
    """Seconds of CPU, those of finished children too."""
    return sum(os.times()[:4])


def _kernel_memory() -> int:
    """Bytes."""
    lines = dict(line.split(":") for line in FilePath("/proc/meminfo").read_text().splitlines())
    return sum(int(lines[name].split()[0]) * 1024 for name in ("Slab", "Percpu", "VmallocUsed") if name in lines)


def measure(
    rules: int,
    subscribers: int,
    rounds: int,
    limit: float,
    say: Say = lambda _: None,
    *,
    queues: str = "auto",
    awake: int = 500,
) -> Result:
    """All of it; raises KernelError where the namespaces cannot be made, and leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="dpi-bench-") as folder:
        bench = Bench(FilePath(folder), say, queues, awake)
        say(f"compiling {rules} rules and {subscribers} subscribers")
        result: Result = {"rules": rules, "subscribers": subscribers, "classes_of_each": SHARES}
        result |= bench.compile(rules, subscribers, rounds)
        result["rule_lookups"] = {}
        for count in sorted({n for n in LOOKUPS if n <= rules} | {rules}):
            say(f"asking {count} rules")
            result["rule_lookup_us"] = result["rule_lookups"][str(count)] = bench.lookup(count, rounds)
        rows: list[Result] = []
        left_out = None
        on_demand = queues == "on-demand" or (queues == "auto" and subscribers > MANY)
        count = subscribers if on_demand else min(FEWEST, subscribers)
        while True:
            grown = count / rows[-1]["subscribers"] if rows else 1.0
            if rows and (needed := rows[-1]["apply_s"] * grown**2) > limit:
                left_out = f"{count:,} subscribers would take some {needed:.0f} s, and the limit is {limit:.0f} s"
                break
            say(f"applying {count} subscribers")
            rows.append(bench.apply(count))
            if count == subscribers:
                break
            count = min(count * 2, subscribers)
        whole = rows[-1] if rows[-1]["subscribers"] == subscribers else {}
        result["applied"] = rows
        for key in ("apply_s", "reapply_1pct_s", "wake_ms", "forward_ratio"):
            result[key] = whole.get(key)
        result["left_out"] = left_out
        return result
