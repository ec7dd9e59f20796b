"""What commands meet outside of themselves: each says it in one line, and none ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRINTS = ["--help", "policy schema", "completion bash", "rules list --config policies/lab.yaml", "apps categories"]
TOO_LONG = "x" * 5000


def dpi(words: str, output: str) -> tuple[int, str]:
    """The exit code and what is said on standard error, with standard output as the shell spells it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DPI_SOCKET": "/nonexistent/control.sock"}
    command = ["sh", "-c", f'exec "$@" {output}', "sh", sys.executable, "-m", "dpi", *words.split()]
    done = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", PRINTS)
def test_a_full_disk_is_said(words: str) -> None:
    assert dpi(words, ">/dev/full") == (1, "standard output: No space left on device\n")


@pytest.mark.parametrize("words", PRINTS)
def test_to_a_closed_output_nothing_is_printed(words: str) -> None:
    assert dpi(words, ">&-") == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"doctor --config {TOO_LONG}", f"{TOO_LONG}: File name too long"),
        ("man /dev/null", "/dev/null: File exists"),
    ],
)
def test_a_place_that_the_system_refuses_is_said(words: str, said: str) -> None:
    assert dpi(words, ">/dev/null") == (1, said + "\n")
