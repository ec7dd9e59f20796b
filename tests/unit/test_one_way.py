"""Connections of which one side's packets alone come by, as the flow table knows them."""

from __future__ import annotations

import pytest

from dpi.core import Core
from tests.cores import ACK, CLIENT, RST, SERVER, SYN, TCP, ip

LAN, WAN = 1, 2  # origins
SECOND = 1_000_000_000
PORTS = 40000, 443


def tell(core: Core, flags: int, size: int, time: float, *, answer: bool = False, origin: int | None = None) -> None:
    """A packet of the client's, or of the server's."""
    src, dst = (SERVER, CLIENT) if answer else (CLIENT, SERVER)
    sport, dport = PORTS[::-1] if answer else PORTS
    core.feed(
        src=ip(src), dst=ip(dst), sport=sport, dport=dport, proto=TCP, flags=flags, payload=bytes(size),
        time=round(time * SECOND), origin=origin or (WAN if answer else LAN),
    )  # fmt: skip


def counted(core: Core) -> tuple[int, int, int]:
    return core.one_way(8)[:3]


@pytest.fixture
def core() -> Core:
    return Core(16)


def test_a_client_that_acknowledges_what_was_not_seen_is_one_way(core: Core) -> None:
    for n, flags in enumerate((SYN, ACK, ACK, ACK, ACK)):
        tell(core, flags, 0, n)
    assert core.one_way(8) == (1, 1, 0, [(0, "10.0.0.1", "192.0.2.10")])
    assert core.one_way(0) == (1, 1, 0, [])
    tell(core, SYN | ACK, 0, 6, answer=True)
    assert counted(core) == (1, 0, 0)


def test_a_server_whose_data_alone_comes_by_is_one_way(core: Core) -> None:
    tell(core, SYN | ACK, 0, 0, answer=True)
    for n in range(1, 6):
        tell(core, ACK, 1400, n, answer=True)
    assert counted(core) == (1, 0, 1)


@pytest.mark.parametrize("flags", [SYN, SYN | ACK, ACK, RST])
def test_what_repeats_one_packet_without_data_is_not(core: Core, flags: int) -> None:
    for n in range(8):
        tell(core, flags, 0, n, answer=bool(flags & ACK))
    assert counted(core) == (1, 0, 0)


def test_a_burst_is_not_nor_is_a_connection_of_few_packets(core: Core) -> None:
    for n in range(10):
        tell(core, ACK, 1400, n / 1000, answer=True)
    assert counted(core) == (1, 0, 0)
    few = Core(16)
    for n, flags in enumerate((SYN, ACK, ACK)):
        tell(few, flags, 0, n)
    assert counted(few) == (0, 0, 0)


def test_the_kernels_end_of_a_syn_is_not_the_end_of_what_goes_on_without_answers(core: Core) -> None:
    key = (ip(CLIENT), PORTS[0], ip(SERVER), PORTS[1], 0, TCP)
    for n, flags in enumerate((SYN, ACK, ACK, ACK, ACK)):
        tell(core, flags, 0, n)
    assert not core.close(key, 1, 60, 0, 0)
    assert core.find(key) is not None
    assert core.close(key, 5, 300, 0, 0)  # of all its packets
    assert core.find(key) is None
