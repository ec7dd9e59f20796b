"""Copies out of a device: what a policy may say of it, what the plan and the table are."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import findings_with_apps

from dpi.enforce.nft.text import copy_devices, table_text
from dpi.enforce.nft.view import Facts
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine
from dpi.policy.show import words

POLICY = """\
version: 1
interfaces: {lan: lan0, wan: [wan0, wan1]}
rules:
  calls: {match: {port: 5060}, mirror: {group: 5, device: mon0}}
"""


def test_what_leaves_either_way_is_copied_and_headers_go_to_the_group(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    plan = compile_policy(check(file), Machine(cores=1, interfaces=None))
    assert [(d.mirror, d.copy) for d in plan.kernel.dispositions] == [(None, None), (5, "mon0")]
    assert "mirror to NFLOG group 5, mirror to mon0" in words(plan)
    leaving = copy_devices(plan.kernel, Facts(beyond=("cdn0",)))
    assert leaving == [(device, "mon0") for device in ("lan0", "wan0", "wan1", "cdn0")]
    text = table_text(plan.kernel, Facts())
    for chain in ("up", "down"):
        rules = text[text.index(f"chain {chain} {{") :].split("}")[0]
        assert rules.index("meta mark set meta mark & 0xf7ffffff") < rules.index("vmap @copied")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("device: mon0", "device: wan1"), "4:59: rules.calls.mirror.device: wan1 carries the traffic itself"),
        (("device: mon0", "device: lo"), "4:59: rules.calls.mirror.device: copies that go to lo come in again"),
        (("{group: 5, device: mon0}", "{}"), "4:32: rules.calls.mirror: needs a group or a device"),
        (("group: 5", "group: 65536"), "4:48: rules.calls.mirror.group: "),
        (
            ("rules:", "rules:\n  b: {match: {port: 1}, mirror: {device: mon1}}"),
            "4:42: rules.b.mirror.device: copies go to one device: mon0 or mon1",
        ),
    ],
)
def test_what_would_go_round_is_told_where_it_stands(tmp_path: Path, change: tuple[str, str], finding: str) -> None:
    said = findings_with_apps(tmp_path, POLICY.replace(*change))
    assert any(line.startswith(finding) for line in said), said
