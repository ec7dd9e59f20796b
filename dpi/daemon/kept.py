"""A file that outlives the daemon: what it holds is there whole, as it was or as it is, wherever the power goes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def keep(file: Path, value: Any) -> None:
    """Writes the value as JSON.  Raises OSError; the file is as it was then."""
    part = file.with_suffix(".part")
    file.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w") as out:
        json.dump(value, out)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
