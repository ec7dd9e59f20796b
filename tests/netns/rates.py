"""The rate at which TCP arrives, as a shaper counts it: the median slope between any two looks amid transfers.

What a transfer needs to get going, and what TCP makes of a lost packet, is no affair of the shaper's.  So several
connections load a class at once, and there is something to send while one of them waits for a retransmission; and what
is counted is what reaches the host, in order or not yet, and not what a program has read of it.
"""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from statistics import median

from appliances import until
from slopes import slopes

from dpi.lab.lab import Lab

HEADERS = {4: 20 + 32, 6: 40 + 32}  # bytes of IP and of TCP with timestamps
FRAME = {4: 1514 / 1448, 6: 1514 / 1428}  # a full Ethernet frame to its payload
AT_ONCE = 3  # connections
WARM, WINDOW, WINDOWS = 1.5, 1.5, 5  # seconds until it is measured, between two looks, how many of these

Run = Callable[..., str]  # of a command in a namespace, which fails where that does


def rates(run: Run, *addresses: str) -> dict[str, float]:
    """bit/s of full frames that reach these addresses of the host on which `run` runs commands."""
    rules = "; ".join(f"{_ip(address)} daddr {address} meta l4proto tcp counter" for address in addresses)
    run("nft", f"table inet rates {{ chain c {{ type filter hook input priority 0; {rules}; }}; }}")
    try:
        time.sleep(WARM)
        looks = [_arrived(run)]
        for _ in range(WINDOWS):
            time.sleep(WINDOW)
            looks.append(_arrived(run))
    finally:
        run("nft", "delete", "table", "inet", "rates")
    found = {
        address: [
            slope * FRAME[_version(address)] * 8 for slope in slopes([(at, octets[address]) for at, octets in looks])
        ]
        for address in addresses
    }
    print({a: f"{median(s) / 1e6:.2f} ({min(s) / 1e6:.2f} to {max(s) / 1e6:.2f})" for a, s in found.items()})
    return {address: median(of_it) for address, of_it in found.items()}


def _arrived(run: Run) -> tuple[float, dict[str, int]]:
    """When, and how many bytes of TCP payload: however segments were merged on the way."""
    listing = run("sh", "-c", "date +%s.%N; nft list table inet rates; date +%s.%N")
    begun, *_, ended = listing.split()
    found = re.findall(r"daddr (\S+) .*counter packets (\d+) bytes (\d+)", listing)
    octets = {a: int(octets) - int(packets) * HEADERS[_version(a)] for a, packets, octets in found}
    return (float(begun) + float(ended)) / 2, octets


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _ip(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def drain(sock: socket.socket) -> None:
    """Reads until it is closed, at either end."""
    with contextlib.suppress(OSError):
        while sock.recv(1 << 16):
            pass


def in_client(lab: Lab) -> Run:
    def run(*argv: str) -> str:
        done = lab.run("client", list(argv))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextlib.contextmanager
def downloads(lab: Lab, url: str, *options: str) -> Iterator[None]:
    """Meanwhile curl loads this, several times at once."""
    command = ["curl", "-sS", "-o", "/dev/null", "-m", "120", *options, url]
    running = [lab.start("client", command, stderr=subprocess.DEVNULL) for _ in range(AT_ONCE)]
    try:
        yield
        assert all(each.poll() is None for each in running), "there was enough to load"
    finally:
        for each in running:
            each.send_signal(signal.SIGTERM)
            each.wait()
        queues_are_empty(lab)


def queues_are_empty(lab: Lab) -> None:
    """Waits for it: what is left in them would delay who comes next, or lose them their queries of DNS."""
    until(lambda: not re.search("backlog [1-9]", lab.run("box", ["tc", "-s", "qdisc", "show"]).stdout), 60)


def rate_of(lab: Lab, url: str, source: str, *options: str) -> float:
    """bit/s of full frames that reach an address of the lab's client, of which it loads this."""
    version = _version(source)
    with downloads(lab, url, f"-{version}", "--interface", source, *options):
        return rates(in_client(lab), source)[source]


def keeps(lab: Lab, url: str, source: str, wanted: float) -> bool:
    """Whether one of three such series is within 5 %.

    A machine that is emulated, or shared with others, is at times too slow for all of a series; a shaper that is wrong
    is so in each.
    """
    return any(abs(rate_of(lab, url, source) / wanted - 1) <= 0.05 for _ in range(3))
