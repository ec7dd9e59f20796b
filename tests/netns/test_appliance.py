"""The whole appliance on real traffic: `dpi run` in the lab's box, real clients, real servers, this kernel.

The same tests run on the machine's own kernel and, in the vm tier, on Debian's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from appliances import flow_of, until
from rates import keeps, rate_of

from dpi.lab.appliance import Appliance, curl
from dpi.lab.demo import leftovers
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4, CLIENTS6, DNS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

MBIT = 1_000_000


STEAM = "http://cache1-fra2.steamcontent.com/bytes/1000000000"  # in the class `slow`


@pytest.mark.guest
def test_a_whole_appliance_names_shapes_steers_and_blocks(lab: Lab, box: Appliance) -> None:
    cached = curl(lab, "https://www.netflix.com/", "-4", seconds=60)
    named = curl(lab, "https://web.whatsapp.com/", "-6", seconds=60)
    blocked = curl(lab, "https://www.bet365.com/", "-4", seconds=60)

    assert (cached["server"], named["server"], blocked["bytes"]) == ("cache", "inet", 0), (cached, named)
    assert blocked["exit"] != 0
    assert flow_of(box, app="netflix", method="sni")["class"] == "video"
    assert flow_of(box, app="whatsapp", ip_version=6)["offloaded"]
    assert keeps(lab, STEAM, CLIENTS4[0], 3 * MBIT)
    assert box.stop() == 0, box.tail()
    assert leftovers(lab) == []


def test_flows_are_named_by_sni_quic_host_header_and_dns(lab: Lab, box: Appliance) -> None:
    curl(lab, "https://www.netflix.com/", "-4", "--tls-max", "1.2")
    curl(lab, "https://web.whatsapp.com/", "-6", "--tlsv1.3")
    curl(lab, "http://cache1-fra2.steamcontent.com/", "-4")
    lab.run("client", [sys.executable, "-m", "dpi.lab.fetch", "www.youtube.com", "/", "-6", "--seconds", "60"])
    script = (
        "a=$(getent ahostsv4 open.spotify.com | head -n 1 | cut -d' ' -f1); "
        "echo | timeout 20 openssl s_client -noservername -connect $a:443 >/dev/null 2>&1"
    )
    lab.run("client", ["sh", "-c", script])

    for app, method, version in (
        ("netflix", "sni", 4),
        ("whatsapp", "sni", 6),
        ("steam", "http-host", 4),
        ("youtube", "quic-sni", 6),
        ("spotify", "dns", 4),
    ):
        assert flow_of(box, app=app, method=method, ip_version=version)["offloaded"]


@pytest.mark.parametrize("client", [CLIENTS4[0], CLIENTS6[0]])
def test_a_class_is_held_to_its_rate(lab: Lab, box: Appliance, client: str) -> None:
    assert rate_of(lab, STEAM, client) == pytest.approx(3 * MBIT, rel=0.05)


def test_upload_is_held_to_its_rate(lab: Lab, box: Appliance) -> None:
    size = 1_000_000
    data = lab.directory / "upload"
    data.write_bytes(bytes(size))
    url = "http://cache1-fra2.steamcontent.com/"
    start = time.monotonic()
    done = lab.run("client", ["curl", "-4s", "-o", "/dev/null", "-m", "60", "--data-binary", f"@{data}", url])
    took = time.monotonic() - start
    up = next(c for c in box.call("status")["classes"] if (c["name"], c["direction"]) == ("slow", "up"))

    assert done.returncode == 0, done.stderr
    assert up["bytes"] > size  # with its headers, all went through the class
    assert size * 8 / took < 2.2 * MBIT


def test_two_downloads_share_what_their_class_has(lab: Lab, box: Appliance) -> None:
    with ThreadPoolExecutor(2) as pool:
        urls = ["http://cache1-fra2.steamcontent.com/bytes/600000"] * 2
        start = time.monotonic()
        got = list(pool.map(lambda url: curl(lab, url, "-4", seconds=60), urls))
        took = time.monotonic() - start

    assert [g["exit"] for g in got] == [0, 0]
    assert 1_200_000 * 8 / took < 3.1 * MBIT


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_blocked_is_refused_at_once(lab: Lab, box: Appliance, family: int) -> None:
    start = time.monotonic()
    got = curl(lab, "https://www.bet365.com/", f"-{family}", seconds=30)

    assert (got["exit"] != 0, got["bytes"]) == (True, 0)
    assert time.monotonic() - start < 20  # a reset, not a time-out


def test_what_is_dropped_gets_no_answer(lab: Lab, box: Appliance) -> None:
    got = curl(lab, "https://silent.example/", "-4", seconds=3)

    assert (got["exit"], got["bytes"]) == (28, 0)  # curl's time-out


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
    until(lambda: _drained(box), 60)
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


def _drained(box: Appliance) -> bool:
    with contextlib.suppress(Exception):
        return bool(box.call("status", timeout=2)["routes"][0]["drained"])
    return False


@pytest.mark.parametrize("family", [4, 6])
def test_plain_http_is_redirected_to_the_portal_and_tls_refused(
    lab: Lab, box: Appliance, policy: Path, family: int
) -> None:
    rule = '  gone: {match: {host: wikipedia.org}, redirect: portal, before: "*"}\n'
    policy.write_text(policy.read_text() + rule)
    box.call("apply")
    moved = curl(lab, "http://www.wikipedia.org/", f"-{family}")
    assert (moved["exit"], moved["code"]) == (0, "302"), moved
    page = curl(lab, "http://www.wikipedia.org/", f"-{family}", "-L")
    assert (page["exit"], page["code"]) == (0, "200") and page["ip"] in ("10.77.0.1", "fd77::1"), page
    refused = curl(lab, "https://www.wikipedia.org/", f"-{family}", seconds=20)
    assert refused["exit"] not in (0, 28), refused  # at once, not by a time-out
    assert curl(lab, "http://web.whatsapp.com/", f"-{family}")["server"] == "inet"
    # A flow that no DNS answer named shows its host by the request itself.
    told = ("--resolve", f"www.wikipedia.org:80:{'198.18.90.8' if family == 4 else '[2001:db8:64::908]'}")
    assert curl(lab, "http://www.wikipedia.org/", f"-{family}", *told)["code"] == "302"
    policy.write_text(policy.read_text().replace(rule, ""))
    box.call("apply")
    assert curl(lab, "http://www.wikipedia.org/", f"-{family}")["server"] == "inet"


def test_an_established_connection_is_never_moved(lab: Lab, box: Appliance, policy: Path) -> None:
    text = policy.read_text()
    policy.write_text(text.replace("apps: netflix", "apps: spotify"))
    box.call("apply")
    with ThreadPoolExecutor(1) as pool:
        url = "http://www.netflix.com/bytes/6000000"  # six seconds in its class
        long = pool.submit(curl, lab, url, "-4", seconds=60)
        until(lambda: [f for f in box.call("flows", app="netflix") if f["dport"] == 80 and f["offloaded"]])
        policy.write_text(text)
        box.call("apply")
        moved = curl(lab, "https://www.netflix.com/", "-4")
        stayed = long.result()

    assert moved["server"] == "cache"
    assert (stayed["exit"], stayed["server"], stayed["bytes"]) == (0, "inet", 6_000_000)


def test_a_reload_keeps_flows_labels_and_counters(lab: Lab, box: Appliance, policy: Path) -> None:
    def slow() -> dict[str, Any]:
        return next(c for c in box.call("status")["classes"] if (c["name"], c["direction"]) == ("slow", "down"))

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(curl, lab, "http://cache1-fra2.steamcontent.com/bytes/2500000", "-4", seconds=60)
        before = until(lambda: [f for f in box.call("flows", app="steam") if f["offloaded"]])[0]
        until(lambda: slow()["bytes"] > 300_000)
        counted = slow()["bytes"]
        policy.write_text(policy.read_text().replace("down: 3mbit", "down: 6mbit"))
        os.kill(box.process.pid if box.process else 0, signal.SIGHUP)  # the first in line, not the worker
        until(lambda: box.call("status")["reload"])
        after = flow_of(box, app="steam", sport=before["sport"])
        got = long.result()

    assert got["exit"] == 0
    assert slow()["rate"] == 6 * MBIT
    assert slow()["bytes"] > counted
    assert (after["method"], after["hostname"], after["start"]) == (
        before["method"],
        before["hostname"],
        before["start"],
    )
    assert box.call("apply")["operations"] == []  # and once more: nothing to do


def test_flows_that_a_reload_puts_elsewhere_are_moved(lab: Lab, box: Appliance, policy: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(curl, lab, "http://cache1-fra2.steamcontent.com/bytes/4000000", "-4", seconds=60)
        until(lambda: [f for f in box.call("flows", app="steam") if f["offloaded"]])
        rule = "  quick: {match: {app: steam}, shape: rest, before: slow}\n"
        policy.write_text(policy.read_text() + rule)
        assert box.call("apply")["flows_moved"] >= 1
        assert flow_of(box, app="steam")["rule"] == "quick"
        got = long.result()

    assert got["exit"] == 0
    assert got["bit_s"] > 4 * MBIT  # most of it at the default class's rate


def test_a_changed_drop_in_is_put_in_force_by_itself(lab: Lab, box: Appliance, policy: Path) -> None:
    folder = policy.with_suffix(".d")
    folder.mkdir()
    (folder / "10-more.yaml").write_text("rules: {wiki: {match: {host: wikipedia.org}, block: reject}}\n")
    until(lambda: (r := box.call("status")["reload"]) and r["ok"])

    assert curl(lab, "https://www.wikipedia.org/", "-4")["exit"] != 0


def test_a_wrong_policy_leaves_the_one_before_in_force(lab: Lab, box: Appliance, policy: Path) -> None:
    good = policy.read_text()
    kernel = lab.run("box", ["nft", "-s", "list", "ruleset"]).stdout
    policy.write_text(good.replace("shape: slow", "shape: slwo"))
    done = box.cli("policy", "apply")

    assert done.returncode == 2
    assert "policy.yaml:20:38: rules.slow.shape" in done.stderr and "slwo" in done.stderr
    assert lab.run("box", ["nft", "-s", "list", "ruleset"]).stdout == kernel
    assert curl(lab, "https://www.bet365.com/", "-4")["exit"] != 0


def test_records_are_complete_though_user_space_saw_a_few_packets(lab: Lab, policy: Path, tmp_path: Path) -> None:
    with Appliance(lab, policy) as box:
        curl(lab, "http://cache1-fra2.steamcontent.com/bytes/400000", "-4", seconds=60)
        assert box.call("status")["engine"]["packets"] < 60
        box.call("flows")
    records = [json.loads(line) for line in (tmp_path / "flows.jsonl").read_text().splitlines()]
    steam = next(r for r in records if r["app"] == "steam" and r["protocol"] == "http")  # its DNS may come first

    assert steam["bytes_down"] > 400_000
    assert (steam["class"], steam["hostname"]) == ("slow", "cache1-fra2.steamcontent.com")


def test_a_policy_that_moves_the_records_is_followed(lab: Lab, policy: Path, tmp_path: Path) -> None:
    with Appliance(lab, policy) as box:
        policy.write_text(policy.read_text().replace("flows.jsonl", "elsewhere.jsonl"))
        box.call("apply")
        curl(lab, "https://www.wikipedia.org/", "-4")
    assert (tmp_path / "flows.jsonl").read_text() == ""
    assert "www.wikipedia.org" in (tmp_path / "elsewhere.jsonl").read_text()


def test_the_box_itself_is_left_alone(lab: Lab, box: Appliance) -> None:
    script = "import urllib.request as u; print(len(u.urlopen('http://198.18.0.2/bytes/100000').read()))"
    done = lab.run("box", [sys.executable, "-c", script], timeout=60)

    assert done.stdout.strip() == "100000", done.stderr
    assert not [f for f in box.call("flows", limit=1000) if f["src"].startswith("198.18.0.1")]


def test_every_command_answers(lab: Lab, box: Appliance, policy: Path) -> None:
    curl(lab, "https://www.netflix.com/", "-4")
    flow = flow_of(box, hostname="www.netflix.com", method="sni")
    why = box.cli("why", f"{flow['src']}:{flow['sport']}").stdout
    for words in (
        ["status"],
        ["flows"],
        ["flows", "--app", "netflix"],
        ["top", "--interval", "0.3"],
        ["why", "www.netflix.com"],
        ["why", "198.18.64.1"],
        ["policy", "show", str(policy)],
        ["policy", "plan", str(policy)],
    ):
        done = box.cli(*words)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stdout.strip(), words
    assert "cache       oca\n" in why
    assert "by sni" in why and "policy.yaml:19" in why and "video (down): rate 8mbit" in why
    assert json.loads(box.cli("status", "--json").stdout)["mode"] == "router"


def test_it_leaves_nothing_behind(lab: Lab, policy: Path) -> None:
    with Appliance(lab, policy) as box:
        curl(lab, "https://www.netflix.com/", "-4")
        assert leftovers(lab)
        assert box.stop() == 0

    assert leftovers(lab) == []
    assert curl(lab, "https://www.bet365.com/", "-4")["server"] == "inet"


def test_on_exit_keep_leaves_the_kernel_at_work(lab: Lab, policy: Path) -> None:
    policy.write_text(policy.read_text() + "on_exit: keep\n")
    try:
        with Appliance(lab, policy):
            curl(lab, "https://www.netflix.com/", "-4")
        assert leftovers(lab)
        assert curl(lab, "https://www.wikipedia.org/", "-4")["exit"] == 0
    finally:
        policy.write_text(policy.read_text().replace("on_exit: keep", "on_exit: clean"))
        with Appliance(lab, policy):
            pass
    assert leftovers(lab) == []


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_traffic_passes_when_the_worker_dies_or_hangs_and_it_comes_back(
    lab: Lab, box: Appliance, fault: signal.Signals
) -> None:
    first = box.worker_pid()
    os.kill(first, fault)
    start = time.monotonic()
    got = curl(lab, "https://www.wikipedia.org/", "-4", seconds=60)

    assert got["exit"] == 0
    assert time.monotonic() - start < 30

    def again() -> int:
        with contextlib.suppress(Exception):
            return int(box.call("status", timeout=2)["pid"])
        return 0

    until(lambda: again() not in (0, first), 60)
    curl(lab, "https://web.whatsapp.com/", "-4")
    assert flow_of(box, app="whatsapp")["method"] == "sni"


ASK_ONCE = f"""
import socket, struct
name = b"".join(bytes([len(l)]) + l.encode() for l in "www.wikipedia.org".split(".")) + b"\\0"
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(20)
sock.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1), ("{DNS4}", 53))
print(sock.recv(512)[:2].hex())
"""


def test_what_waits_in_the_queue_of_a_worker_that_hangs_arrives(lab: Lab, box: Appliance) -> None:
    os.kill(box.worker_pid(), signal.SIGSTOP)
    asked = lab.run("client", [sys.executable, "-c", ASK_ONCE], timeout=30)
    assert asked.stdout == "0007\n", asked.stderr


def test_when_all_of_it_is_killed_traffic_passes_and_the_next_start_takes_over(lab: Lab, policy: Path) -> None:
    box = Appliance(lab, policy)
    box.start()
    worker = box.worker_pid()
    assert box.process
    supervisor = int(Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    box.process.wait(10)
    assert curl(lab, "https://www.wikipedia.org/", "-4")["exit"] == 0
    with Appliance(lab, policy):
        assert curl(lab, "https://www.netflix.com/", "-4")["server"] == "cache"
    assert leftovers(lab) == []


def run_once(lab: Lab, policy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    box = Appliance(lab, policy)
    folders = [f"--{name}-dir={lab.directory / name}" for name in ("state", "versions")]
    return box.cli("run", "--config", str(policy), *folders, *words, timeout=60)


def test_a_malformed_policy_is_refused_and_the_kernel_is_as_it_was(lab: Lab, policy: Path) -> None:
    policy.write_text(policy.read_text().replace("rate: {down: 8mbit", "rate: {down: 8mbits"))
    done = run_once(lab, policy)

    assert done.returncode == 2
    assert "policy.yaml:5:" in done.stderr
    assert leftovers(lab) == []


def test_an_unknown_interface_is_refused_and_the_kernel_is_as_it_was(lab: Lab, policy: Path) -> None:
    done = run_once(lab, policy, "--set", "interfaces.lan=lan7")

    assert done.returncode == 2
    assert "lan7" in done.stderr and "--set:1:" in done.stderr
    assert leftovers(lab) == []


def test_without_rights_it_says_so(lab: Lab, policy: Path) -> None:
    policy.chmod(0o644)
    box = Appliance(lab, policy)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "dpi"]
    done = lab.run("box", [*command, "run", "--config", str(policy)], timeout=60)

    assert done.returncode == 1, box
    assert "root is needed" in done.stderr or "ermission denied" in done.stderr


def test_a_second_daemon_is_refused(lab: Lab, box: Appliance, policy: Path) -> None:
    done = run_once(lab, policy)

    assert done.returncode == 2
    assert "another daemon" in done.stderr
    assert curl(lab, "https://www.netflix.com/", "-4")["server"] == "cache"


@pytest.mark.parametrize("name", ["home-office", "isp-edge", "lab"])
def test_every_worked_policy_can_be_applied(lab: Lab, name: str) -> None:
    sets = ["interfaces.lan=lan0", "interfaces.wan=[wan0, cdn0]"]
    if name == "isp-edge":
        sets.append("caches.video-cache.next_hop=[198.18.1.2, '2001:db8:1::2']")
    path = Path(__file__).resolve().parents[2] / "policies" / f"{name}.yaml"
    with Appliance(lab, path, sets) as box:
        assert curl(lab, "https://www.netflix.com/", "-4")["exit"] == 0
        assert flow_of(box, app="netflix")["method"] == "sni"
    assert leftovers(lab) == []


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

    real = told(site, "A")
    box.call("apply")
    until(lambda: state()["state"] == "up")
    assert real != ["198.18.1.2"] and told(site, "A") == ["198.18.1.2"]
    assert told(site, "AAAA") == []  # the cache has no IPv6: nobody shall go round it
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
    until(lambda: _answering(box), 60)  # another worker
    assert told(site, "A") == ["198.18.1.2"]
    box.call("drain", name="lan", drained=True)
    assert told(site, "A") == real
    box.call("drain", name="lan", drained=False)


def _answering(box: Appliance) -> bool:
    with contextlib.suppress(Exception):
        return any(r["name"] == "lan" and r["state"] == "up" for r in box.call("status", timeout=2)["routes"])
    return False
