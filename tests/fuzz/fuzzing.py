"""Builds the fast path with clang's coverage and sanitizers, apart from the ordinary build, and fuzzes it.

Everything is below build/fuzz: a copy of the sources with the targets beside them, what was compiled, and the
inputs of each target, which grow from one run to the next.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
TREE = BUILD / "tree"
HARNESS = BUILD / "harness"
INPUTS = BUILD / "inputs"
FOUND = BUILD / "found"

SANITIZE = "address,undefined"
MAX_LEN = 4096
# Shares of the time; of the others one each.  What has many states gets most.
SHARES = {"engine": 10, "flows": 10, "probes": 4, "declared": 4, "quic": 4, "capture": 2}
CIMPORT = re.compile(r"^from (dpi[\w.]*) cimport", re.M)
SOURCES = {".py", ".pyx", ".pxd", ".pyi"}


def why_not() -> str:
    """What is missing for fuzzing here; "" for nothing."""
    if not shutil.which("clang"):
        return "clang is not installed"
    folder = subprocess.run(["clang", "-print-runtime-dir"], capture_output=True, text=True, check=True).stdout
    if not any(Path(folder.strip()).parent.rglob("libclang_rt.fuzzer*.a")):
        return "clang's libFuzzer is not installed (libclang-rt-dev)"
    if not python_config().exists():
        return f"{python_config()} is not installed (python3-dev)"
    return ""


def python_config() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}-config"


def copy_tree() -> None:
    """Brings the copy of the sources up to date, touching only what differs."""
    wanted = {p.relative_to(ROOT): p for p in (ROOT / "dpi").rglob("*") if p.suffix in SOURCES}
    wanted |= {Path("dpi/fuzz") / p.name: p for p in HERE.glob("*.p*") if p.suffix in {".pyx", ".pxd"}}
    wanted |= {Path(name): ROOT / name for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE")}
    for path, source in wanted.items():
        to = TREE / path
        if source.exists() and (not to.exists() or to.read_bytes() != source.read_bytes()):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to)
    for name in ("__init__.py", "__init__.pxd"):
        (TREE / "dpi" / "fuzz").mkdir(parents=True, exist_ok=True)
        (TREE / "dpi" / "fuzz" / name).touch()
    for path in (TREE / "dpi").rglob("*"):
        relative = path.relative_to(TREE)
        if path.suffix in SOURCES and relative not in wanted and path.parent.name != "fuzz":
            path.unlink()


def modules() -> list[str]:
    """The compiled modules that the targets need, in the copy."""

    def file(module: str, suffix: str) -> Path:
        return (TREE / Path(*module.split("."))).with_suffix(suffix)

    probes = (TREE / "dpi" / "dissect" / "probes").glob("*.pyx")  # their package imports them by name
    todo, seen = ["dpi.fuzz.targets", *(f"dpi.dissect.probes.{p.stem}" for p in probes)], set()
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for suffix in (".pyx", ".pxd"):
            if file(module, suffix).exists():
                todo += CIMPORT.findall(file(module, suffix).read_text())
    return sorted(m for m in seen if file(m, ".pyx").exists())


def build() -> None:
    """Builds what has changed since the last time.  Raises subprocess.CalledProcessError."""
    copy_tree()
    flags = "-fno-sanitize-recover=undefined"
    environment = os.environ | {
        "CC": "clang",
        "LDSHARED": "clang -shared",
        "CFLAGS": flags,
        "DPI_SANITIZE": f"{SANITIZE},fuzzer-no-link",
        "DPI_FORCE": "0",
        "DPI_ONLY": ",".join(modules()),
    }
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", f"-j{os.cpu_count() or 1}"],
        cwd=TREE,
        env=environment,
        check=True,
    )
    embed = [word for what in ("--includes", "--ldflags") for word in python_says(what)]
    subprocess.run(
        ["clang", "-g", "-O1", f"-fsanitize=fuzzer,{SANITIZE}", "-rdynamic", "-o", HARNESS, HERE / "harness.c", *embed],
        check=True,
    )


def python_says(what: str) -> list[str]:
    """The compiler's arguments for a program that Python is embedded in."""
    done = subprocess.run([python_config(), "--embed", what], capture_output=True, text=True, check=True)
    return done.stdout.split()


def write_seeds(target: str) -> Path:
    """Adds a target's seeds to its inputs: the folder."""
    from fuzz.seeds import SEEDS

    folder = INPUTS / target
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(SEEDS[target]()):
        (folder / f"seed-{i}").write_bytes(seed)
    return folder


def fuzz(target: str, seconds: int, seed: int = 0) -> subprocess.CompletedProcess[str]:
    """Fuzzes a target for so long.  Its exit status is not 0 where something was found; the input is in FOUND.

    The same seed tries the same inputs in the same order, as far as the time allows; 0 is another one each time.
    """
    folder = write_seeds(target)
    FOUND.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "FUZZ_TARGET": target,
        "PYTHONPATH": os.pathsep.join([str(TREE), *filter(None, sys.path)]),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    options = {
        "seed": seed,
        "max_total_time": seconds,
        "max_len": MAX_LEN,
        "timeout": 5,
        "rss_limit_mb": 1024,
        "use_value_profile": 1,
        "print_final_stats": 1,
        "artifact_prefix": f"{FOUND}/{target}-",
    }
    return subprocess.run(
        [str(HARNESS), *(f"-{name}={value}" for name, value in options.items()), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
