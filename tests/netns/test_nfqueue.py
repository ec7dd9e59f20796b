"""The queue reader on real traffic: client – router – server, `iptables -j NFQUEUE` on the router.

The handler is ByMark: iptables marks packets before the queue, so that a test says with rules and a table what
becomes of which packet.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dpi.bench.path import CLIENT, CLIENT4, ROUTER, SERVER, SERVER4, SERVER6, Path
from dpi.capture.by_mark import ByMark
from dpi.capture.nfqueue import QueueReader, kernel_counters
from dpi.errors import KernelError

pytestmark = pytest.mark.netns

MASK = 0x7FFF0000
GSO = 2
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


@pytest.fixture
def path() -> Iterator[Path]:
    with Path("dpi-nfqueue") as made:
        yield made


@contextlib.contextmanager
def reading(path: Path, handler: ByMark, number: int = 0, **options: Any) -> Iterator[QueueReader]:
    """A reader on the router, in a thread."""
    reader = path.inside(ROUTER, lambda: QueueReader(number, handler, **options))
    thread = threading.Thread(target=reader.run)
    thread.start()
    try:
        yield reader
    finally:
        reader.stop()
        thread.join(10)
        assert not thread.is_alive()


def queue(path: Path, *match: str, to: str = "--queue-num 0", version: str = "") -> None:
    """Queues forwarded packets as the daemon's rule does where the kernel lacks nft's queue statement."""
    path.run(ROUTER, f"ip{version}tables", "-A", "FORWARD", *match, "-j", "NFQUEUE", *to.split(), "--queue-bypass")


def mark(path: Path, value: int, *match: str, version: str = "") -> None:
    path.run(
        ROUTER, f"ip{version}tables", "-t", "mangle", "-A", "PREROUTING", *match, "-j", "MARK", "--set-mark", hex(value)
    )  # fmt: skip


def count(path: Path, value: int) -> Callable[[], int]:
    """Counts packets that leave the router with exactly this mark."""
    path.run(
        ROUTER, "iptables", "-t", "mangle", "-A", "POSTROUTING", "-m", "mark", "--mark", hex(value), "-j", "RETURN"
    )  # fmt: skip

    def counted() -> int:
        text = path.run(ROUTER, "iptables", "-t", "mangle", "-nvxL", "POSTROUTING")
        found = re.search(rf"^\s*(\d+).*mark match {hex(value)}$", text, re.M)
        assert found, text
        return int(found[1])

    return counted


def listener(path: Path, kind: int, port: int, address: str = SERVER4) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = path.socket(SERVER, family, kind)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if kind == TCP:
        s.listen()
    return s


def client(path: Path, kind: int, port: int, address: str = SERVER4) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = path.socket(CLIENT, family, kind)
    s.settimeout(10)
    s.connect((address, port))
    return s


def echo(path: Path, address: str = SERVER4, port: int = 7, body: bytes = b"hello") -> bytes:
    """One request and its answer over TCP, through the router."""
    with listener(path, TCP, port, address) as server, client(path, TCP, port, address) as sender:
        accepted, _ = server.accept()
        with accepted:
            sender.sendall(body)
            accepted.sendall(accepted.recv(len(body), socket.MSG_WAITALL))
            return sender.recv(len(body), socket.MSG_WAITALL)


def received(server: socket.socket, seconds: float) -> bytes | None:
    server.settimeout(seconds)
    try:
        return server.recv(2048)
    except TimeoutError:
        return None


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def other_process(path: Path, max_length: int = 64) -> subprocess.Popen[str]:
    """A reader in a process of its own, which has said that it reads."""
    program = (
        "import threading\n"
        "from dpi.capture.by_mark import ByMark\n"
        "from dpi.capture.nfqueue import QueueReader\n"
        f"reader = QueueReader(0, ByMark(), max_length={max_length})\n"
        "print('reading', flush=True)\n"
        "reader.run()\n"
    )
    process = path.start(ROUTER, sys.executable, "-c", program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    return process


@pytest.mark.parametrize(("address", "version", "protocol"), [(SERVER4, "", 0x0800), (SERVER6, "6", 0x86DD)])
def test_accepted_packets_pass(path: Path, address: str, version: str, protocol: int) -> None:
    queue(path, version=version)
    handler = ByMark()
    with reading(path, handler) as reader:
        assert echo(path, address) == b"hello"
        # 3 to open, 2 + 2 data, at least 2 to close
        until(lambda: reader.counters()["packets"] >= 9, "all packets")
    lan, wan = path.inside(ROUTER, lambda: (socket.if_nametoindex("lan0"), socket.if_nametoindex("wan0")))
    first = handler.seen[0]
    assert (first["protocol"], first["indev"], first["outdev"]) == (protocol, lan, wan)
    assert {p["indev"] for p in handler.seen} == {lan, wan}


def test_icmp_passes(path: Path) -> None:
    queue(path)
    with reading(path, ByMark()) as reader:
        # an echo request by hand: type 8, checksum for an empty body, id 0, sequence 0
        raw = path.inside(CLIENT, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        with raw:
            raw.settimeout(10)
            raw.sendto(b"\x08\x00\xf7\xff\0\0\0\0", (SERVER4, 0))
            answer, (source, _) = raw.recvfrom(1500)
        assert (source, answer[20]) == (SERVER4, 0)  # an echo reply
        assert reader.counters()["packets"] == 2


def test_marks_are_set_and_other_bits_of_the_mark_kept(path: Path) -> None:
    mark(path, 0x00051234, "-p", "udp")
    marked = count(path, 0x00071234)
    queue(path)
    with (
        reading(path, ByMark({0x00051234: ("accept", 0x80078888)}), mask=MASK) as reader,
        listener(path, UDP, 9) as server,
        client(path, UDP, 9) as sender,
    ):
        for n in range(20):
            sender.send(b"%d" % n)
        assert [server.recv(100) for _ in range(20)] == [b"%d" % n for n in range(20)]
        assert reader.counters()["marks"] == 20
    assert marked() == 20


def test_dropped_packets_do_not_pass_and_their_neighbours_do(path: Path) -> None:
    mark(path, 2, "-p", "udp", "--dport", "10")
    queue(path)
    with (
        reading(path, ByMark({2: ("drop", None)})) as reader,
        listener(path, UDP, 9) as passing,
        listener(path, UDP, 10) as dropping,
        client(path, UDP, 9) as to_passing,
        client(path, UDP, 10) as to_dropping,
    ):
        for n in range(30):
            to_passing.send(b"%d" % n)
            to_dropping.send(b"%d" % n)
        assert [passing.recv(100) for _ in range(30)] == [b"%d" % n for n in range(30)]
        until(lambda: reader.counters()["drops"] == 30, "all drops")
        assert received(dropping, 0.1) is None


def test_different_verdicts_of_one_batch_keep_their_order(path: Path) -> None:
    """A reader that starts late finds everything in one batch: accepted, marked, accepted, …"""
    mark(path, 1, "-p", "udp", "--sport", "1001")
    marked = count(path, 0x10001)
    queue(path)
    reader = path.inside(ROUTER, lambda: QueueReader(0, ByMark({1: ("accept", 0x10000)}), mask=MASK))
    senders = [path.socket(CLIENT, socket.AF_INET, UDP) for _ in range(2)]
    with listener(path, UDP, 9) as server:
        for n, sender in enumerate(senders):
            sender.bind((CLIENT4, 1000 + n))
            sender.connect((SERVER4, 9))
        sent = [(n, n % 3 == 0) for n in range(100)]
        for n, which in sent:
            senders[which].send(b"%d" % n)
        thread = threading.Thread(target=reader.run)
        thread.start()
        assert [server.recv(100) for _ in sent] == [b"%d" % n for n, _ in sent]
        reader.stop()
        thread.join(10)
    for sender in senders:
        sender.close()
    counters = reader.counters()
    assert counters["batches"] == 1
    assert counters["verdicts"] == 67  # 34 marked ones, and a run between each two
    assert marked() == 34


def test_a_held_packet_waits_while_those_behind_it_pass(path: Path) -> None:
    mark(path, 3, "-p", "udp", "--dport", "10")
    queue(path)
    handler = ByMark({3: ("hold", None)})
    with (
        reading(path, handler, hold_seconds=0.9) as reader,
        listener(path, UDP, 9) as passing,
        listener(path, UDP, 10) as holding,
        client(path, UDP, 9) as to_passing,
        client(path, UDP, 10) as to_holding,
    ):
        to_holding.send(b"held")
        for n in range(50):
            to_passing.send(b"%d" % n)
        assert [passing.recv(100) for _ in range(50)] == [b"%d" % n for n in range(50)]
        assert received(holding, 0.05) is None
        assert reader.counters()["held"] == 1
        # … and is let go at its deadline, without anybody asking
        holding.settimeout(10)
        assert holding.recv(100) == b"held"
        counters = reader.counters()
        assert (counters["holds"], counters["expired"], counters["released"], counters["refused"]) == (1, 1, 0, 0)


def test_held_packets_are_released_by_number_in_any_order_and_with_their_mark(path: Path) -> None:
    mark(path, 3, "-p", "udp")
    marked = count(path, 0x50003)
    queue(path)
    handler = ByMark({3: ("hold", 0x50000)})
    with (
        reading(path, handler, hold_seconds=0.9, mask=MASK) as reader,
        listener(path, UDP, 9) as server,
        client(path, UDP, 9) as sender,
    ):
        for n in range(3):
            sender.send(b"%d" % n)
        until(lambda: reader.counters()["held"] == 3, "three held")
        ids = [p["id"] for p in handler.seen]
        got = []
        for n in (1, 2, 0):
            reader.release([ids[n], 4_000_000_000])  # a number that nothing has is no harm
            got.append(server.recv(100))
        assert got == [b"1", b"2", b"0"]
        counters = reader.counters()
        assert (counters["released"], counters["expired"], counters["held"]) == (3, 0, 0)
    assert marked() == 3


def test_more_packets_than_can_be_held_are_accepted_at_once(path: Path) -> None:
    mark(path, 3, "-p", "udp")
    queue(path)
    with (
        reading(path, ByMark({3: ("hold", None)}), hold_seconds=0.9) as reader,
        listener(path, UDP, 9) as server,
        client(path, UDP, 9) as sender,
    ):
        for n in range(300):
            sender.send(b"%d" % n)
        assert sorted(int(server.recv(100)) for _ in range(300)) == list(range(300))
        counters = reader.counters()
        assert counters["holds"] >= 256
        assert counters["holds"] + counters["hold_overflows"] == 300


def test_a_large_send_is_seen_as_one_packet_and_copied_in_part(path: Path) -> None:
    queue(path)
    handler = ByMark()
    body = bytes(1 << 20)
    with reading(path, handler, copy_range=512), listener(path, TCP, 7) as server:
        sender = client(path, TCP, 7)
        accepted, _ = server.accept()
        with sender, accepted:
            writer = threading.Thread(target=sender.sendall, args=(body,))
            writer.start()
            assert accepted.recv(len(body), socket.MSG_WAITALL) == body
            writer.join()
    large = [p for p in handler.seen if p["skb_info"] & GSO]
    assert large
    assert all(p["length"] > 1500 and p["n"] == 512 for p in large)


def test_a_full_queue_lets_packets_pass(path: Path) -> None:
    """Nobody reads: 16 packets wait, the others pass.  What waited passes when the reader is closed."""
    queue(path)
    reader = path.inside(ROUTER, lambda: QueueReader(0, ByMark(), max_length=16))
    with listener(path, UDP, 9) as server, client(path, UDP, 9) as sender:
        for n in range(40):
            sender.send(b"%d" % n)
        assert [server.recv(100) for _ in range(24)] == [b"%d" % n for n in range(16, 40)]
        state = path.inside(ROUTER, kernel_counters)[0]
        assert (state["length"], state["dropped"], state["user_dropped"]) == (16, 0, 0)
        reader.close()
        assert [server.recv(100) for _ in range(16)] == [b"%d" % n for n in range(16)]
    assert path.inside(ROUTER, kernel_counters) == {}


def test_a_full_socket_lets_packets_pass(path: Path) -> None:
    """The kernel would keep far more packets than the reader's socket has room for."""
    queue(path)
    reader = path.inside(ROUTER, lambda: QueueReader(0, ByMark(), max_length=10_000, receive_buffer=8192))
    assert reader.receive_buffer <= 16384
    with listener(path, UDP, 9) as server, client(path, UDP, 9) as sender:
        for n in range(100):
            sender.send(b"%d" % n)
        state = path.inside(ROUTER, kernel_counters)[0]
        assert 0 < state["length"] < 100
        assert (state["dropped"], state["user_dropped"]) == (0, 0)
        reader.close()
        assert sorted(int(server.recv(100)) for _ in range(100)) == list(range(100))


def test_stopping_lets_go_everything_held_and_queued(path: Path) -> None:
    mark(path, 3, "-p", "udp", "--dport", "10")
    queue(path)
    with (
        listener(path, UDP, 9) as passing,
        listener(path, UDP, 10) as holding,
        client(path, UDP, 9) as to_passing,
        client(path, UDP, 10) as to_holding,
    ):
        with reading(path, ByMark({3: ("hold", None)}), hold_seconds=60) as reader:
            for _ in range(5):
                to_holding.send(b"held")
            until(lambda: reader.counters()["held"] == 5, "five held")
        assert [holding.recv(100) for _ in range(5)] == [b"held"] * 5
        to_passing.send(b"nobody reads now")
        assert passing.recv(100) == b"nobody reads now"


def test_no_packet_is_lost_while_readers_come_and_go_under_traffic(path: Path) -> None:
    """Stopping drops nothing.  Starting may lose what comes between the bind and the copy mode: a TCP stream
    shows that it recovers.
    """
    queue(path)
    body = os.urandom(1 << 16) * 64
    with listener(path, TCP, 7) as server, client(path, TCP, 7) as sender:
        accepted, _ = server.accept()
        got = bytearray()
        with accepted:
            accepted.settimeout(20)

            def receive() -> None:
                while len(got) < len(body) and (data := accepted.recv(1 << 16)):
                    got.extend(data)

            receiver = threading.Thread(target=receive)
            receiver.start()
            for n in range(8):
                with reading(path, ByMark()):
                    sender.sendall(body[n << 19 : (n + 1) << 19])
            receiver.join(20)
    assert bytes(got) == body


def test_without_a_reader_packets_pass(path: Path) -> None:
    queue(path)
    assert echo(path) == b"hello"


def test_traffic_passes_a_reader_that_hangs_once_its_queue_is_full(path: Path) -> None:
    queue(path)
    process = other_process(path, max_length=16)
    try:
        assert echo(path) == b"hello"
        process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{process.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the stop")
        with listener(path, UDP, 9) as server, client(path, UDP, 9) as sender:
            for n in range(48):
                sender.send(b"%d" % n)
            passed = [int(server.recv(100))]
            while passed[-1] != 47:
                passed.append(int(server.recv(100)))
            assert len(passed) >= 32  # only the first wait, at most 16: the last packets of the echo may be there too
            assert echo(path) == b"hello"
            # it wakes up: what it had kept passes too
            process.send_signal(signal.SIGCONT)
            passed += [int(server.recv(100)) for _ in range(48 - len(passed))]
            assert sorted(passed) == list(range(48))
    finally:
        process.send_signal(signal.SIGCONT)
        path.stop(process)


def test_traffic_passes_when_the_reader_is_killed(path: Path) -> None:
    queue(path)
    process = other_process(path)
    assert echo(path) == b"hello"
    process.kill()
    process.wait()
    assert echo(path) == b"hello"
    with reading(path, ByMark()) as reader:  # and the next one has the queue
        assert echo(path) == b"hello"
        assert reader.counters()["packets"] > 3


def test_two_queues_in_two_threads_share_the_traffic_by_address_pair(path: Path) -> None:
    """--queue-balance: both directions of a pair of addresses meet in one queue."""
    for n in range(3, 19):
        path.run(CLIENT, "ip", "address", "add", f"192.0.2.{n}/24", "dev", "eth0")
    queue(path, to="--queue-balance 0:1")
    one, two = ByMark(), ByMark()
    with (
        reading(path, one, number=0) as first,
        reading(path, two, number=1) as second,
        listener(path, UDP, 9) as server,
    ):
        for n in range(3, 19):
            with path.socket(CLIENT, socket.AF_INET, UDP) as sender:
                sender.settimeout(10)
                sender.bind((f"192.0.2.{n}", 0))
                sender.sendto(b"there", (SERVER4, 9))
                body, back = server.recvfrom(100)
                server.sendto(body, back)
                assert sender.recv(100) == b"there"
        counts = [r.counters()["packets"] for r in (first, second)]
        assert sum(counts) == 32
        assert all(counts)
        assert not any(n % 2 for n in counts)  # there and back
        assert set(path.inside(ROUTER, kernel_counters)) == {0, 1}


def test_a_second_reader_of_a_queue_is_refused_and_the_first_unharmed(path: Path) -> None:
    queue(path)
    with reading(path, ByMark()):
        with pytest.raises(KernelError, match="queue 0 cannot be bound"):
            path.inside(ROUTER, lambda: QueueReader(0, ByMark()))
        assert echo(path) == b"hello"


def test_an_idle_loop_beats(path: Path) -> None:
    with reading(path, ByMark()) as reader:
        first = reader.heartbeat
        until(lambda: reader.heartbeat > first + 1, "two turns")


def test_a_verdict_for_a_packet_that_is_gone_is_counted(path: Path) -> None:
    """A device that goes down takes its queued packets along; their verdicts are refused."""
    mark(path, 3, "-p", "udp")
    queue(path)
    with (
        reading(path, ByMark({3: ("hold", None)}), hold_seconds=0.3) as reader,
        client(path, UDP, 9) as sender,
    ):
        sender.send(b"held")
        until(lambda: reader.counters()["held"] == 1, "one held")
        path.run(ROUTER, "ip", "link", "set", "wan0", "down")
        until(lambda: reader.counters()["refused"] == 1, "a refusal")
