"""Who may know whom.  The table is the architecture; the test keeps it true, .pyx and .pxd included.

Nobody knows, by whatever way, who knows him: neither rooms nor modules, also not by imports within functions.
Two halves, packets and intentions, never know each other; they meet in decider.py and the daemon.
"""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PACKETS = "wire capture dissect flow match decide _fastpath"
MAY_KNOW = {
    "__init__": "",
    "__main__": "cli",
    "errors": "",
    "wire": "errors",
    "capture": "errors wire",
    "flow": "errors wire",
    "dissect": "errors wire flow",  # flow.stream: a stream's first bytes; flow.evidence: how sure a find is
    "match": "errors atomic flock wire dissect flow signatures",
    "signatures": "",
    "decide": "wire capture dissect flow match",
    "_fastpath": "wire capture dissect flow match decide",
    "offline": PACKETS,  # a capture's records into a shard
    "flow_tuples": PACKETS,  # flows and events as Python has them
    "flow_counts": f"flow_tuples {PACKETS}",
    "conntrack_reports": PACKETS,
    "core": f"offline flow_tuples flow_counts conntrack_reports {PACKETS}",  # a shard's Python face
    "inline": f"core {PACKETS}",  # a queue's batch into a shard
    "flock": "",
    "atomic": "errors",
    "policy": "errors flock atomic",
    "enforce": "errors flock policy",
    "record": "errors core flow_tuples dissect flow",  # lines: a shard's events as text
    "analyse": "errors match record",  # match: whether there is an app that is asked for
    "vocabulary": f"errors {PACKETS} policy",
    "rule_tables": f"{PACKETS} policy record",  # a plan's rules as the loop asks them
    "subscriber_table": "match policy record",  # whose an address is
    "flow_events": "record",
    "decider": f"core flow_events rule_tables {PACKETS} policy record",  # what shards name and decide by
    "engine": f"core decider flow_events {PACKETS} policy record",
    "captures": f"errors core decider flow_events rule_tables {PACKETS} policy record",
    "simulate": f"errors captures flow_events rule_tables subscriber_table {PACKETS} policy enforce record",
    "why": f"errors captures rule_tables subscriber_table simulate {PACKETS} policy record",  # of flows, live or not
    "control": "errors",
    "daemon": f"errors control engine flow_events core inline rule_tables subscriber_table simulate vocabulary "
    f"{PACKETS} policy enforce record analyse why",
    "lab": "errors control",
    "bench": f"errors decider engine core inline control lab daemon rule_tables vocabulary {PACKETS} policy enforce "
    "record",
    "cli": f"errors captures control simulate vocabulary {PACKETS} policy enforce record analyse why daemon lab bench "
    "web",
    "web": "errors policy record analyse control",
}
ONLY_IN = {
    "pyroute2": {"enforce", "lab"},
    "yaml": {"policy", "match"},  # match.signatures reads what the apps are
    "maxminddb": {"match"},  # match.asn reads whose networks are whose
    "click": {"cli"},
    "rich": {"cli"},
    "netfilterqueue": {"capture", "bench"},
    "aioquic": {"lab"},
}

# Within a room, from the ground up: a file may know those below it, files that are not named stand on the ground.
FLOORS = {
    "daemon": (
        "state",
        "events subscriber_addresses subscriber_counts",
        "in_force",
        "count",
        "periodic status why",
        "answers",
        "worker",
    ),
    "match": (
        "drafts",
        "assemble",
        "signatures",
        "kept update",
    ),
    "enforce/nft": (
        "view",
        "host_elements marks police proxies",
        "actions caches forwarded",
        "text",
        "host_chains",
        "host_table",
    ),
}

OURS = re.compile(r"^\s*(?:from|c?import)\s+dpi\.(\w+)", re.M)
FROM = re.compile(r"^\s*from\s+(dpi[\w.]*)\s+c?import\s+(\([^)]*\)|[^#\n]+)", re.M)
WHOLE = re.compile(r"^\s*c?import\s+(dpi[\w.]*)", re.M)
THEIRS = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.M)


def sources() -> list[Path]:
    return sorted(p for p in (ROOT / "dpi").rglob("*") if p.suffix in {".py", ".pyx", ".pxd", ".pyi"})


def room(path: Path) -> str:
    return path.relative_to(ROOT / "dpi").parts[0].split(".")[0]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def known_modules() -> dict[str, set[str]]:
    """Whom each module imports, wherever in its files that stands."""
    known: dict[str, set[str]] = {module(path): set() for path in sources()}
    for path in sources():
        text = path.read_text()
        named = set(WHOLE.findall(text))
        for package, names in FROM.findall(text):
            each = re.findall(r"[\w*]+", re.sub(r" as \w+", "", names))
            inside = (f"{package}.{name}" for name in each)
            named |= {name if name in known else package for name in inside}  # a folder's module, or what a module has
        known[module(path)] |= named & known.keys() - {module(path)}
    return known


def circle(known: dict[str, set[str]]) -> str:
    """One that there is, as `a ← b ← a`, or nothing."""
    try:
        TopologicalSorter(known).prepare()
    except CycleError as error:
        return " ← ".join(error.args[1])
    return ""


def test_rooms_stand_upon_each_other() -> None:
    assert not circle({name: set(others.split()) for name, others in MAY_KNOW.items()})


def test_no_module_is_imported_by_what_it_imports() -> None:
    assert not circle(known_modules())


def test_every_room_stands_in_the_table() -> None:
    assert {room(p) for p in sources()} <= set(MAY_KNOW)


def test_every_import_between_rooms_is_allowed() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: may not know dpi.{there}"
        for path in sources()
        for there in OURS.findall(path.read_text())
        if there != room(path) and there not in MAY_KNOW.get(room(path), "").split()
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", FLOORS)
def test_every_import_within_a_room_goes_down(folder: str) -> None:
    floors = {name: n for n, names in enumerate(FLOORS[folder], 1) for name in names.split()}
    there = f"dpi.{folder.replace('/', '.')}"
    wrong = []
    for path in sorted((ROOT / "dpi" / folder).glob("*.py")):
        found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        known = {each.name for node in found if node.module == there for each in node.names}
        known |= {str(node.module).removeprefix(f"{there}.") for node in found}
        mine = floors.get(path.stem, 0)
        wrong += [f"{path.name}: may not know {name}" for name in known if floors.get(name, -1) >= mine]
    assert not wrong, "\n".join(wrong)
    assert all((ROOT / "dpi" / folder / f"{name}.py").exists() for name in floors)


def test_every_library_is_used_only_where_it_belongs() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: only {sorted(ONLY_IN[name])} use {name}"
        for path in sources()
        for name in THEIRS.findall(path.read_text())
        if name in ONLY_IN and room(path) not in ONLY_IN[name]
    ]
    assert not wrong, "\n".join(wrong)
