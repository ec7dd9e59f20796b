"""What a test may need, and what happens when it is not there.

Without it the test is skipped, with the reason in the summary.  A run that promises it
(DPI_REQUIRE=root,netns,vm,corpus,fuzz) turns that skip into a failure, so that continuous integration cannot
quietly stop testing the kernel.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vm.guest import Guest

with contextlib.suppress(ImportError):  # the vm tier's guest goes without it
    from hypothesis import HealthCheck, settings

    # Tests time nothing: a busy machine is no fault.
    settings.register_profile("dpi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("dpi")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def can_make_namespaces() -> bool:
    return (
        os.geteuid() == 0
        and bool(shutil.which("unshare"))
        and subprocess.run(["unshare", "--net", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    )


def can_boot() -> bool:
    return bool(shutil.which("qemu-system-x86_64")) and any(Path("/boot").glob("vmlinuz-*-amd64"))


def can_fuzz() -> bool:
    from fuzz.fuzzing import why_not

    return not why_not()


NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "root": ("effective uid 0", lambda: os.geteuid() == 0),
    "netns": ("root and network namespaces", can_make_namespaces),
    "vm": ("qemu-system-x86_64 and Debian's kernel in /boot", can_boot),
    "fuzz": ("clang with libFuzzer, and Python's library", can_fuzz),
    "corpus": ("the shared corpus beside the checkout", lambda: (SHARED / "corpus" / "pcap").is_dir()),
}


def pytest_configure(config: pytest.Config) -> None:
    for name, (what, _) in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {what}")
    config.addinivalue_line("markers", "guest: run once more under Debian's kernel, by the vm tier")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    promised = set(filter(None, os.environ.get("DPI_REQUIRE", "").split(",")))
    missing = {n for n, (_, have) in NEEDS.items() if n not in promised and not have()}
    for item in items:
        for name in missing & {m.name for m in item.iter_markers()}:
            item.add_marker(pytest.mark.skip(reason=f"needs {NEEDS[name][0]}"))
    begin_the_guest_early(items)


def begin_the_guest_early(items: list[pytest.Item]) -> None:
    """The emulated machine takes as long as all others together.  It has what is left of this one from the first test
    of the network on, most of which wait for traffic."""
    if any("guest" in item.fixturenames and not item.get_closest_marker("skip") for item in items):
        first = next((item for item in items if item.get_closest_marker("netns")), items[0])
        first.fixturenames.append("guest")


@pytest.fixture(scope="session")
def guest() -> Iterator[Guest]:
    """Debian's kernel with all tests in it that are marked `guest`, at work."""
    from vm.guest import Guest

    files = [str(f) for f in (ROOT / "tests" / "netns").glob("test_*.py") if "mark.guest" in f.read_text()]
    running = Guest(["-m", "guest", *sorted(files), "--timeout", "600", "--durations", "10", "-q"])
    yield running
    running.end()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of shared captures; use together with @pytest.mark.corpus."""
    return SHARED / "corpus"
