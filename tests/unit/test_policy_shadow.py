"""Rules, words and caches that can never come to anything for the rules before them are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import CLASSES, HEAD, findings

# An earlier condition, a later one, and whether the earlier takes all that the later could.
COVERED = [
    ("", "app: netflix", True),
    ("app: netflix", "app: netflix", True),
    ("app: [youtube, netflix]", "app: netflix", True),
    ("app: netflix", "app: [youtube, netflix]", False),
    ("app: netflix", "app: netflix, port: 443", True),
    ("app: netflix, port: 443", "app: netflix", False),
    ("category: video", "app: netflix", True),
    ("category: video", "category: streaming", True),
    ("category: streaming", "category: video", False),
    ("category: video", "app: [netflix, zoom]", False),
    ("category: web", "app: tls", False),  # an app over TLS is not of the category web
    ("app: bittorrent", "protocol: bittorrent", True),
    ("protocol: bittorrent", "app: bittorrent", False),
    ("local: 10.0.0.0/8", "local: 10.1.0.0/16", True),
    ("local: [10.0.0.0/8, 2001:db8::/32]", "local: [10.1.2.3, '2001:db8:1::/48']", True),
    ("local: 10.0.0.0/8", "remote: 10.1.0.0/16", False),
    ("local: all", "local: 10.1.0.0/16", True),
    ("local: 10.1.0.0/16", "local: all", False),
    ("local: '::/0'", "local: 10.1.0.0/16", False),
    ("host: example.org", "host: www.example.org", True),
    ("host: example.org", "host: '=example.org'", True),
    ("host: '*.example.org'", "host: example.org", False),
    ("host: '*.example.org'", "host: '*.www.example.org'", True),
    ("host: example.org", "host: notexample.org", False),
    ("port: 1-1000", "port: [80, 443]", True),
    ("port: 80-90", "port: 85-95", False),
    ("transport: [tcp, udp]", "transport: tcp, port: 80", True),
    ("direction: out", "direction: in", False),
    ("dscp: ef", "dscp: 46", True),
]


@pytest.mark.parametrize(("earlier", "later", "covered"), COVERED)
def test_a_rule_that_can_never_match_is_told(earlier: str, later: str, covered: bool, tmp_path: Path) -> None:
    groups = "groups: {all: [10.0.0.0/8, 192.168.0.0/16]}\n"
    rules = f"rules:\n  a: {{match: {{{earlier}}}, log: true}}\n  b: {{match: {{{later}}}, allow: true}}\n"
    found = findings(tmp_path, HEAD + groups + rules)
    told = [line for line in found if line.startswith("6:3: rules.b: warning: can never match: shadowed by a at ")]
    assert bool(told) == covered, found


def test_a_dead_rule_says_whether_it_is_in_conflict_with_what_takes_it(tmp_path: Path) -> None:
    rules = "rules:\n  a: {match: {app: netflix}, block: drop}\n  b: {match: {app: netflix, port: 443}, allow: true}\n"
    (found,) = findings(tmp_path, HEAD + rules)
    place = f"{tmp_path}/policy.yaml:4"
    assert found == f"5:3: rules.b: warning: can never match: shadowed by a at {place} (drop)"
    (found,) = findings(tmp_path, HEAD + rules.replace("allow: true", "block: drop"))
    assert found.endswith(f"shadowed by a at {place} (which does the same)")


def test_earlier_rules_may_cover_a_later_one_together(tmp_path: Path) -> None:
    rules = (
        "rules:\n  a: {match: {app: netflix}, log: true}\n  b: {match: {category: voip}, allow: true}\n"
        "  c: {match: {app: [netflix, zoom], port: 443}, log: true}\n"
    )
    (found,) = findings(tmp_path, HEAD + rules)
    place = f"{tmp_path}/policy.yaml"
    assert found == (
        f"6:3: rules.c: warning: can never match: shadowed by a at {place}:4 (which does the same)"
        f" and b at {place}:5 (allow)"
    )


def test_a_single_word_that_can_never_match_is_told_at_its_place(tmp_path: Path) -> None:
    groups = "groups: {staff: [10.0.0.0/24, 10.0.1.0/24], guests: 192.168.0.0/16}\n"
    rules = (
        "rules:\n  a: {match: {local: 10.0.0.0/8}, log: true}\n"
        "  b: {match: {local: [guests, staff], port: [80, 443]}, allow: true}\n"
        "  c: {match: {port: [443, 8080]}, allow: true}\n  d: {match: {port: [443, 22]}, log: true}\n"
    )
    found = findings(tmp_path, HEAD + groups + rules)
    assert [line.partition(" (")[0] for line in found] == [
        f"6:31: rules.b.match.local[1]: warning: can never match: shadowed by a at {tmp_path}/policy.yaml:5",
        f"8:22: rules.d.match.port[0]: warning: can never match: shadowed by c at {tmp_path}/policy.yaml:7",
    ]


@pytest.mark.parametrize(
    ("rule", "reached"),
    [
        ("{match: {app: netflix}, block: drop}", False),
        ("{match: {category: video}, allow: true}", False),
        ("{match: {category: video}, route: other}", False),
        ("{match: {category: video}, shape: video}", True),
        ("{match: {app: netflix, port: 80}, block: drop}", True),
        ("{match: {app: zoom}, block: drop}", True),
        ("{match: {app: tls}, shape: video}", True),
        ("{block: reject}", False),
    ],
)
def test_an_app_that_never_goes_to_its_cache_is_told(rule: str, reached: bool, tmp_path: Path) -> None:
    text = (
        CLASSES + "caches:\n  other: {next_hop: 10.9.9.8, apps: zoom}\n  oca: {next_hop: 10.9.9.9, apps: [netflix]}\n"
        f"rules:\n  v: {{match: {{local: 10.7.7.0/24}}, shape: video}}\n  r: {rule}\n"
    )
    if not reached:
        text = text.replace("  v: {match: {local: 10.7.7.0/24}, shape: video}\n", "")
    found = [
        line
        for line in findings(tmp_path, text)
        if "caches.oca.apps[0]: warning: netflix never goes there: r at" in line
    ]
    assert bool(found) != reached


def test_disabled_rules_cover_nothing_and_before_decides_who_comes_first(tmp_path: Path) -> None:
    rules = "rules:\n  a: {enabled: false, log: true}\n  b: {allow: true}\n"
    assert findings(tmp_path, HEAD + rules) == []
    rules = "rules:\n  a: {log: true}\n  b: {match: {port: 1}, before: a, allow: true}\n"
    assert findings(tmp_path, HEAD + rules) == []
