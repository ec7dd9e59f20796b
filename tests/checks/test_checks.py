"""The tools that read the code, as tests: their settings and every exception's reason are in pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

CHECKS = {
    "ruff_format": [str(BIN / "ruff"), "format", "--check", "."],
    "ruff_lint": [str(BIN / "ruff"), "check", "."],
    "mypy": [str(BIN / "mypy")],
    "cython_lint": [str(BIN / "cython-lint"), "dpi"],
    "stubs_equal_the_built_modules": [
        str(BIN / "stubtest"),
        "--concise",
        "--ignore-missing-stub",
    ],
}


def compiled_modules() -> list[str]:
    return [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in sorted((ROOT / "dpi").rglob("*.pyx"))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", CHECKS)
def test_has_no_findings(check: str) -> None:
    command = CHECKS[check] + (compiled_modules() if check.startswith("stubs") else [])
    path = f"{BIN}:{os.environ['PATH']}"  # cython-lint calls pycodestyle by its name
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)

    assert done.returncode == 0, done.stdout + done.stderr
