"""NAT on the same box, by tables of somebody else's: what is behind it is known, shaped and steered all the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliances import curls, flow_of, held, rate, shell, until
from world import CLASSES, MBIT, World, final, plan

from dpi import enforce
from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4, DNS4, WIRES
from dpi.policy.plan import Interface, Tree

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

LAN, WAN = WIRES[0].box4, WIRES[1].box4
HOST, OTHER, SERVER = CLIENTS4[:3]  # clients, and a server on the LAN
OUTSIDE = WIRES[1].peer4[0]
PORT = 8080  # of the WAN's address, which leads to the LAN's server
NAT = f"""\
table ip theirs {{
    chain in {{ type nat hook prerouting priority dstnat; ip daddr {WAN} tcp dport {PORT} dnat to {SERVER}:80; }}
    chain out {{
        type nat hook postrouting priority srcnat;
        oifname {{ "wan0", "cdn0" }} masquerade
        iifname "lan0" oifname "lan0" masquerade
    }}
}}
"""


@pytest.fixture
def policy(policy: Path) -> Path:
    """Also with a rule that holds each host to a rate."""
    policy.write_text(policy.read_text() + "  each: {match: {app: whatsapp}, per_host: {down: 2mbit, up: 1mbit}}\n")
    return policy


@pytest.fixture
def nat(lab: Lab, tmp_path: Path) -> Iterator[None]:
    """Masquerading towards the internet and the cache, and a port that leads to a server on the LAN."""
    (tmp_path / "big").touch()
    with (tmp_path / "big").open("wb") as file:
        file.truncate(64 << 20)
    shell(lab, "box", f"nft -f - <<'END'\n{NAT}END")
    command = [sys.executable, "-m", "http.server", "80", "--bind", SERVER, "--directory", str(tmp_path)]
    with (tmp_path / "server.log").open("wb") as log:
        server = lab.start("client", command, stdout=log, stderr=log)
    until(lambda: lab.run("client", ["curl", "-so", "/dev/null", f"http://{SERVER}/"]).returncode == 0)
    try:
        yield
    finally:
        server.kill()
        server.wait()
        shell(lab, "box", "nft delete table ip theirs")


def records(policy: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (policy.parent / "flows.jsonl").read_text().splitlines()]


@pytest.mark.guest
def test_clients_behind_masquerading_are_named_shaped_both_ways_and_counted_as_themselves(
    lab: Lab, box: Appliance, policy: Path, nat: None, tmp_path: Path
) -> None:
    steam = "http://cache1-fra2.steamcontent.com/"
    with curls(lab, 3, "-4", "--interface", HOST, steam + "bytes/64000000"):
        assert held(rate(box, "slow", "down"), 3 * MBIT)
        flow = until(lambda: [f for f in box.call("flows", apps=["steam"]) if f["offloaded"]])[0]
        assert (flow["src"], flow["method"], flow["class"]) == (HOST, "http-host", "slow")
        assert f"dst={WAN}" in lab.run("box", ["conntrack", "-L", "-p", "tcp"]).stdout  # which is what is outside
    with curls(lab, 3, "-4", "--interface", OTHER, "-T", str(tmp_path / "big"), "-H", "Expect:", steam):
        until(lambda: sum(f["bytes_up"] > 100_000 for f in box.call("flows", apps=["steam"])) == 3)
        assert held(rate(box, "slow", "up"), 2 * MBIT)
        assert {f["src"] for f in box.call("flows", apps=["steam"]) if f["bytes_up"] > 100_000} == {OTHER}
    hosts = box.call("top")["hosts"]
    assert {HOST, OTHER} <= set(hosts) and WAN not in hosts, hosts
    box.stop()
    told = [r for r in records(policy) if r["app"] == "steam" and r["dport"] == 80]
    assert {r["src"] for r in told} == {HOST, OTHER}
    assert sum(r["bytes_down"] for r in told) > 1_000_000 and sum(r["bytes_up"] for r in told) > 600_000


@pytest.mark.guest
def test_steering_to_a_cache_goes_on_where_connections_to_it_are_masqueraded(
    lab: Lab, box: Appliance, nat: None
) -> None:
    got = curl(lab, "https://www.netflix.com/bytes/200000", "-4", seconds=60)
    assert (got["server"], got["bytes"]) == ("cache", 200_000), got
    assert "dst=198.18.1.1" in lab.run("box", ["conntrack", "-L", "-p", "tcp", "--dport", "443"]).stdout
    flow = flow_of(box, app="netflix", method="sni")
    assert (flow["src"] in CLIENTS4, flow["cache"]) == (True, "oca")


def test_limits_of_each_host_are_of_the_clients_and_not_of_the_address_that_they_share(
    lab: Lab, box: Appliance, nat: None
) -> None:
    words = "-4", "https://web.whatsapp.com/bytes/64000000"
    with curls(lab, 3, "--interface", HOST, *words), curls(lab, 3, "--interface", OTHER, *words):
        until(lambda: sum(f["bytes_down"] > 200_000 for f in box.call("flows", apps=["whatsapp"])) >= 4, 60)
        # Both have theirs, so together they have twice as much; dropping costs TCP some of it.
        assert 2.4 * MBIT < rate(box, "rest", "down", 8) < 4.4 * MBIT


@pytest.mark.guest
def test_a_forwarded_port_is_named_and_shaped_as_what_the_lans_server_sends(
    lab: Lab, box: Appliance, policy: Path, nat: None
) -> None:
    host = "Host: cache1-fra2.steamcontent.com"
    command = ["curl", "-sS", "-m", "60", "-o", "/dev/null", "-H", host, f"http://{WAN}:{PORT}/big"]
    running = [lab.start("inet", command) for _ in range(3)]
    try:
        until(lambda: sum(f["bytes_down"] > 100_000 for f in box.call("flows", apps=["steam"])) == 3)
        assert held(rate(box, "slow", "up"), 2 * MBIT)
        flow = flow_of(box, app="steam")
        assert (flow["src"], flow["dst"], flow["dport"], flow["direction"]) == (OUTSIDE, SERVER, 80, "in")
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert SERVER in box.call("top")["hosts"]


@pytest.mark.guest
def test_what_a_client_fetches_of_a_lan_server_by_the_wans_address_is_none_of_the_links_traffic(
    lab: Lab, box: Appliance, nat: None
) -> None:
    def counted() -> int:
        status = box.call("status")
        return sum(int(c["packets"]) for c in status["classes"]) + int(status["engine"]["packets"])

    before = counted()
    got = curl(lab, f"http://{WAN}:{PORT}/big", "-4", "--interface", HOST, seconds=60)
    assert (got["exit"], got["bytes"]) == (0, 64 << 20)
    assert "[ASSURED]" in lab.run("box", ["conntrack", "-L", "-p", "tcp", "--dport", str(PORT)]).stdout
    assert counted() - before < 50  # of other connections that end; thousands went by
    assert [f for f in box.call("flows") if {f["src"], f["dst"]} <= {HOST, SERVER, LAN, WAN}] == []


@pytest.mark.guest
def test_nor_is_it_where_lan_and_wan_are_one_interface(world: World, tmp_path: Path) -> None:
    trees = (
        Tree("lan0", "down", 200 * MBIT, CLASSES, "rest", ifb="dpi-down"),
        Tree("lan0", "up", 200 * MBIT, CLASSES, "rest"),
    )
    one = plan(
        interfaces=(Interface("lan0", "lan"), Interface("lan0", "wan")), trees=trees, routes=(), local=("10.7.0.0/24",)
    )
    world.client.run("ip", "address", "add", "10.7.0.3/24", "dev", "eth0")
    # The WAN's address, which here is on the interface of the LAN as well.
    world.box.run("ip", "address", "add", "203.0.113.1/32", "dev", "lan0")
    world.box.run(
        "sh", "-ec",
        "nft add table ip theirs; nft add chain ip theirs in '{ type nat hook prerouting priority dstnat; }'\n"
        "nft add chain ip theirs out '{ type nat hook postrouting priority srcnat; }'\n"
        "nft add rule ip theirs in ip daddr 203.0.113.1 tcp dport 80 dnat to 10.7.0.3\n"
        "nft add rule ip theirs out oifname lan0 masquerade",
    )  # fmt: skip
    enforce.apply(one, state_dir=tmp_path)
    try:
        decider = world.decide(lambda _: final(2))
        world.serve(world.client, 80)
        assert world.banner("203.0.113.1", 80) == b"hello"
        assert decider.seen == []
        assert all(count.packets == 0 for count in enforce.counters(one).classes.values())
    finally:
        enforce.clean(state_dir=tmp_path)


def test_queries_that_are_sent_to_another_resolver_by_nat_are_left_to_it(
    lab: Lab, box: Appliance, policy: Path, nat: None
) -> None:
    """Who asked does not take an answer of a resolver that it has not asked: so no cache answers for that one."""
    asked, site = "198.18.0.99", "cache1-fra2.steamcontent.com"
    text = policy.read_text()
    text = text.replace("caches:\n", "caches:\n  lan: {kind: dns, address: 198.18.1.2, apps: steam, health: none}\n")
    policy.write_text(text)
    box.call("apply")
    shell(lab, "box", f"nft insert rule ip theirs in ip daddr {asked} udp dport 53 dnat to {DNS4}")

    def told(resolver: str) -> str:
        script = (
            "from dnslib import DNSRecord\n"
            f"r = DNSRecord.parse(DNSRecord.question('{site}').send('{resolver}', 53, timeout=5))\n"
            "print(*(rr.rdata for rr in r.rr))"
        )
        done = lab.run("client", [sys.executable, "-c", script])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert told(DNS4) == "198.18.1.2"
    assert told(asked).startswith("198.18.64.")
