"""Boots Debian's kernel by virtme-ng on this machine's own file system and runs tests in it.

Everything is emulated, so what is slow is made rare.  virtme-ng's root is 9p without a cache: every page of
every program is a round trip, each time it is run.  So the same root is mounted once more, read-only and
cached, and the tests run in there; the standard library, the packages and the project, thousands of small
files, come from an ext4 image mounted over their folders.  Drivers of what the guest only seems to have are
not loaded.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "vm"
TAG = "dpi-root"  # of the second, cached mount of this machine's root

# Not needed by any test in the guest, and large.
LEFT_OUT = (
    "Cython", "hypothesis", "idlelib", "lib2to3", "mypy", "mypyc", "*__mypyc*", "pip",
    "ruff*", "scapy", "setuptools", "site-packages", "dist-packages", "test", "tests", "turtledemo", "virtme*",
    "*.a", "config-*",
)  # fmt: skip
UNWANTED = (
    "aesni_intel", "cdrom", "crc32_pclmul", "crct10dif_pclmul", "cryptd", "crypto_simd", "drm", "ghash_clmulni_intel",
    "iTCO_wdt", "iTCO_vendor_support", "i2c_i801", "i2c_smbus", "joydev", "kvm", "kvm_amd", "kvm_intel", "libata",
    "lpc_ich", "pcspkr", "powernow_k8", "psmouse", "sg", "sha256_ssse3", "sha512_ssse3", "snd_hda_intel", "sr_mod",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    code: int | None  # pytest's exit code; None when the guest did not get so far
    text: str  # what pytest printed in the guest, or the console


def kernel() -> Path:
    """The newest of Debian's kernels in /boot."""
    return max(Path("/boot").glob("vmlinuz-*-amd64"))


class Guest:
    """`pytest ARGUMENTS` in a guest, from now on; others may work meanwhile."""

    def __init__(self, arguments: list[str]) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        self._image, self._output, self._code = BUILD / "guest.img", BUILD / "output.txt", BUILD / "exit-code"
        self._console = BUILD / "console.txt"
        self._output.unlink(missing_ok=True)
        self._code.unlink(missing_ok=True)
        folders = pack(self._image)
        script = BUILD / "guest.sh"
        script.write_text(guest_script(folders, arguments, self._output, self._code))
        command = [
            *("chrt", "--idle", "0"),  # what others time is not to wait for it
            shutil.which("vng") or str(Path(sys.executable).parent / "vng"),
            "--run",
            str(kernel()),
            "--disable-kvm",
            *("--user", "root", "--rw", "--cpus", "2", "--memory", "1500M"),
            "--append=module_blacklist=" + ",".join(UNWANTED),
            f"--qemu-opts=-drive file={self._image},if=virtio,format=raw,readonly=on "
            f"-virtfs local,path=/,mount_tag={TAG},security_model=none,multidevs=remap,readonly=on",
            "--",
            f"sh {script}",
        ]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def outcome(self, timeout: float) -> Outcome:
        """What came of it, when it has ended, or after so many seconds."""
        late = ""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = f"the guest took longer than {timeout:.0f} s\n"
        self.end()
        printed = self._output if self._output.exists() else self._console
        return Outcome(
            int(self._code.read_text()) if self._code.exists() else None, late + printed.read_text(errors="replace")
        )

    def end(self) -> None:
        """Takes it away, whether it is done or not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._image.unlink(missing_ok=True)


def pack(image: Path) -> dict[str, Path]:
    """Makes the image; → the folder in it for each folder that it stands for."""
    stage = BUILD / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    folders = {
        "stdlib": Path(sysconfig.get_path("stdlib")),
        "packages": Path(sysconfig.get_path("purelib")),
        "project": ROOT / "dpi",
        "tests": ROOT / "tests" / "netns",
    }
    leave = shutil.ignore_patterns(*LEFT_OUT)
    for name, folder in folders.items():
        shutil.copytree(folder, stage / name, symlinks=True, ignore=leave, ignore_dangling_symlinks=True)
    size = sum(f.stat().st_size + 4096 for f in stage.rglob("*") if f.is_file() and not f.is_symlink())
    image.unlink(missing_ok=True)
    room = f"{size * 13 // 10 // 1024 + 16384}k"
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", str(stage)]
    subprocess.run(["mke2fs", *options, str(image), room], check=True, capture_output=True)
    shutil.rmtree(stage)
    return folders


def guest_script(folders: dict[str, Path], arguments: list[str], output: Path, code: Path) -> str:
    words = shlex.join([sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider", *arguments])
    fast, build = Path("/run/fast"), shlex.quote(str(BUILD))
    inside = f"cd {shlex.quote(str(ROOT))} && exec {words}"
    options = "ro,trans=virtio,version=9p2000.L,cache=loose,access=any,msize=512000"
    return "\n".join(
        [
            "set -e",
            "modprobe virtio_blk; modprobe ext4",
            f"mkdir -p /run/image {fast} /run/tmp",
            "mount -t ext4 -o ro /dev/vda /run/image",
            f"mount -t 9p -o {options} {TAG} {fast}",
            *(f"mount --bind /run/image/{n} {shlex.quote(f'{fast}{folder}')}" for n, folder in folders.items()),
            f"for d in proc sys dev dev/pts run; do mount --bind /$d {fast}/$d; done",
            f"mount --bind {build} {fast}{build}",
            "export PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 DPI_GUEST=1 TMPDIR=/run/tmp",
            "set +e",
            f"chroot {fast} sh -c {shlex.quote(inside)} >'{output}.part' 2>&1",
            "result=$?",
            f"mv '{output}.part' '{output}'; echo $result >'{code}'; sync",
            "",
        ]
    )
