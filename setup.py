"""Builds the fast path.  Everything else about the project is in pyproject.toml.

pip install -e .                                    the ordinary build
DPI_ONLY=dpi.wire.decode python setup.py build_ext -i    one module (comma separated for more)
DPI_OPTIMISE=0 pip wheel .                           quick to build, slow to run
DPI_COVERAGE=1 python setup.py build_ext -fi         line-traced, for coverage
DPI_SANITIZE=address,undefined python setup.py build_ext -fi
CC=clang LDSHARED="clang -shared" DPI_SANITIZE=address,fuzzer-no-link ...   for tests/fuzz
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZE = os.environ.get("DPI_SANITIZE")
COVERAGE = os.environ.get("DPI_COVERAGE")
OPTIMISE = os.environ.get("DPI_OPTIMISE", "2")
ONLY = set(filter(None, os.environ.get("DPI_ONLY", "").split(",")))

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,  # wire/cursor.pxd is where bounds are checked
    "wraparound": False,
    "cdivision": True,
    "auto_pickle": False,  # saves ~1,750 lines of C per cdef class module
    "linetrace": bool(COVERAGE),
}
CRYPTO = {f"dpi.dissect.{name}" for name in ("hassh", "ja4", "quic", "quic_crypto")}

cflags = [f"-O{OPTIMISE}", "-g1", "-Wall", "-Wno-unused-function", "-Wno-unused-variable"]
ldflags: list[str] = []
macros: list[tuple[str, str | None]] = []
if SANITIZE:
    cflags = ["-O1", "-g1", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZE}"]
    ldflags = [f"-fsanitize={SANITIZE}"]
if COVERAGE:
    cflags = ["-O0", "-g"]
    macros = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]


def module(pyx: Path) -> str:
    return ".".join(pyx.with_suffix("").parts)


extensions = [
    Extension(
        module(pyx),
        [str(pyx)],
        extra_compile_args=cflags,
        extra_link_args=ldflags,
        define_macros=[*macros, ("OPENSSL_SUPPRESS_DEPRECATED", None)] if module(pyx) in CRYPTO else macros,
        libraries=["crypto"] if module(pyx) in CRYPTO else [],
    )
    for pyx in sorted(Path("dpi").rglob("*.pyx"))
    if not ONLY or module(pyx) in ONLY
]

# Metadata and the source distribution need the list only, not a minute of Cython.
if not {"egg_info", "dist_info", "sdist"} & set(sys.argv):
    extensions = cythonize(
        extensions,
        compiler_directives=DIRECTIVES,
        emit_linenums=bool(SANITIZE),
        force=bool(SANITIZE or COVERAGE) and os.environ.get("DPI_FORCE") != "0",
        nthreads=os.cpu_count() or 1,
    )

setup(ext_modules=extensions, options={"build_ext": {"parallel": os.cpu_count() or 1}})
