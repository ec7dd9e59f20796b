"""A proxy on this box: plain HTTP is handed to its socket by TPROXY; nothing else is, and not what it fetches."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transparent_proxy
from world import CACHE, SITE4, SITE6, World, final, made, plan

from dpi import enforce
from dpi.policy.plan import KernelPlan

pytestmark = pytest.mark.netns

PORT = 3129
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n\r\ninternet"
PROXY = replace(
    CACHE, kind="proxy", port=PORT, next_hop4=None, next_hop6=None, prefixes=("198.18.0.0/15", "2001:db8::/32")
)


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        w.serve(w.inet, 80, banner=ANSWER)
        yield w


def applied(folder: Path, **changes: Any) -> KernelPlan:
    wanted = plan(routes=(replace(PROXY, **changes),))
    enforce.apply(wanted, state_dir=folder)
    return wanted


@contextlib.contextmanager
def proxy(world: World, *, as_client: bool = False) -> Iterator[None]:
    with world.box:
        listener = transparent_proxy.listening(PORT)
    thread = threading.Thread(target=transparent_proxy.serve, args=(listener, as_client), daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def ask(world: World, site: str, port: int = 80) -> bytes:
    with world.connect(site, port) as sock:
        sock.sendall(REQUEST)
        return sock.recv(1000).removesuffix(REQUEST)  # the test's server echoes it behind its answer


@pytest.mark.guest
@pytest.mark.parametrize("as_client", [False, True])
@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_plain_http_goes_through_the_proxy_and_both_sides_of_it_are_counted(
    world: World, tmp_path: Path, site: str, as_client: bool
) -> None:
    world.serve(world.inet, 81, banner=b"untouched")
    wanted = applied(tmp_path)
    assert enforce.apply(wanted, state_dir=tmp_path).operations == ()
    with proxy(world, as_client=as_client):
        assert b"Via: 1.1 proxy" in ask(world, site)
        assert ask(world, site, 81) == b"untouched"
    counted = enforce.counters(wanted)
    assert counted.routes["up", "cache"].packets > 2 and counted.routes["down", "cache"].bytes > len(ANSWER)
    assert counted.fills["up", "cache"].packets > 2 and counted.fills["down", "cache"].bytes > len(ANSWER)


@pytest.mark.guest
def test_without_a_listener_and_when_it_is_down_connections_take_the_normal_way(world: World, tmp_path: Path) -> None:
    wanted = applied(tmp_path)
    assert ask(world, SITE4) == ANSWER  # nobody listens
    with proxy(world):
        held = world.connect(SITE4, 80)
        enforce.set_route_state(wanted, "cache", up=False)
        assert ask(world, SITE4) == ANSWER
        held.sendall(REQUEST)
        assert b"Via" in held.recv(1000)  # it has its socket, and keeps it
        enforce.set_route_state(wanted, "cache", up=True)
        enforce.set_route_drained(wanted, "cache", drained=True)
        assert ask(world, SITE6) == ANSWER
        enforce.set_route_drained(wanted, "cache", drained=False)
        assert b"Via" in ask(world, SITE6)


def test_when_it_is_down_its_traffic_is_refused_where_the_policy_says_so(world: World, tmp_path: Path) -> None:
    wanted = applied(tmp_path, when_down="unreachable")
    assert ask(world, SITE4) == ANSWER  # nobody has said so yet
    enforce.set_route_state(wanted, "cache", up=False)
    with pytest.raises(ConnectionRefusedError):
        ask(world, SITE4)


@pytest.mark.guest
def test_what_a_proxy_is_handed_is_decided_and_blocked_as_what_is_forwarded(world: World, tmp_path: Path) -> None:
    """The queue sees the request in the input hook; answers have the class of the rule."""
    wanted = applied(tmp_path)
    with proxy(world):
        decider = world.decide(lambda packet: final(2) if b"GET" in packet else None)
        assert b"Via" in ask(world, SITE4)
        assert any(b"GET" in payload for _, payload in decider.seen)
        counted = enforce.counters(wanted)
        assert counted.rules["up", "video"].packets > 0 and counted.rules["down", "video"].bytes > len(ANSWER)
        assert counted.classes["down", "video"].bytes > len(ANSWER)
        decider.say = lambda packet: final(3) if b"GET" in packet else None
        with pytest.raises(ConnectionResetError):
            ask(world, SITE4)


def test_a_box_that_is_left_has_neither_rule_nor_route_of_the_proxy(world: World, tmp_path: Path) -> None:
    before = world.dump()
    applied(tmp_path)
    assert world.dump() != before
    enforce.clean(state_dir=tmp_path)
    after = world.dump()
    assert {name for name, text in after.items() if text != before[name]} <= {"sysctl"}
