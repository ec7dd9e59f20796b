"""The demo: real clients through `dpi run` in the lab, and whether what the policy says is what came out.

Every line of the report is measured from outside the program (what curl, openssl and the HTTP/3 client got) or
read from the kernel; the program's own word is only taken for the names that it gave.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpi.lab import net
from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

NAME = "dpi-demo-"  # and the id of the process whose lab it is
WITHIN = 0.05  # of the rate configured
ETHERNET = 14
# Bytes on the wire for a byte of payload: full segments of a 1500 byte MTU with TCP timestamps; for HTTP/3
# datagrams of 1350 bytes with about 32 of QUIC's and HTTP's own.
OVERHEAD = {"tcp4": 1514 / 1448, "tcp6": 1514 / 1428, "quic4": 1392 / 1318, "quic6": 1412 / 1318}
NAMED_SECONDS = 2.0  # until a flow that has ended must be known
SECONDS = 5.0  # of download at the configured rate
TRIES = 3  # of a download that was too slow; a machine that is not there for a while cannot make one too fast

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetch:
    """One thing that a client does, and what the policy wants of it."""

    host: str
    app: str
    family: int
    how: str  # tls1.3, tls1.2, http, h3, h3v2, no-sni
    rate: int | None = None  # bit/s down that it shall be held to; None: not measured
    cached: bool = False
    blocked: bool = False


FETCHES = (
    Fetch("ipv4-c001-fra001-ix.1.oca.nflxvideo.net", "netflix", 4, "tls1.3", rate=20_000_000, cached=True),
    Fetch("rr1---sn-4g5e6nez.googlevideo.com", "youtube", 4, "h3", rate=8_000_000),
    Fetch("cache1-fra2.steamcontent.com", "steam", 4, "http", rate=6_000_000),
    Fetch("www.netflix.com", "netflix", 6, "tls1.2", cached=True),
    Fetch("www.netflix.com", "netflix", 4, "no-sni", cached=True),
    Fetch("www.youtube.com", "youtube", 6, "tls1.3"),
    Fetch("rr2---sn-4g5lznes.googlevideo.com", "youtube", 6, "h3v2"),
    Fetch("us04web.zoom.us", "zoom", 4, "tls1.2"),
    Fetch("download.windowsupdate.com", "windowsupdate", 6, "http"),
    Fetch("web.whatsapp.com", "whatsapp", 4, "tls1.3"),
    Fetch("www.wikipedia.org", "wikipedia", 6, "tls1.3"),
    Fetch("www.bet365.com", "bet365", 4, "tls1.3", blocked=True),
)


@dataclass
class Outcome:
    """What came of a fetch."""

    fetch: Fetch
    server: str = ""  # who answered: inet or cache
    bytes: int = 0
    bit_s: float = 0.0  # of payload
    error: str = ""
    flow: dict[str, Any] | None = None  # as the program names it
    faults: list[str] = field(default_factory=list)

    @property
    def wire_bit_s(self) -> float:
        kind = "quic" if self.fetch.how.startswith("h3") else "tcp"
        return self.bit_s * OVERHEAD[f"{kind}{self.fetch.family}"]

    @property
    def short(self) -> bool:
        """It came, and slower than its rate."""
        return not self.error and self.fetch.rate is not None and self.wire_bit_s < self.fetch.rate * (1 - WITHIN)


def demo(policy: Path, say: Say) -> dict[str, Any]:
    """Builds a lab of its own, runs everything, removes it; the report, with `ok`."""
    sweep()
    lab = Lab(f"{NAME}{os.getpid()}")
    started = time.monotonic()
    say(f"lab: client -- lan0 [box] wan0 -- inet, cdn0 -- cache   ({lab.name})")
    with lab:
        say(f"dpi run --config {policy}")
        with Appliance(lab, policy) as appliance:
            say(f"inline after {time.monotonic() - started:.1f} s\n")
            report = _run(lab, appliance)
            report["leftovers"] = []
        report["leftovers"] = leftovers(lab)
    report["seconds"] = round(time.monotonic() - started, 1)
    if report["leftovers"]:
        report["faults"].append(f"left behind in the kernel: {report['leftovers']}")
    report["ok"] = not report["faults"]
    return report


def sweep(run: Path = Path("/run")) -> None:
    """Removes the labs of demos that were killed, with all that still runs in them."""
    for directory in run.glob(f"{NAME}*.lab"):
        owner = directory.stem.removeprefix(NAME)
        if owner.isdigit() and (int(owner) == os.getpid() or not _lives(int(owner))):
            net.end(directory.stem)
            Lab(directory.stem, run).down()


def _lives(pid: int) -> bool:
    """Whether a program runs under this number: one that has died and was not waited for has no words any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def _run(lab: Lab, appliance: Appliance) -> dict[str, Any]:
    before = forwarded(lab)
    heavy = [f for f in FETCHES if f.rate]
    with concurrent.futures.ThreadPoolExecutor(len(heavy)) as pool:
        outcomes = list(pool.map(lambda f: observed(lab, appliance, f), heavy))
    again = []
    for i, outcome in enumerate(outcomes):
        for _ in range(TRIES - 1):
            if not outcomes[i].short:
                break
            again.append(f"{outcome.fetch.host}: {outcomes[i].wire_bit_s / 1e6:.2f} Mbit/s before")
            outcomes[i] = observed(lab, appliance, outcome.fetch)
    outcomes += [observed(lab, appliance, f) for f in FETCHES if not f.rate]
    packets = forwarded(lab) - before
    status = appliance.call("status")
    for outcome in outcomes:
        _judge(outcome)
    cached = [r for r in status["routes"] if r["name"] == "oca"]
    seen = status["engine"]["packets"]
    report: dict[str, Any] = {
        "fetches": [_words(o) for o in outcomes],
        "measured_again": again,
        "cache_bytes": cached[0]["bytes"] if cached else 0,
        "packets_forwarded": packets,
        "packets_user_space": seen,
        "share_user_space": seen / max(packets, 1),
        "faults": [
            f"{o.fetch.host} ({o.fetch.how}, IPv{o.fetch.family}): {fault}" for o in outcomes for fault in o.faults
        ],
    }
    expected = sum(o.bytes for o in outcomes if o.fetch.cached)
    if report["cache_bytes"] < expected:
        report["faults"].append(f"the cache carried {report['cache_bytes']} bytes, clients got {expected} from it")
    if report["share_user_space"] > 0.25:
        report["faults"].append(f"user space saw {report['share_user_space']:.0%} of the packets")
    return report


def observed(lab: Lab, appliance: Appliance, want: Fetch) -> Outcome:
    """Does it, and asks at once how the program names it: a connection that was reset is soon forgotten."""
    outcome = fetch(lab, want)
    deadline = time.monotonic() + NAMED_SECONDS
    while outcome.flow is None and time.monotonic() < deadline:
        outcome.flow = _flow_of(want, appliance.call("flows", limit=100_000))
    return outcome


def fetch(lab: Lab, want: Fetch) -> Outcome:
    """Does it, in the client's namespace."""
    outcome = Outcome(want)
    size = int(want.rate / 8 * SECONDS) if want.rate else 20_000
    seconds = SECONDS * 4
    if want.how.startswith("h3"):
        words = [want.host, f"/bytes/{size}", f"-{want.family}", "--seconds", str(seconds)]
        done = lab.run(
            "client", [sys.executable, "-m", "dpi.lab.fetch", *words, *(["--v2"] if want.how == "h3v2" else [])]
        )
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {"error": done.stderr[-200:]}
        outcome.error = answer.get("error") or ""
        outcome.server, outcome.bytes = answer.get("server", ""), answer.get("bytes", 0)
        outcome.bit_s = answer.get("bit_s", 0.0)
        return outcome
    if want.how == "no-sni":
        return _without_name(lab, want, outcome)
    version = {"tls1.2": ["--tls-max", "1.2"], "tls1.3": ["--tlsv1.3"], "http": []}[want.how]
    scheme = "http" if want.how == "http" else "https"
    url = f"{scheme}://{want.host}/bytes/{size}"
    answer = curl(lab, url, f"-{want.family}", *version, seconds=seconds)
    outcome.error = "" if answer["exit"] == 0 else f"curl {answer['exit']}"
    outcome.server, outcome.bytes, outcome.bit_s = answer["server"], answer["bytes"], answer["bit_s"]
    return outcome


def _without_name(lab: Lab, want: Fetch, outcome: Outcome) -> Outcome:
    """A TLS client that shows no name: only the DNS question before it tells."""
    script = (
        f"a=$(getent ahostsv{want.family} {want.host} | head -n 1 | cut -d' ' -f1); "
        f"printf 'GET / HTTP/1.1\\r\\nHost: {want.host}\\r\\nConnection: close\\r\\n\\r\\n' | "
        "timeout 10 openssl s_client -quiet -noservername -connect $a:443 2>/dev/null"
    )
    done: subprocess.CompletedProcess[str] = lab.run("client", ["sh", "-c", script], timeout=30)
    outcome.bytes = len(done.stdout)
    outcome.error = "" if done.stdout else "no answer"
    lines = [line.split(":")[1].strip() for line in done.stdout.lower().splitlines() if line.startswith("server:")]
    outcome.server = lines[0] if lines else ""
    return outcome


def _flow_of(want: Fetch, flows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The program's record of the connection: by the name asked for, or for a nameless one by its method."""
    port = 80 if want.how == "http" else 443
    l4 = "udp" if want.how.startswith("h3") else "tcp"
    for flow in flows:
        if (flow["l4"], flow["dport"], flow["ip_version"]) != (l4, port, want.family):
            continue
        named = flow["method"] in ("dns", "known-server")
        if flow["hostname"] == want.host and (want.blocked or named == (want.how == "no-sni")):
            return flow
    return None


def _judge(outcome: Outcome) -> None:
    want, faults = outcome.fetch, outcome.faults
    if outcome.flow is None:
        faults.append("not seen")
    elif want.app not in (outcome.flow["app"], outcome.flow["protocol"]) and not want.blocked:
        faults.append(f"named {outcome.flow['app']}, not {want.app}")
    if want.blocked:
        if not outcome.error or outcome.bytes:
            faults.append("not blocked")
        return
    if outcome.error:
        faults.append(outcome.error)
    if want.cached and outcome.server != "cache":
        faults.append(f"answered by {outcome.server or 'nobody'}, not by the cache")
    if want.rate and abs(outcome.wire_bit_s / want.rate - 1) > WITHIN:
        faults.append(f"{outcome.wire_bit_s / 1e6:.2f} Mbit/s, not {want.rate / 1e6:.0f}")


def _words(outcome: Outcome) -> dict[str, Any]:
    flow = outcome.flow or {}
    return {
        "host": outcome.fetch.host,
        "how": outcome.fetch.how,
        "ip_version": outcome.fetch.family,
        "app": flow.get("app") or flow.get("protocol"),
        "method": flow.get("method"),
        "confidence": flow.get("confidence"),
        "class": flow.get("class"),
        "rate": outcome.fetch.rate,
        "measured": round(outcome.wire_bit_s) if outcome.fetch.rate else None,
        "server": outcome.server,
        "blocked": outcome.fetch.blocked and bool(outcome.error),
        "bytes": outcome.bytes,
        "ok": not outcome.faults,
    }


def forwarded(lab: Lab) -> int:
    """Packets that came into the box from the clients and from the internet."""
    script = "cat /sys/class/net/lan0/statistics/rx_packets /sys/class/net/lan0/statistics/tx_packets"
    # sysfs shows the namespace that mounted it, so it is mounted anew.
    done = lab.run("box", ["sh", "-ec", f"mount -t sysfs sysfs /sys && {script}"])
    return sum(map(int, done.stdout.split()))


def leftovers(lab: Lab) -> list[str]:
    """What is in the box's kernel that the box did not start with."""
    script = """nft list tables
        ip rule list | grep -v -E 'lookup (local|main|default)'
        tc qdisc show | grep htb
        ip -o link show type ifb"""
    return [line for line in lab.run("box", ["sh", "-c", script]).stdout.splitlines() if line.strip()]
