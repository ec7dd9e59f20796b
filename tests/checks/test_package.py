"""The package as others get it: sdist and wheel build, hold what they should, and the wheel runs by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = ["dpi/_fastpath.pyx", "dpi/wire/cursor.pxd", "dpi/signatures/video.yaml", "policies/lab.yaml", "tests/run"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both archives, the wheel built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    quick = os.environ | {"DPI_OPTIMISE": "0"}  # what is in the archives, not how fast it is
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=out, env=quick)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.mark.timeout(900)
def test_the_source_distribution_holds_what_a_build_and_its_tests_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert set(TRACKED) <= names
    assert not [n for n in names if n.startswith("dpi/") and n.endswith((".so", ".c"))]


@pytest.mark.timeout(900)
def test_the_wheel_classifies_without_the_checkout(built: Path, tmp_path: Path) -> None:
    wheel = next(built.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        assert "dpi/signatures/video.yaml" in archive.namelist()
        archive.extractall(tmp_path / "site")
    # The dependencies are those of this environment; dpi itself comes from the wheel alone.
    others = [p for p in sys.path if p.endswith("site-packages")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *others])}
    command = [sys.executable, "-m", "dpi", "apps", "match", "www.netflix.com"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)

    assert done.returncode == 0, done.stderr
    assert "netflix" in done.stdout


@pytest.mark.timeout(900)
def test_the_wheel_brings_the_example_policies(built: Path, tmp_path: Path) -> None:
    # Installed already, as it is here: without --ignore-installed pip would take that one away.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    wheel = str(next(built.glob("*.whl")))
    subprocess.run([*pip, "--prefix", str(tmp_path), wheel], check=True, capture_output=True)
    site = next(tmp_path.glob("lib*/python*/site-packages"))
    others = [p for p in sys.path if p.endswith("site-packages")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *others])}
    ask = "from dpi.cli.demo import _policy; print(_policy())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=tmp_path, env=environment)

    assert Path(done.stdout.strip()) == tmp_path / "share/dpi/policies/lab.yaml", done.stderr
