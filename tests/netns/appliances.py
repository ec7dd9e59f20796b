"""The policy of the tests with a whole appliance, and how they wait for it; conftest.py has one running."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from slopes import slopes

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from dpi.lab.topology import ROLES

LOOK = 0.25  # seconds between two looks at a class's counter

POLICY = """\
version: 1
interfaces: {lan: lan0, wan: [wan0, cdn0]}
link: {down: 80mbit, up: 40mbit}
classes:
  video: {rate: {down: 8mbit, up: 4mbit}}
  slow: {rate: {down: 3mbit, up: 2mbit}}
  rest: {rate: 20mbit, ceil: {down: 80mbit, up: 40mbit}, default: true}
caches:
  oca:
    next_hop: [198.18.1.2, "2001:db8:1::2"]
    device: cdn0
    apps: netflix
    health: {check: tcp, port: 80, interval: 500ms, timeout: 400ms, down_after: 2, up_after: 2}
records: {file: RECORDS}
queue: {count: 2}
rules:
  gambling: {match: {category: gambling}, block: reject}
  silent: {match: {host: silent.example}, block: drop}
  video: {match: {app: [netflix, youtube]}, shape: video}
  slow: {match: {app: steam}, shape: slow}
"""


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What the condition says as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)
    return value


def flow_of(box: Appliance, **wanted: Any) -> dict[str, Any]:
    """The newest flow with these values."""
    flows = [f for f in box.call("flows", limit=10_000) if all(f[k] == v for k, v in wanted.items())]
    assert flows, [(f["l4"], f["dport"], f["app"], f["hostname"], f["method"]) for f in box.call("flows")]
    return max(flows, key=lambda f: float(f["start"]))


def shell(lab: Lab, role: str, *lines: str) -> None:
    done = lab.run(role, ["sh", "-ec", "\n".join(lines)])
    assert done.returncode == 0, done.stderr


def index_of(lab: Lab, device: str) -> str:
    """A device's number in the box."""
    return lab.run("box", ["ip", "-o", "link", "show", "dev", device]).stdout.split(":")[0]


@contextlib.contextmanager
def curls(lab: Lab, count: int, *words: str) -> Iterator[None]:
    """Several at a time, for as long as it is looked."""
    command = ["curl", "-sS", "-o", "/dev/null", "-m", "120", *words]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [lab.start("client", command, **quiet) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def sent(box: Appliance, name: str, direction: str) -> int:
    return int(
        next(c["bytes"] for c in box.call("status")["classes"] if (c["name"], c["direction"]) == (name, direction))
    )


def rate(box: Appliance, name: str, direction: str, seconds: float = 6.0) -> float:
    """bit/s of a class, as its queue counts."""
    looks: list[tuple[float, int]] = []
    end = time.monotonic() + seconds
    while not looks or looks[-1][0] < end:
        time.sleep(LOOK if looks else 0)
        asked = time.monotonic()
        octets = sent(box, name, direction)
        looks.append(((asked + time.monotonic()) / 2, octets))
    return median(slopes(looks)) * 8


def held(measured: float, wanted: float) -> bool:
    """Whether a rate is kept within 5 %; an emulated machine can only be slower."""
    least = 0.3 if "DPI_GUEST" in os.environ else 0.95
    return least * wanted <= measured <= 1.05 * wanted


OVERSIZED = (
    "IpReasmReqds", "IpReasmFails", "IpFragOKs", "IpFragFails", "IpFragCreates",
    "Ip6ReasmReqds", "Ip6ReasmFails", "Ip6FragOKs", "Ip6FragFails", "Ip6FragCreates",
    "IcmpInDestUnreachs", "IcmpOutDestUnreachs", "Icmp6InPktTooBigs", "Icmp6OutPktTooBigs",
)  # fmt: skip


def oversized(lab: Lab) -> dict[str, dict[str, int]]:
    """How often packets were too big for their way, in each namespace."""
    said = {role: lab.run(role, ["nstat", "-ajsz", *OVERSIZED]).stdout for role in ROLES}
    return {role: json.loads(text)["kernel"] for role, text in said.items()}
