"""Helpers of the policy tests: a small vocabulary, and a policy from text."""

from __future__ import annotations

from pathlib import Path

from dpi.policy.check import Checked, check, inspect
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine, Vocabulary
from dpi.policy.plan import Ids, Plan

WORDS = Vocabulary(
    apps=frozenset({"netflix", "youtube", "zoom", "bittorrent"}),
    protocols=frozenset({"tls", "quic", "dns", "bittorrent"}),
    categories={"video": None, "streaming": "video", "voip": None, "web": None, "download": None},
    category_of={
        "netflix": "streaming",
        "youtube": "video",
        "zoom": "voip",
        "bittorrent": "download",
        "tls": "web",
        "quic": "web",
        "dns": "web",
    },
)
HEAD = "version: 1\ninterfaces: {lan: eth1, wan: eth0}\n"
LINK = HEAD + "link: {down: 100mbit, up: 20mbit}\n"
CLASSES = LINK + (
    "classes:\n"
    "  video: {rate: {down: 20mbit, up: 2mbit}}\n"
    "  rest: {rate: {down: 50mbit, up: 10mbit}, ceil: 100%, default: true}\n"
)


def write(folder: Path, text: str, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def findings(folder: Path, text: str, sets: tuple[str, ...] = (), machine: Machine | None = None) -> list[str]:
    """What is found in a policy of this text, without the file's name."""
    path = write(folder, text)
    _, found = inspect(path, sets, names=lambda _: WORDS, machine=machine)
    return [str(finding).removeprefix(f"{path}:") for finding in found]


def findings_with_apps(folder: Path, text: str) -> list[str]:
    """As findings(), by the signatures that come with us."""
    path = write(folder, text)
    return [str(finding).removeprefix(f"{path}:") for finding in inspect(path)[1]]


def checked(folder: Path, text: str, sets: tuple[str, ...] = ()) -> Checked:
    return check(write(folder, text), sets, names=lambda _: WORDS)


def planned(folder: Path, text: str, known: Ids | None = None) -> Plan:
    return compile_policy(checked(folder, text), Machine(cores=2), known)
