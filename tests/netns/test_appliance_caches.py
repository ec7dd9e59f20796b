"""Caches on real traffic: routed to, learnt, drained, gone; a proxy on the box, one that is found by DNS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from appliances import flow_of, until

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.lab.topology import DNS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]


@pytest.mark.parametrize("family", [4, 6])
def test_the_first_connection_of_a_cached_app_goes_to_the_cache(lab: Lab, box: Appliance, family: int) -> None:
    assert curl(lab, "https://www.netflix.com/", f"-{family}")["server"] == "cache"
    assert curl(lab, "https://www.wikipedia.org/", f"-{family}")["server"] == "inet"


@pytest.mark.parametrize(("family", "server"), [(4, "198.18.90.9"), (6, "[2001:db8:64::909]")])
def test_a_connection_whose_server_was_not_looked_up_here_teaches_it(
    lab: Lab, box: Appliance, family: int, server: str
) -> None:
    told = ("--resolve", f"www.netflix.com:443:{server}")
    got = [curl(lab, "https://www.netflix.com/", f"-{family}", *told)["server"] for _ in range(2)]
    assert got == ["inet", "cache"]


def test_when_the_cache_fails_new_connections_take_the_normal_way_and_come_back(lab: Lab, box: Appliance) -> None:
    def server() -> str:
        return str(curl(lab, "https://www.netflix.com/", "-4", seconds=3)["server"])

    def state() -> str:
        return str(box.call("status")["routes"][0]["state"])

    assert server() == "cache"
    lab.run("cache", ["ip", "link", "set", "eth0", "down"])
    try:
        until(lambda: state() == "down")
        assert server() == "inet"
    finally:
        lab.run("cache", ["ip", "link", "set", "eth0", "up"])
        lab.run("cache", ["ip", "route", "replace", "default", "via", "198.18.1.1"])
        lab.run("cache", ["ip", "-6", "addr", "replace", "2001:db8:1::2/64", "dev", "eth0", "nodad"])
        lab.run("cache", ["ip", "-6", "route", "replace", "default", "via", "2001:db8:1::1"])
    until(lambda: state() == "up")
    until(lambda: server() == "cache", seconds=5)  # its route is put back once its device's carrier has settled


def test_a_drained_cache_gets_nothing_new_and_what_caches_serve_is_told(lab: Lab, box: Appliance) -> None:
    def server() -> str:
        return str(curl(lab, "https://www.netflix.com/", "-4")["server"])

    assert server() == "cache"
    assert box.cli("caches", "drain", "oca").stdout == "cache oca: drained, no new connections\n"
    assert server() == "inet"
    assert box.call("status")["routes"][0]["drained"]
    os.kill(box.worker_pid(), signal.SIGKILL)  # the next one knows
    until(lambda: drained(box), 60)
    assert server() == "inet"
    assert box.cli("caches", "resume", "oca").returncode == 0
    assert server() == "cache"

    fetched = lab.run("cache", ["curl", "-4s", "-m", "20", "http://198.18.0.2/bytes/100000"])
    assert len(fetched.stdout) == 100_000, fetched.stderr
    told = json.loads(box.cli("caches", "list", "--json").stdout)
    assert 100_000 < told["caches"][0]["fill_bytes"] < 120_000
    (netflix,) = told["apps"]
    assert netflix["app"] == "netflix" and netflix["on_net"] > 1000 and netflix["caches"] == {"oca": netflix["on_net"]}
    assert 0 < netflix["offload_ratio"] <= 1
    assert "offload" in box.cli("caches", "list").stdout
    assert box.cli("caches", "drain", "nowhere").returncode == 2


def drained(box: Appliance) -> bool:
    with contextlib.suppress(DpiError):
        return bool(box.call("status", timeout=2)["routes"][0]["drained"])
    return False


@pytest.mark.parametrize("family", [4, 6])
def test_a_proxy_on_the_box_serves_plain_http_and_is_left_alone_when_it_is_gone(
    lab: Lab, box: Appliance, policy: Path, family: int
) -> None:
    """With DNS answers as its teacher, the rules' classes and blocks, and its own fetches as fill."""
    site = "download.windowsupdate.com"
    health = "health: {interval: 500ms, timeout: 400ms, down_after: 2, up_after: 2}"
    cache = f"  web: {{kind: proxy, port: 3129, apps: windowsupdate, {health}}}\n"
    rule = "  updates: {match: {app: windowsupdate}, shape: slow}\n"
    policy.write_text(policy.read_text().replace("caches:\n", f"caches:\n{cache}") + rule)
    program = str(Path(__file__).with_name("transparent_proxy.py"))

    def state() -> dict[str, Any]:
        return next(r for r in box.call("status")["routes"] if r["name"] == "web")

    def via(url: str) -> bool:
        done = lab.run("client", ["curl", f"-{family}", "-s", "-m", "20", "-o", "/dev/null", "-D", "-", url])
        assert done.returncode == 0, (done.stdout, done.stderr)
        return "Via: 1.1 proxy" in done.stdout

    proxy = lab.start("box", [sys.executable, program, "3129"])
    try:
        box.call("apply")
        until(lambda: state()["state"] == "up")
        assert via(f"http://{site}/bytes/200000")
        assert not via(f"https://{site}/")
        assert not via("http://www.wikipedia.org/")
        told = state()
        assert told["bytes"] > 200_000 and told["fill_bytes"] > 200_000, told
        flow = flow_of(box, app="windowsupdate", method="http-host")
        assert (flow["class"], flow["hostname"]) == ("slow", site)
        slow = next(c for c in box.call("status")["classes"] if (c["name"], c["direction"]) == ("slow", "down"))
        assert slow["bytes"] > 200_000
        apps = {row["app"]: row for row in json.loads(box.cli("caches", "list", "--json").stdout)["apps"]}
        assert apps["windowsupdate"]["caches"]["web"] > 200_000
    finally:
        proxy.terminate()
        proxy.wait()
    assert not via(f"http://{site}/")
    until(lambda: state()["state"] == "down")
    assert not via(f"http://{site}/")


def test_names_of_a_cache_that_is_found_by_dns_are_answered_with_its_address(
    lab: Lab, box: Appliance, policy: Path
) -> None:
    """A LanCache beside the network, with the lab's resolver on the other side of the box."""
    health = "health: {interval: 500ms, timeout: 400ms, down_after: 2, up_after: 2}"
    cache = f"  lan: {{kind: dns, address: 198.18.1.2, {health}}}\n"
    rule = '  games: {match: {host: "*.steamcontent.com"}, shape: slow, route: lan, before: slow}\n'
    policy.write_text(policy.read_text().replace("caches:\n", f"caches:\n{cache}") + rule)
    site = "cache1-fra2.steamcontent.com"

    def state() -> dict[str, Any]:
        return next(r for r in box.call("status")["routes"] if r["name"] == "lan")

    def told(name: str, kind: str, where: str = "client") -> list[str]:
        script = (
            "import sys; from dnslib import DNSRecord\n"
            f"r = DNSRecord.parse(DNSRecord.question('{name}', '{kind}').send('{DNS4}', 53, timeout=5))\n"
            "print(r.header.rcode, *sorted(str(rr.rdata) for rr in r.rr))"
        )
        done = lab.run(where, [sys.executable, "-c", script])
        assert done.returncode == 0, done.stderr
        code, *records = done.stdout.split()
        assert code == "0"
        return records

    def ours(kind: str, *records: str) -> None:
        """That is our answer, at the latest once the machine lets us give it in time: else the resolver's is let go."""
        until(lambda: told(site, kind) == [*records])

    real = told(site, "A")
    box.call("apply")
    until(lambda: state()["state"] == "up")
    assert real != ["198.18.1.2"]
    ours("A", "198.18.1.2")
    ours("AAAA")  # the cache has no IPv6: nobody shall go round it
    assert told("www.wikipedia.org", "A") not in ([], ["198.18.1.2"])
    assert told(site, "A", "cache") == real  # it has to find the origin itself
    got = curl(lab, f"http://{site}/bytes/100000")
    assert (got["exit"], got["server"], got["ip"]) == (0, "cache", "198.18.1.2"), got
    there = state()
    assert there["answered"] >= 3 and there["bytes"] > 100_000, there
    assert flow_of(box, hostname=site, method="http-host")["class"] == "slow"
    tracked = lab.run("box", ["conntrack", "-L", "-p", "udp", "--orig-src", DNS4]).stdout
    assert "sport=53 " not in tracked  # our answers begin no connection

    os.kill(box.worker_pid(), signal.SIGSTOP)  # nobody answers in its place: the resolver does
    assert told(site, "A") == real
    until(lambda: answering(box), 60)  # another worker
    ours("A", "198.18.1.2")
    box.call("drain", name="lan", drained=True)
    assert told(site, "A") == real
    box.call("drain", name="lan", drained=False)


def answering(box: Appliance) -> bool:
    with contextlib.suppress(DpiError):
        return any(r["name"] == "lan" and r["state"] == "up" for r in box.call("status", timeout=2)["routes"])
    return False
