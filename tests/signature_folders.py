"""Folders of signature files for tests, and a small stand-in for the built-in ones."""

from __future__ import annotations

from pathlib import Path

from dpi.dissect import protocols
from dpi.match.signatures import BUILT_IN


def folder(path: Path, *texts: str) -> Path:
    """A folder of signature files 0.yaml, 1.yaml, …"""
    path.mkdir()
    for number, text in enumerate(texts):
        (path / f"{number}.yaml").write_text(text)
    return path


def few(path: Path) -> Path:
    """The built-in files without most of the long lists: loading them takes no time."""
    path.mkdir(exist_ok=True)
    lines = []
    for name in ("categories.yaml", "protocols.yaml"):
        text = (BUILT_IN / name).read_text()
        (path / name).write_text(text)
        lines += text.splitlines()
    defined = {line[2:].split(":")[0] for line in lines if line.startswith("  ") and line[2] != " "}
    others = "".join(f"  {slug}: {{category: web}}\n" for slug in protocols.SLUGS if slug not in defined)
    (path / "apps.yaml").write_text(
        "about: a few\n"
        "apps:\n"
        + others
        + "  netflix: {name: Netflix, category: video, hosts: netflix.com, prefixes: 23.246.0.0/18}\n"
        "  youtube: {name: YouTube, category: video, hosts: youtube.com ytimg.com}\n"
    )
    return path
