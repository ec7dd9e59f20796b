"""A proxy as a cache: what a policy may say of it, what the plan and the tables are, where connections would go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from policy_texts import findings_with_apps

from dpi.enforce import iptables
from dpi.enforce.nft.text import table_text
from dpi.enforce.nft.view import Facts
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.diff import diff
from dpi.policy.names import Machine
from dpi.policy.plan import Plan
from dpi.policy.show import words
from dpi.simulate.destinations import Destinations, is_plain

HERE = """\
version: 1
interfaces: {lan: lan0, wan: wan0}
caches:
  web: {kind: proxy, port: 3129, apps: steam, prefixes: 198.51.100.0/24}
"""


def planned(folder: Path, text: str = HERE) -> Plan:
    file = folder / "policy.yaml"
    file.write_text(text)
    return compile_policy(check(file), Machine(cores=1, interfaces=None))


def test_a_proxy_on_this_box_is_checked_at_its_port_and_told_in_words(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    (route,) = plan.kernel.routes
    assert route.health
    assert (route.here, route.own, route.health.kind) == (True, (), "tcp")
    assert (route.health.target, route.health.port) == ("127.0.0.1", 3129)
    assert "cache web: plain HTTP handed to the proxy on port 3129 of this box, table 26001" in words(plan)
    changes = diff(plan, planned(tmp_path, HERE.replace("3129", "3130")))
    assert [str(change) for change in changes] == [
        "~ cache web port: 3129 → 3130",
        "~ cache web check: tcp 127.0.0.1:3129 every 5s within 1s, 3 down, 3 up → "
        "tcp 127.0.0.1:3130 every 5s within 1s, 3 down, 3 up",
    ]


def test_a_proxy_elsewhere_gets_port_80_and_is_tried_there(tmp_path: Path) -> None:
    plan = planned(tmp_path, HERE.replace("port: 3129", "next_hop: 198.18.1.2"))
    (route,) = plan.kernel.routes
    assert route.health and (route.here, route.health.kind, route.health.port) == (False, "tcp", 80)
    text = table_text(plan.kernel, Facts())
    assert "tcp dport 80 ip daddr @route1_learnt4 goto route1_give" in text and "tproxy" not in text
    assert "plain HTTP by 198.18.1.2" in words(plan)


def test_the_table_hands_over_in_prerouting_and_looks_in_input_and_output(tmp_path: Path) -> None:
    kernel = planned(tmp_path).kernel
    text = table_text(kernel, Facts())
    take = text[text.index("chain route1_take") :].split("}")[0]
    at = [take.index(words) for words in ("socket transparent 1", "@route1_dead", "tproxy ip to 127.0.0.1:3129")]
    assert at == sorted(at) and "tproxy ip6 to [::1]:3129" in take
    assert text.count("hook input") == 2 and text.count("hook output") == 1
    assert "hook input" in table_text(kernel, Facts(nft_queue=False))
    rules = iptables.rules(kernel, [("lan0", "wan0")], 4)
    assert [rule for rule in rules if rule.startswith("-A INPUT")]
    assert [rule for rule in rules if "-i lan0 -m conntrack --ctdir ORIGINAL" in rule]


def test_what_would_go_there_is_plain_http_alone(tmp_path: Path) -> None:
    there = Destinations(planned(tmp_path))

    def to(port: int, l4: str = "tcp") -> bool:
        record: Any = SimpleNamespace(dport=port, l4=l4)
        return there.find("10.0.0.1", "198.51.100.7", 0.0, plain=is_plain(record)) is not None

    assert (to(80), to(443), to(80, "udp")) == (True, False, False)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("kind: proxy, ", ""), "4:9: caches.web.port: only a cache of `kind: proxy` has a port"),
        (("port: 3129, ", ""), "4:3: caches.web: needs a next_hop or a device or, on this box, a port"),
        (("port: 3129", "port: 3129, next_hop: 10.0.0.1"), "4:34: caches.web.next_hop: a cache with a port is a proxy"),
        (("kind: proxy", "kind: proxi"), "4:15: caches.web.kind: "),
        (("port: 3129", "port: 0"), "4:28: caches.web.port: "),
        (("apps: steam", "members: {a: {next_hop: 10.0.0.1}}, apps: steam"), "4:22: caches.web.port: a port of this"),
        (
            ("caches:", "rules: {x: {match: {port: 1}, redirect: portal}}\nportal: {port: 3129}\ncaches:"),
            "6:28: caches.web.port: 3129 is the portal's port",
        ),
        (("caches:", "caches:\n  other: {kind: proxy, port: 3129, apps: zoom}"), "4:30: caches.other.port: 3129 is"),
    ],
)
def test_what_is_wrong_with_a_proxy_is_told_where_it_stands(
    tmp_path: Path, change: tuple[str, str], finding: str
) -> None:
    said = findings_with_apps(tmp_path, HERE.replace(*change))
    assert any(line.startswith(finding) for line in said), said
