"""Running `nft`, `iptables` and the like: quietly, bounded in time, and with their complaint as the error.

They outlive us when we are killed.  So what they read is a file and not a pipe, which would end where we did, and a
prefix of a transaction may be one too; and they hold our lock for as long as they run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from dpi.enforce.state import held
from dpi.errors import KernelError

TIMEOUT = 300.0  # seconds; only a machine in trouble takes this long


def attempt(argv: Sequence[str], text: str | None = None) -> tuple[int, str, str]:
    """(exit code, stdout, stderr); KernelError when the program is not there or does not end."""
    try:
        with os.fdopen(os.memfd_create(argv[0]), "w+") as given:
            given.write(text or "")
            given.seek(0)
            done = subprocess.run(
                argv,
                stdin=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT,
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=tuple(held.locks),
            )
    except FileNotFoundError:
        raise KernelError(f"{argv[0]}: not installed, or not in PATH") from None
    except subprocess.TimeoutExpired:
        raise KernelError(f"{' '.join(argv)}: no answer in {TIMEOUT:.0f} s") from None
    return done.returncode, done.stdout, done.stderr


def run(argv: Sequence[str], text: str | None = None) -> str:
    """stdout; KernelError with the first line of stderr when it fails."""
    code, out, err = attempt(argv, text)
    if code:
        raise KernelError(f"{' '.join(argv)}: {first_line(err) or f'exit {code}'}")
    return out


def in_scratch(script: str, text: str) -> str:
    """Runs a shell script in a network namespace of its own, which ends with it: whatever it loads is gone.

    How the desired state gets the very spelling that the kernel and its tools will list it in, and how a
    table that this kernel refuses is found out before anything real is touched.
    """
    code, out, error = attempt(["unshare", "--net", "--", "sh", "-ec", script], text)
    if code:
        raise KernelError(first_line(error) or f"exit {code}")
    return out


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
