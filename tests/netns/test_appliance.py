"""The whole appliance on real traffic: `dpi run` in the lab's box, real clients, real servers, this kernel.

The same tests run on the machine's own kernel and, in the vm tier, on Debian's.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from appliances import flow_of
from rates import keeps

from dpi.lab.appliance import Appliance, curl
from dpi.lab.demo import leftovers
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4, CLIENTS6

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
    assert keeps(lab, STEAM, client, 3 * MBIT)


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


def test_records_are_complete_though_user_space_saw_a_few_packets(lab: Lab, policy: Path, tmp_path: Path) -> None:
    with Appliance(lab, policy) as box:
        curl(lab, "http://cache1-fra2.steamcontent.com/bytes/400000", "-4", seconds=60)
        assert box.call("status")["engine"]["packets"] < 60
        box.call("flows")
    records = [json.loads(line) for line in (tmp_path / "flows.jsonl").read_text().splitlines()]
    steam = next(r for r in records if r["app"] == "steam" and r["protocol"] == "http")  # its DNS may come first

    assert steam["bytes_down"] > 400_000
    assert (steam["class"], steam["hostname"]) == ("slow", "cache1-fra2.steamcontent.com")


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
