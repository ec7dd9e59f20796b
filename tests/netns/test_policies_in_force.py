"""Each worked policy is put in force on a box that has its interfaces, changed, and taken away again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute
from world import Space

from dpi import enforce
from dpi.errors import KernelError
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine
from dpi.policy.plan import Ids, Plan
from dpi.vocabulary import vocabulary

pytestmark = pytest.mark.netns
POLICIES = Path(__file__).resolve().parents[2] / "policies"
NAMES = ["home-office", "campus", "isp-edge"]
# Networks that the box is in, so that next hops can be reached.
ADDRESSES = {"transit0": ["100.127.0.1/24", "2001:db8:ffff::1/64"]}


def planned(name: str, *sets: str, known: Ids | None = None) -> Plan:
    """The plan on this machine, which has to have the interfaces."""
    return compile_policy(
        check(POLICIES / f"{name}.yaml", sets, names=vocabulary, machine=Machine.here()), Machine(2), known
    )


def devices(name: str) -> list[str]:
    policy = check(POLICIES / f"{name}.yaml").policy
    return [port.device for port in (*policy.interfaces.lan, *policy.interfaces.wan)]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def box(name: str) -> Iterator[Space]:
    """A namespace with the interfaces that the policy names; a bridge of them where it is for a bridge."""
    space = Space()
    bridge = check(POLICIES / f"{name}.yaml").policy.interfaces.mode == "bridge"
    with space, IPRoute() as ip:
        if bridge:
            ip.link("add", ifname="br0", kind="bridge")
        for device in devices(name):
            ip.link("add", ifname=device, kind="veth", peer=f"{device}-far")
            index = ip.link_lookup(ifname=device)[0]
            if bridge:
                ip.link("set", index=index, master=ip.link_lookup(ifname="br0")[0])
            ip.link("set", index=index, state="up")
            for address in ADDRESSES.get(device, []):
                host, _, length = address.partition("/")
                ip.addr("add", index=index, address=host, prefixlen=int(length))
        yield space
    os.close(space.fd)


def left(box: Space, name: str) -> str:
    """What of ours could be there."""
    shown = [
        box.run("nft", "list", "ruleset"),
        box.run("ip", "rule"),
        box.run("ip", "-6", "rule"),
        box.run("ip", "-br", "link"),
    ]
    shown += [box.run("tc", "class", "show", "dev", device) for device in devices(name)]
    shown += [box.run("ip", "route", "show", "table", "all", "proto", "209")]
    return "\n".join(shown)


def test_a_worked_policy_is_put_in_force_kept_changed_and_taken_away(name: str, box: Space, tmp_path: Path) -> None:
    clean = left(box, name)
    plan = planned(name)
    try:
        assert enforce.apply(plan.kernel, state_dir=tmp_path).changed
    except KernelError as error:
        if plan.kernel.mode == "bridge" and "which this kernel lacks" in str(error):
            assert left(box, name) == clean
            pytest.skip(str(error))
        raise
    for tree in plan.kernel.trees:
        shown = box.run("tc", "class", "show", "dev", tree.ifb or tree.device)
        for class_ in tree.classes:
            assert re.search(rf"class htb \w+:{class_.minor:x} ", shown)
    assert not enforce.apply(plan.kernel, state_dir=tmp_path).operations
    assert not enforce.apply(planned(name, known=plan.ids).kernel, state_dir=tmp_path).operations

    link = plan.kernel.trees[0].rate
    faster = planned(name, f"link.down={link * 2}bit", known=plan.ids)
    changed = enforce.apply(faster.kernel, state_dir=tmp_path).operations
    assert changed
    assert {operation.resource.kind for operation in changed} <= {"class", "qdisc"}

    enforce.clean(state_dir=tmp_path)
    assert left(box, name) == clean


def test_a_box_without_the_interfaces_is_told_where_they_are_named(name: str, tmp_path: Path) -> None:
    space = Space()
    with space:
        found = [f for f in _findings(name) if "this machine has no interface" in f]
    os.close(space.fd)
    assert len(found) >= 2
    assert all(f.startswith(f"{POLICIES}/{name}.yaml:") for f in found)


def _findings(name: str) -> list[str]:
    from dpi.policy.check import inspect

    return [str(f) for f in inspect(POLICIES / f"{name}.yaml", machine=Machine.here())[1]]
