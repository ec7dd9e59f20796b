"""What being inline costs: the same loads through five routers that differ only in what happens to a packet.

plain               forwards
tracked             forwards and tracks connections, as every router with NAT or a stateful firewall does
offload             `dpi run` with a policy that shapes nothing: a flow costs user space its first packets
queued              this program's engine sees every packet of every flow
python_callback     a Python callback of `netfilterqueue` accepts every packet

Each has namespaces of its own (path.py), all stand at once, and every round takes every measurement through all
of them in turn, one way and then the other, so that a busy moment of the machine hits them alike.  The figures are
medians over the rounds; the ratios are medians of each round's ratio.

A hypervisor that gives this machine's CPUs to others meanwhile would tell of itself.  A measurement from which it
took more than STOLEN is taken again, up to TRIES times; `stolen` is the share lost in those that count.

What a measurement is:

tcp_gbit_s          eight TCP connections at once, payload received
packets_s           UDP packets of 18 bytes of payload in 8 flows, sent as fast as they can be, that arrived
tls_connections_s   TCP and full TLS 1.3 handshakes, eight clients at a time
latency_us_p50/99   round trips of one small UDP packet, nothing else going on
cpu_us_per_packet   busy time of all CPUs, both ends included, for each packet of a steady PACED a second that
                    arrived, less what the machine was busy with before
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dpi.bench.path import CLIENT, LAN, ROUTER, SERVER, SERVER4, WAN, Path
from dpi.errors import DpiError, KernelError

STOLEN = 0.01  # of the CPUs' time, by the hypervisor, during a measurement
TRIES = 6
PACED = 20_000  # packets a second
START_SECONDS = 60.0
PACKAGE_PARENT = pathlib.Path(__file__).resolve().parents[2]
POLICY = f"version: 1\ninterfaces: {{lan: {LAN}, wan: {WAN}}}\non_exit: clean\n"

TRACK = (  # a rule that asks for the state of connections makes the kernel track them
    "add table inet bench; add chain inet bench forward { type filter hook forward priority 0; };"
    " add rule inet bench forward ct state invalid drop"
)

Result = dict[str, Any]
Say = Callable[[str], None]
Take = Callable[[Path, float, str], Result]  # through a path, for so many seconds, with a file of key and certificate

PLAIN, TRACKED, OFFLOAD, QUEUED, PYTHON = "plain", "tracked", "offload", "queued", "python_callback"
VARIANTS = (PLAIN, TRACKED, OFFLOAD, QUEUED, PYTHON)
READERS = {QUEUED: "engine", PYTHON: "python", "accept": "accept"}  # see reader.py
MEASURES = (
    "tcp_gbit_s", "packets_s", "tls_connections_s", "latency_us_p50", "latency_us_p99", "cpu_us_per_packet",
)  # fmt: skip


def measure(rounds: int, seconds: float, variants: tuple[str, ...] = VARIANTS, say: Say = lambda _: None) -> Result:
    """Medians over `rounds`, each load lasting `seconds`, with the ratios that matter.

    Raises KernelError or DpiError where the namespaces, the rules or a reader cannot be made; nothing is left.
    """
    found: dict[str, dict[str, list[float]]] = {v: {m: [] for m in MEASURES} for v in variants}
    losses = []
    with ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dpi-bench-")))
        certificate = make_certificate(folder)
        paths = {}
        for variant in variants:
            say(f"setting up {variant}")
            paths[variant] = stack.enter_context(standing(variant, folder))
        for number in range(rounds):
            for name, take in TAKES.items():
                for variant in variants if number % 2 == 0 else variants[::-1]:
                    say(f"round {number + 1} of {rounds}: {name} through {variant}")
                    stolen, taken = undisturbed(take, paths[variant], seconds, certificate)
                    losses.append(stolen)
                    for key, value in taken.items():
                        if value is not None:
                            found[variant][key].append(value)
    result: Result = {
        variant: {key: statistics.median(values) if values else None for key, values in each.items()}
        for variant, each in found.items()
    }
    result["ratios"] = ratios(found)
    result["rounds"], result["seconds"], result["cpus"] = rounds, seconds, os.cpu_count()
    result["stolen"] = round(statistics.mean(losses), 4)
    return result


def undisturbed(take: Take, path: Path, seconds: float, certificate: str) -> tuple[float, Result]:
    """(share of the CPUs' time that the hypervisor took, what was measured) of the least disturbed try."""
    tries: list[tuple[float, Result]] = []
    while len(tries) < TRIES and all(stolen > STOLEN for stolen, _ in tries):
        began, before = time.monotonic(), stolen_seconds()
        taken = take(path, seconds, certificate)
        tries.append(((stolen_seconds() - before) / (time.monotonic() - began) / (os.cpu_count() or 1), taken))
    return min(tries, key=lambda each: each[0])


def stolen_seconds() -> float:
    """Of all CPUs since start; proc(5), /proc/stat."""
    return int(pathlib.Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def ratios(found: dict[str, dict[str, list[float]]]) -> dict[str, float | None]:
    """What the targets are about, medians over the rounds; None where something was not measured."""

    def ratio(key: str, over: str, under: str) -> float | None:
        pairs = zip(found.get(over, {}).get(key, ()), found.get(under, {}).get(key, ()), strict=False)
        each = [a / b for a, b in pairs if b]
        return statistics.median(each) if each else None

    return {
        "tracked_tcp_of_plain": ratio("tcp_gbit_s", TRACKED, PLAIN),
        "offload_tcp_of_plain": ratio("tcp_gbit_s", OFFLOAD, PLAIN),
        "offload_tcp_of_tracked": ratio("tcp_gbit_s", OFFLOAD, TRACKED),
        "queued_tcp_of_plain": ratio("tcp_gbit_s", QUEUED, PLAIN),
        "queued_tcp_of_python": ratio("tcp_gbit_s", QUEUED, PYTHON),
        "offload_packets_of_plain": ratio("packets_s", OFFLOAD, PLAIN),
        "queued_packets_of_plain": ratio("packets_s", QUEUED, PLAIN),
        "queued_packets_of_python": ratio("packets_s", QUEUED, PYTHON),
        "offload_tls_of_plain": ratio("tls_connections_s", OFFLOAD, PLAIN),
        "queued_tls_of_plain": ratio("tls_connections_s", QUEUED, PLAIN),
    }


# ── the four routers ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def standing(variant: str, folder: pathlib.Path) -> Iterator[Path]:
    """A path whose router is one of VARIANTS, ready to be measured."""
    with Path(f"dpi-bench-{variant.replace('_', '-')}") as path:
        path.run(CLIENT, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse")  # many connections, few ports
        if variant == OFFLOAD:
            process = start_daemon(path, folder)
        elif variant in READERS:
            queues = 1 if variant == PYTHON else os.cpu_count() or 1
            process = start(path, ROUTER, "dpi.bench.reader", READERS[variant], str(queues))
            until_ready(process, variant)
            queue_all(path, queues)
        else:
            process = None
            if variant == TRACKED:
                path.run(ROUTER, "nft", TRACK)
        try:
            yield path
        finally:
            if process is not None:
                path.stop(process, 20)


def start(path: Path, role: str, module: str, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
    """A Python program of ours in a namespace."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_PARENT)} | options.pop("environment", {})
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True} | options
    return path.start(role, sys.executable, "-m", module, *arguments, env=environment, **options)


def until_ready(process: subprocess.Popen[Any], what: str) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise DpiError(f"{what} did not start: exit code {process.wait()}")


def start_daemon(path: Path, folder: pathlib.Path) -> subprocess.Popen[Any]:
    """`dpi run` as an operator runs it, but for its files, which are ours."""
    policy, control, log = folder / "policy.yaml", folder / "control.sock", folder / "log"
    policy.write_text(POLICY)
    with log.open("w") as out:
        process = start(
            path, ROUTER, "dpi", "run", "--config", str(policy), "--state-dir", str(folder / "state"),
            "--versions-dir", str(folder / "versions"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out,
            environment={"DPI_SOCKET": str(control)},
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while "inline: policy" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DpiError(f"`dpi run` did not come inline: {log.read_text().strip()}")
        time.sleep(0.05)
    return process


def queue_all(path: Path, queues: int) -> None:
    """Queues every forwarded packet, whatever its mark."""
    if shutil.which("iptables"):
        to = ["--queue-num", "0"] if queues == 1 else ["--queue-balance", f"0:{queues - 1}"]
        path.run(ROUTER, "iptables", "-A", "FORWARD", "-j", "NFQUEUE", *to, "--queue-bypass")
    elif shutil.which("nft"):
        to_queues = "0" if queues == 1 else f"0-{queues - 1}"
        chain = "type filter hook forward priority 0;"
        path.run(
            ROUTER, "nft", f"add table ip bench; add chain ip bench all {{ {chain} }};"
            f" add rule ip bench all queue flags bypass to {to_queues}",
        )  # fmt: skip
    else:
        raise KernelError("iptables or nft is needed to queue packets")


def make_certificate(folder: pathlib.Path) -> str:
    """A P-256 key and a certificate that it signed itself, in one file."""
    if not shutil.which("openssl"):
        raise DpiError("`openssl` (package openssl) is needed to make a certificate")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=dpi bench", "-keyout", str(key), "-out", str(certificate)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise DpiError(f"openssl cannot make a certificate: {made.stderr.strip()}")
    both.write_text(key.read_text() + certificate.read_text())
    return str(both)


# ── the measurements ──────────────────────────────────────────────────────────────────────────────────────────


def load(path: Path, name: str, seconds: float, *extra: float, server: tuple[str, ...] = ()) -> tuple[Result, Result]:
    """Runs a load to its end; what the client and the server say of it."""
    serving = start(path, SERVER, "dpi.bench.load", name, "server", SERVER4, *server)
    try:
        until_ready(serving, f"the server of {name}")
        going = start(path, CLIENT, "dpi.bench.load", name, "client", SERVER4, str(seconds), *map(str, extra))
        try:
            said, _ = going.communicate(timeout=seconds + 30)
        finally:
            path.stop(going)
        counted, _ = serving.communicate(timeout=30)  # its standard input ends: it stops and tells
    except subprocess.TimeoutExpired as error:
        raise DpiError(f"the load {name} did not end") from error
    finally:
        path.stop(serving)
    if not said or not counted:
        raise DpiError(f"the load {name} failed")
    return json.loads(said), json.loads(counted)


def bulk(path: Path, seconds: float, _: str) -> Result:
    served = load(path, "bulk", seconds)[1]
    return {"tcp_gbit_s": served["gbit_s"]}


def small(path: Path, seconds: float, _: str) -> Result:
    served = load(path, "small", seconds)[1]
    return {"packets_s": served["packets_s"]}


def tls(path: Path, seconds: float, certificate: str) -> Result:
    client = load(path, "tls", seconds, server=(certificate,))[0]
    if client["failed"]:
        raise DpiError(f"{client['failed']} TLS connections failed")
    return {"tls_connections_s": client["connections_s"]}


def latency(path: Path, seconds: float, _: str) -> Result:
    client = load(path, "echo", seconds)[0]
    return {"latency_us_p50": client["us_p50"], "latency_us_p99": client["us_p99"]}


def cpu(path: Path, seconds: float, _: str) -> Result:
    client, served = load(path, "small", seconds, PACED)
    # Where others keep the machine busy, what is left for us may come out as nothing: that tells nothing.
    return {"cpu_us_per_packet": client["busy"] * 1e6 / served["packets"] if client["busy"] > 0 else None}


TAKES: dict[str, Take] = {
    "bulk TCP": bulk,
    "small packets": small,
    "TLS": tls,
    "latency": latency,
    "CPU": cpu,
}
