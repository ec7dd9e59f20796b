"""Loads for a path: both ends of bulk TCP, small UDP packets, TLS handshakes and round trips.

    python -m dpi.bench.load NAME server ADDRESS [ARGUMENT…]
    python -m dpi.bench.load NAME client ADDRESS SECONDS [ARGUMENT…]

A server prints `ready` and serves until its standard input ends, then prints what it has counted as one JSON
object; a client runs for SECONDS and prints its object.  Ordinary system calls with ordinary copies, as programs
make them, so that what is measured beside the router is what it would be elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PORT = {"bulk": 5001, "small": 5002, "tls": 443, "echo": 5004}
PIECE = 1 << 20  # bytes of a send() or recv() of bulk TCP
BULK_STREAMS = 8  # at once: enough that what is measured is work, not which end waits for the other
BULK_WINDOW = 1 << 20  # bytes each may have on the way: more would measure who has the larger cache
SMALL = 18  # bytes of UDP payload: the smallest Ethernet frame
FLOWS = 8  # of small packets
AT_ONCE = 64  # packets of a sendmmsg() or recvmmsg()
TLS_SERVERS = 2  # processes
TLS_CLIENTS = 8  # at once, for the same reason
QUIET = 0.5  # seconds in which to see how busy the machine is without us
SO_RCVBUFFORCE = 33
MSG_WAITFORONE = 0x10000
NAMES = ("www.example.org", "www.netflix.com", "cdn.example.net", "www.wikipedia.org")

Result = dict[str, Any]


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ready() -> None:
    print("ready", flush=True)


def until_told() -> None:
    sys.stdin.read()


# ── bulk TCP ──────────────────────────────────────────────────────────────────────────────────────────────────


def bulk_server(address: str) -> Result:
    """Reads BULK_STREAMS connections to their ends: Gbit/s of payload between the first byte and the last."""
    connections = []
    with socket.create_server((address, PORT["bulk"]), family=family(address)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BULK_WINDOW)
        ready()
        for _ in range(BULK_STREAMS):
            connections.append(listener.accept()[0])
    started = time.monotonic()
    with ThreadPoolExecutor(BULK_STREAMS) as pool:
        total = sum(pool.map(read_to_end, connections))
    return {"gbit_s": total * 8 / (time.monotonic() - started) / 1e9, "bytes": total}


def read_to_end(connection: socket.socket) -> int:
    buffer = bytearray(PIECE)
    total = 0
    with connection:
        while n := connection.recv_into(buffer):
            total += n
    return total


def bulk_client(address: str, seconds: float) -> Result:
    connections = [socket.create_connection((address, PORT["bulk"])) for _ in range(BULK_STREAMS)]
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(BULK_STREAMS) as pool:
        return {"bytes": sum(pool.map(lambda connection: write_until(connection, end), connections))}


def write_until(connection: socket.socket, end: float) -> int:
    piece = memoryview(bytes(PIECE))
    sent = 0
    with contextlib.suppress(OSError):  # Linux's own default, whatever this machine's is: BBR would pace
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    connection.settimeout(5)  # a path that lets nothing pass ends the load
    with connection, contextlib.suppress(TimeoutError):
        while time.monotonic() < end:
            sent += connection.send(piece)
    return sent


# ── small UDP packets ─────────────────────────────────────────────────────────────────────────────────────────


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32), ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )  # fmt: skip


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("size", ctypes.c_uint))


def _messages(size: int) -> tuple[Any, Any]:
    """AT_ONCE messages over one buffer, and what must live as long as they do."""
    memory = ctypes.create_string_buffer(size)
    vector = _Iovec(ctypes.addressof(memory), size)
    messages = (_Mmsghdr * AT_ONCE)()
    for message in messages:
        message.header.iov = ctypes.pointer(vector)
        message.header.iovlen = 1
    return messages, (memory, vector)


def small_server(address: str) -> Result:
    """Counts packets, and how many arrived a second between the first and the last."""
    libc = ctypes.CDLL(None, use_errno=True)
    messages, _kept = _messages(2048)
    with socket.socket(family(address), socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        receiver.bind((address, PORT["small"]))
        ready()
        poller = select.poll()
        poller.register(receiver.fileno(), select.POLLIN)
        poller.register(0, select.POLLIN | select.POLLHUP)
        packets = 0
        first = last = 0.0
        while True:
            found = {fd for fd, _ in poller.poll()}
            if receiver.fileno() not in found:
                break  # told to end, and nothing is left to read
            n = libc.recvmmsg(receiver.fileno(), messages, AT_ONCE, socket.MSG_DONTWAIT | MSG_WAITFORONE, None)
            last = time.monotonic()
            first = first or last
            packets += max(n, 0)
    return {"packets": packets, "packets_s": packets / (last - first) if last > first else 0.0}


def small_client(address: str, seconds: float, rate: float = 0) -> Result:
    """Sends as fast as it can, or `rate` packets a second, over FLOWS flows in turn.

    busy: seconds that all CPUs have worked meanwhile, less what they were busy with before.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    messages, _kept = _messages(SMALL)
    senders = [socket.socket(family(address), socket.SOCK_DGRAM) for _ in range(FLOWS)]
    for sender in senders:
        sender.connect((address, PORT["small"]))
    before = busy_seconds()
    time.sleep(QUIET)
    idle = (busy_seconds() - before) / QUIET
    sent = turn = 0
    before, started = busy_seconds(), time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        count = AT_ONCE
        if rate:
            count = min(AT_ONCE, int(elapsed * rate) - sent)
            if count <= 0:
                time.sleep(0.001)
                continue
        turn += 1
        sent += max(libc.sendmmsg(senders[turn % FLOWS].fileno(), messages, count, 0), 0)
    elapsed = time.monotonic() - started
    return {"packets": sent, "seconds": elapsed, "busy": busy_seconds() - before - idle * elapsed}


def busy_seconds() -> float:
    """Seconds that all CPUs together have worked, interrupts included (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


# ── TLS handshakes ────────────────────────────────────────────────────────────────────────────────────────────


def tls_server(address: str, certificate: str) -> Result:
    """Full handshakes (no tickets, no cache), TLS_SERVERS at a time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.num_tickets = 0
    with socket.create_server((address, PORT["tls"]), family=family(address), backlog=1024) as listener:
        children = [_fork(lambda: _serve_tls(listener, context)) for _ in range(TLS_SERVERS)]
        ready()
        until_told()
        for child in children:
            os.kill(child, 15)
            os.waitpid(child, 0)
    return {}


def _serve_tls(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError):  # a client that went away
            connection.settimeout(5)
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)


def tls_client(address: str, seconds: float) -> Result:
    """New connections a second: TCP and TLS handshake, then closed by the client."""
    reader, writer = os.pipe()
    children = [_fork(lambda: _count_tls(address, seconds, writer)) for _ in range(TLS_CLIENTS)]
    os.close(writer)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(reader) as lines:
        counts = [json.loads(line) for line in lines]
    return {
        "connections_s": sum(c["done"] / c["seconds"] for c in counts),
        "failed": sum(c["failed"] for c in counts),
    }


def _count_tls(address: str, seconds: float, out: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    done = failed = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            with socket.create_connection((address, PORT["tls"]), 5) as connection:
                name = NAMES[done % len(NAMES)]
                with context.wrap_socket(connection, server_hostname=name):
                    done += 1
        except OSError:
            failed += 1
    elapsed = time.monotonic() - started
    os.write(out, json.dumps({"done": done, "failed": failed, "seconds": elapsed}).encode() + b"\n")


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


# ── round trips ───────────────────────────────────────────────────────────────────────────────────────────────


def echo_server(address: str) -> Result:
    with socket.socket(family(address), socket.SOCK_DGRAM) as server:
        server.bind((address, PORT["echo"]))

        def serve() -> None:
            while True:
                data, back = server.recvfrom(2048)
                server.sendto(data, back)

        threading.Thread(target=serve, daemon=True).start()
        ready()
        until_told()
        sys.stdout.flush()
        return {}


def echo_client(address: str, seconds: float) -> Result:
    """Round trips of one packet at a time in one flow, after enough of them that the flow is decided."""
    times: list[int] = []
    lost = 0
    with socket.socket(family(address), socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect((address, PORT["echo"]))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.perf_counter_ns()
            try:
                client.send(b"ping")
                client.recv(2048)
            except (TimeoutError, ConnectionError):
                lost += 1
                continue
            times.append(time.perf_counter_ns() - started)
    times = sorted(times[200:])
    if not times:
        return {"us_p50": None, "us_p99": None, "lost": lost}
    return {
        "us_p50": times[len(times) // 2] / 1000,
        "us_p99": times[len(times) * 99 // 100] / 1000,
        "lost": lost,
    }


LOADS: dict[str, tuple[Callable[..., Result], Callable[..., Result]]] = {
    "bulk": (bulk_server, bulk_client),
    "small": (small_server, small_client),
    "tls": (tls_server, tls_client),
    "echo": (echo_server, echo_client),
}


def main(name: str, side: str, address: str, *arguments: str) -> None:
    server, client = LOADS[name]
    result = server(address, *arguments) if side == "server" else client(address, *map(float, arguments))
    print(json.dumps(result), flush=True)
    os._exit(0)  # threads of a server may still wait for packets


if __name__ == "__main__":
    main(*sys.argv[1:])
