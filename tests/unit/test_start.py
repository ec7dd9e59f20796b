"""What a command needs to start.  Processes of their own are asked, for in this one all is loaded already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpi.match import kept
from tests.captures import visit, write

TELL = """
import gc, sys
from dpi.__main__ import main
sys.argv[0] = "dpi"

def collections():
    return sum(each["collections"] for each in gc.get_stats())

before = collections()
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
    print(gc.isenabled(), collections() - before, gc.get_freeze_count() > 0, file=sys.stderr)
"""
NEEDLESS = {
    *("yaml", "pydantic", "rich", "pyroute2", "asyncio", "hashlib", "csv"),
    *("dpi.analyse.selection", "dpi.match.words", "dpi.match.signatures", "dpi.policy"),
}


def started(*arguments: str | Path) -> tuple[set[str], list[str]]:
    """The modules that a command has loaded, and what TELL says of the garbage collector."""
    command = [sys.executable, "-c", TELL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules, collector = done.stderr.splitlines()
    return set(modules.split()), collector.split()


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    kept.tables()  # made where there are none yet
    return write(tmp_path / "a.pcap", visit("www.netflix.com"))


def test_classify_loads_nothing_that_it_does_not_need(capture: Path) -> None:
    modules, _ = started("classify", capture)
    assert "dpi.captures" in modules
    assert not modules & NEEDLESS


def test_what_asks_for_more_loads_it(capture: Path) -> None:
    modules, _ = started("classify", "--format", "csv", "--port", "443", capture)
    assert {"csv", "dpi.analyse.selection"} <= modules


def test_no_garbage_is_looked_for_while_a_command_starts_or_ends(capture: Path) -> None:
    _, (enabled, collections, frozen) = started("classify", capture)
    assert (enabled, collections, frozen) == ("True", "0", "True")


def test_no_import_hook_is_in_the_way() -> None:
    """An editable install is a path.  setuptools' finders cost each start of Python what they import."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not [name for name in done.stdout.split() if name.startswith("__editable___dpi")]
