"""Cache routing: new connections to learnt destinations, and nothing else; back to normal when the cache is down."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from world import CACHE, CACHE4, CACHE6, SERVER4, SITE4, SITE6, World, final, made, plan, wait_for

from dpi import enforce
from dpi.enforce import conntrack
from dpi.enforce.health import Watcher
from dpi.errors import KernelError
from dpi.policy.plan import Health, KernelPlan

pytestmark = pytest.mark.netns


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        w.serve(w.inet, 80, banner=b"internet")
        w.serve(w.cache, 80, banner=b"cache")
        yield w


def applied(state: Path, **changes: Any) -> KernelPlan:
    wanted = plan(routes=(replace(CACHE, **changes),))
    enforce.apply(wanted, state_dir=state)
    return wanted


@pytest.mark.guest
@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_new_connections_to_learnt_destinations_take_the_cache(world: World, state: Path, site: str) -> None:
    wanted = applied(state)
    assert world.banner(site, 80) == b"internet"
    assert enforce.Learner(wanted).learn("cache", [(site, 600)]) == 1
    assert world.banner(site, 80) == b"cache"
    assert world.banner(SERVER4, 80) == b"internet"
    counted = enforce.counters(wanted).routes
    assert counted["up", "cache"].packets > 2 and counted["down", "cache"].bytes > 0


@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_an_established_connection_is_never_moved_to_a_cache(world: World, state: Path, site: str) -> None:
    wanted = applied(state)
    with world.connect(site, 80) as sock:
        assert sock.recv(100) == b"internet"
        enforce.Learner(wanted).learn("cache", [(site, 600)])
        for _ in range(3):
            sock.sendall(b"still here")
            assert sock.recv(100) == b"still here"
    assert enforce.counters(wanted).routes["up", "cache"].packets == 0


def test_prefixes_known_beforehand_need_no_learning(world: World, state: Path) -> None:
    applied(state, prefixes=("198.18.64.0/24", "2001:db8:64::/48"))
    assert world.banner(SITE4, 80) == b"cache"
    assert world.banner(SITE6, 80) == b"cache"


@pytest.mark.guest
@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_a_verdict_that_names_the_route_teaches_the_kernel_the_server(world: World, state: Path, site: str) -> None:
    applied(state)
    world.decide(lambda _: final(2, route=1))
    assert world.banner(site, 80) == b"internet"
    assert world.banner(site, 80) == b"cache"


def test_what_the_server_of_a_connection_from_outside_is_is_not_learnt(world: World, state: Path) -> None:
    """There the LAN's host is the server, and the verdict's packet goes down."""
    applied(state)
    world.serve(world.client, 81)
    world.decide(lambda _: final(2, route=1))
    with world.inet:
        sock = socket.create_connection(("10.7.0.2", 81), 15)
    assert sock.recv(100) == b"hello"
    sock.close()
    assert "elements" not in world.box.run("nft", "list", "set", "inet", "dpi", "route1_learnt4")


def test_what_the_cache_itself_asks_for_takes_the_normal_way(world: World, state: Path) -> None:
    """The cache is beside the LAN's hosts here: its own fetches must not come back to it."""
    wanted = applied(state, next_hop4="10.7.0.2", next_hop6=None, prefixes=("198.18.0.0/24",))
    assert enforce.apply(wanted, state_dir=state).operations == ()
    assert world.banner(SERVER4, 80) == b"internet"


@pytest.mark.guest
def test_a_route_that_is_down_gets_no_new_connection_and_loses_those_it_has(world: World, state: Path) -> None:
    wanted = applied(state, prefixes=("198.18.64.0/24",))
    sock = world.connect(SITE4, 80)
    assert sock.recv(100) == b"cache"
    enforce.set_route_state(wanted, "cache", up=False)
    assert world.banner(SITE4, 80) == b"internet"
    sock.sendall(b"x")  # the internet knows nothing of this connection
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    held = world.connect(SITE4, 80)
    assert held.recv(100) == b"internet"
    enforce.set_route_state(wanted, "cache", up=True)
    assert world.banner(SITE4, 80) == b"cache"
    held.sendall(b"stays")
    assert held.recv(100) == b"stays"
    held.close()
    marks = {c.mark & wanted.marks.route_mask for c in conntrack.dump([socket.AF_INET])}
    assert marks == {0, wanted.marks.route(1)}


CLIENTS = [f"10.7.0.{n}" for n in range(10, 34)]
MACHINES = (
    replace(CACHE, name="cache/a", member_of="cache", weight=2, prefixes=("198.18.64.0/24", "2001:db8:64::/48")),
    replace(CACHE, number=2, table=26002, name="cache/b", member_of="cache", next_hop4="198.18.1.3", next_hop6=None),
)


def taken(world: World, wanted: KernelPlan) -> dict[str, int]:
    """The number of the machine that each client's new connection goes to, by its mark; 0 for none."""
    ports = {}
    for client in CLIENTS:
        with world.client:
            sock = socket.socket()
        sock.bind((client, 0))
        sock.settimeout(15)
        sock.connect((SITE4, 80))
        ports[client] = sock.getsockname()[1]
        sock.close()
    marks = {(socket.inet_ntoa(c.original.source), c.original.sport): c.mark for c in conntrack.dump([socket.AF_INET])}
    lowest = wanted.marks.route(1)
    return {client: (marks[client, port] & wanted.marks.route_mask) // lowest for client, port in ports.items()}


@pytest.mark.guest
def test_of_a_cache_of_several_machines_each_client_has_its_own(world: World, state: Path) -> None:
    world.cache.run("ip", "addr", "add", "198.18.1.3/24", "dev", "eth0")
    for client in CLIENTS:
        world.client.run("ip", "addr", "add", f"{client}/24", "dev", "eth0")
    wanted = plan(routes=MACHINES)
    enforce.apply(wanted, state_dir=state)
    assert world.banner(SITE4, 80) == b"cache" and world.banner(SITE6, 80) == b"cache"
    both = taken(world, wanted)
    assert both == taken(world, wanted)
    assert set(both.values()) == {1, 2}

    enforce.set_route_state(wanted, "cache/b", up=False)
    assert set(taken(world, wanted).values()) == {1}
    enforce.set_route_state(wanted, "cache/b", up=True)
    held = world.connect(SITE4, 80)
    assert held.recv(100) == b"cache"
    enforce.set_route_drained(wanted, "cache/a", drained=True)
    held.sendall(b"finishes where it is")
    assert held.recv(100) == b"finishes where it is"
    assert set(taken(world, wanted).values()) == {2}
    assert world.banner(SITE6, 80) == b"internet", "b has no IPv6"
    assert enforce.apply(wanted, state_dir=state).operations == (), "what is drained is no difference"
    enforce.set_route_drained(wanted, "cache/b", drained=True)
    assert set(taken(world, wanted).values()) == {0}
    for name in ("cache/a", "cache/b"):
        enforce.set_route_drained(wanted, name, drained=False)
    assert taken(world, wanted) == both


def test_several_machines_that_must_not_be_bypassed_refuse_when_all_are_down(world: World, state: Path) -> None:
    world.cache.run("ip", "addr", "add", "198.18.1.3/24", "dev", "eth0")
    wanted = plan(routes=tuple(replace(route, when_down="unreachable") for route in MACHINES))
    enforce.apply(wanted, state_dir=state)
    enforce.set_route_state(wanted, "cache/a", up=False)
    assert world.banner(SITE4, 80) == b"cache"
    enforce.set_route_state(wanted, "cache/b", up=False)
    with pytest.raises(ConnectionRefusedError):
        world.connect(SITE4, 80)


def test_what_a_cache_fetches_is_counted_and_never_sent_to_a_cache(world: World, state: Path) -> None:
    wanted = applied(state, prefixes=("198.18.64.0/24",), fills_from=("198.18.77.0/24",))
    world.cache.run("ip", "addr", "del", f"{SITE4}/24", "dev", "lo")
    for source in (CACHE4, "198.18.77.1"):
        world.cache.run("ip", "addr", "replace", f"{source}/24", "dev", "eth0")
        world.box.run("ip", "route", "replace", "198.18.77.0/24", "dev", "cdn0")
        with world.cache:
            sock = socket.create_connection((SITE4, 80), 15, (source, 0))
        assert sock.recv(100) == b"internet"
        sock.close()
    counted = enforce.counters(wanted)
    assert counted.fills["up", "cache"].packets >= 6 and counted.fills["down", "cache"].bytes > 0
    assert counted.routes["up", "cache"].packets == 0


def test_a_route_that_must_not_be_bypassed_refuses_while_it_is_down(world: World, state: Path) -> None:
    wanted = applied(state, prefixes=("198.18.64.0/24",), when_down="unreachable")
    enforce.set_route_state(wanted, "cache", up=False)
    with pytest.raises(ConnectionRefusedError):
        world.connect(SITE4, 80)
    enforce.set_route_state(wanted, "cache", up=True)
    assert world.banner(SITE4, 80) == b"cache"


def test_a_next_hop_whose_device_goes_leaves_traffic_on_the_normal_way(world: World, state: Path) -> None:
    wanted = applied(state, prefixes=("198.18.64.0/24",))
    world.box.run("ip", "link", "set", "cdn0", "down")
    assert world.banner(SITE4, 80) == b"internet"
    notes = enforce.apply(wanted, state_dir=state).notes
    assert any("cdn0 is down" in note or "not on a network" in note for note in notes)
    assert world.banner(SITE4, 80) == b"internet"
    world.box.run("ip", "link", "set", "cdn0", "up")
    operations = [str(o) for o in enforce.apply(wanted, state_dir=state).operations]
    assert f"add IPv4 default route of table 26001: via {CACHE4} dev cdn0" in operations
    assert world.banner(SITE4, 80) == b"cache"


@pytest.mark.parametrize(
    ("kind", "target", "port"),
    [("icmp", CACHE4, None), ("icmp", CACHE6, None), ("tcp", CACHE4, 80), ("http", CACHE6, 8080)],
)
def test_a_cache_that_dies_is_withdrawn_within_its_checks_and_comes_back(
    world: World, state: Path, kind: Literal["icmp", "tcp", "http"], target: str, port: int | None
) -> None:
    health = Health(kind, target, port, "/ok", 0.1, 1.0, 2, 2)
    wanted = applied(state, prefixes=("198.18.64.0/24",), health=health)
    world.serve(world.cache, 8080, banner=b"HTTP/1.1 204 No Content\r\n\r\n")
    told: list[tuple[str, bool]] = []

    def tell(route: str, up: bool) -> None:
        enforce.set_route_state(wanted, route, up=up)
        if told[-1:] != [(route, up)]:
            told.append((route, up))

    watcher = Watcher(wanted, tell)

    async def scene() -> None:
        task = asyncio.create_task(watcher.run())
        await asyncio.sleep(0.5)
        assert told == [("cache", True)]
        world.cache.run("ip", "link", "set", "eth0", "down")
        assert await until(lambda: told[1:] == [("cache", False)])
        assert await asyncio.to_thread(in_box, world, lambda: world.banner(SITE4, 80)) == b"internet"
        world.cache.run("ip", "link", "set", "eth0", "up")
        world.cache.run("ip", "route", "replace", "default", "via", "198.18.1.1")
        world.cache.run("sh", "-c", "ip -6 addr add 2001:db8:1::2/64 dev eth0 nodad || true")
        assert await until(lambda: told[1:] == [("cache", False), ("cache", True)])
        task.cancel()

    asyncio.run(scene())
    assert wait_for(lambda: world.banner(SITE4, 80) == b"cache")
    assert watcher.standings["cache"].up and watcher.standings["cache"].failures >= 2


async def until(true: object, seconds: float = 30) -> bool:
    assert callable(true)
    end = asyncio.get_running_loop().time() + seconds
    while not true() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.05)
    return bool(true())


def in_box(world: World, what: object) -> object:
    assert callable(what)
    with world.box:
        return what()


def test_a_route_unknown_to_the_plan_is_an_error_for_states_and_nothing_for_learning(world: World, state: Path) -> None:
    wanted = applied(state)
    assert enforce.Learner(wanted).learn("other", [(SITE4, 60)]) == 0
    with pytest.raises(KernelError, match="no route named other"):
        enforce.set_route_state(wanted, "other", up=False)
    enforce.clean(state_dir=state)
    with pytest.raises(KernelError, match="route cache: No such file"):
        enforce.set_route_state(wanted, "cache", up=False)
    with pytest.raises(KernelError, match="learning for cache: No such file"):
        enforce.Learner(wanted).learn("cache", [(SITE4, 60)])


def test_what_an_earlier_daemon_said_of_a_route_is_set_right_by_the_first_check(world: World, state: Path) -> None:
    health = Health("icmp", CACHE4, None, None, 0.1, 1.0, 3, 3)
    wanted = applied(state, prefixes=("198.18.64.0/24",), health=health)
    enforce.set_route_state(wanted, "cache", up=False)
    assert world.banner(SITE4, 80) == b"internet"
    told: list[bool] = []

    def tell(route: str, up: bool) -> None:
        enforce.set_route_state(wanted, route, up=up)
        told.append(up)

    async def scene() -> None:
        task = asyncio.create_task(Watcher(wanted, tell).run())
        assert await until(lambda: told)
        task.cancel()

    asyncio.run(scene())
    assert told == [True]
    assert world.banner(SITE4, 80) == b"cache"
