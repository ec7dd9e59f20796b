"""The difference of two plans names what changes, and nothing else."""

from __future__ import annotations

from pathlib import Path

from policy_texts import CLASSES, LINK, planned

from dpi.policy.diff import diff

RULES = """\
rules:
  a: {match: {app: netflix}, shape: video}
  b: {match: {port: 80}, shape: rest}
  c: {match: {port: 81}, log: true}
"""


def changes(folder: Path, before: str | None, after: str) -> list[str]:
    old = planned(folder, before) if before else None
    return [str(change) for change in diff(old, planned(folder, after, old.ids if old else None))]


def test_the_same_policy_changes_nothing(tmp_path: Path) -> None:
    assert changes(tmp_path, CLASSES + RULES, "# remark\n" + CLASSES + RULES) == []


def test_a_changed_rate_is_one_change(tmp_path: Path) -> None:
    after = CLASSES.replace("20mbit, up", "25mbit, up") + RULES
    assert changes(tmp_path, CLASSES + RULES, after) == ["~ class video down: 20mbit → 25mbit"]


def test_rules_are_added_removed_and_changed_by_name(tmp_path: Path) -> None:
    after = CLASSES + RULES.replace("port: 80", "port: 8080").replace("  c: {match: {port: 81}, log: true}\n", "")
    after += "  d: {match: {host: example.org}, block: drop}\n"
    assert changes(tmp_path, CLASSES + RULES, after) == [
        "~ rule b: port 80 → port 8080",
        "- rule c: port 81, → allow, log",
        "+ rule d: host example.org, → drop",
    ]


def test_a_move_is_told_for_the_rule_that_moved(tmp_path: Path) -> None:
    lines = RULES.splitlines(keepends=True)
    after = CLASSES + lines[0] + lines[3] + lines[1] + lines[2]
    assert changes(tmp_path, CLASSES + RULES, after) == ["^ rule c: after b → first"]


def test_caches_and_their_apps_are_told(tmp_path: Path) -> None:
    base = LINK + "classes: {rest: {rate: 10mbit, default: true}}\n"
    cache = "caches: {box: {next_hop: 10.0.0.9, apps: netflix}}\n"
    added = changes(tmp_path, base, base + cache)
    assert added == [
        "+ cache box: apps netflix, next hop 10.0.0.9, table 26001, learnt for 6h,"
        " check icmp 10.0.0.9 every 5s within 1s, 3 down, 3 up, when down normal"
    ]
    assert changes(tmp_path, base + cache, base + cache.replace("10.0.0.9", "10.0.0.8, health: none")) == [
        "~ cache box next hop: 10.0.0.9 → 10.0.0.8",
        "~ cache box check: icmp 10.0.0.9 every 5s within 1s, 3 down, 3 up → none",
    ]


def test_against_nothing_all_is_new(tmp_path: Path) -> None:
    assert all(line.startswith("+ ") for line in changes(tmp_path, None, CLASSES + RULES))


def test_settings_are_told(tmp_path: Path) -> None:
    after = CLASSES + "on_exit: keep\nmarks: {mask: 0xfff0000}\nflows: {max: 5000}\n"
    assert changes(tmp_path, CLASSES, after) == [
        "~ marks: 0x7fff0000 → 0x0fff0000",
        "~ flows: 262144 → 5000",
        "~ on exit: clean → keep",
    ]
