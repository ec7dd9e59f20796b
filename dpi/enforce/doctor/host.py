"""Checks of the rest of the machine: clock, processor, memory, room for records."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning

FLOW_BYTES = 320
UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
STATUS_OFFSET = 40  # of `status` in struct timex where long has 8 bytes
LEAST_FREE = 16 << 20
STOLEN_MUCH = 0.02  # of the time in which the processor was wanted
STEAL, IDLE = 7, (3, 4)  # columns of the first line of /proc/stat, proc(5): idle, and waiting for a disk
ZONE = re.compile(r"[A-Z][A-Za-z_]+(/[A-Z][A-Za-z_-]+)+")  # Europe/Berlin; UTC0 and the like need no file


@check(
    "clock",
    "the system's time, whether something keeps it right (adjtimex), and the timezone",
    "Records and learnt names carry times; certificates of health checks too",
)
def clock(box: Box) -> Iterator[Found]:
    built = Path(__file__).stat().st_mtime
    now = time.time()
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    if now < built - 86400:
        yield error(f"it is {when}, before this program was installed", "timedatectl set-ntp true")
    elif not _synchronised():
        yield note(f"it is {when}, and nothing keeps the clock right", "timedatectl set-ntp true")
    else:
        yield ok(f"it is {when}, kept right")
    zone = os.environ.get("TZ", "").lstrip(":")
    if ZONE.fullmatch(zone) and not Path("/usr/share/zoneinfo", zone).exists():
        yield warning(f"TZ names {zone}, which is not installed: times are shown as UTC", "apt install tzdata")


def _synchronised() -> bool:
    """False where the kernel says that nobody disciplines the clock; asking needs no rights."""
    if ctypes.sizeof(ctypes.c_long) != 8:
        return True
    timex = ctypes.create_string_buffer(512)  # modes 0: only ask
    if ctypes.CDLL(None).adjtimex(timex) < 0:
        return True
    return not int.from_bytes(timex.raw[STATUS_OFFSET : STATUS_OFFSET + 4], "little") & UNSYNCHRONISED


@check(
    "processor",
    "how much of the processor's time the hypervisor gave to others (steal in /proc/stat, since the start)",
    "A shaper that is not there when its timer ends sends less than its rate",
)
def processor(box: Box) -> Iterator[Found]:
    share = stolen(Path("/proc/stat").read_text())
    says = f"{share:.1%} of the time in which it was wanted went to others"
    if share > STOLEN_MUCH:
        yield warning(says, "give the virtual machine cores of its own, or its classes a burst of some 50 ms")
    else:
        yield ok(says)


def stolen(stat: str) -> float:
    """The share of stolen time in the time that was not idle, of all processors, from /proc/stat."""
    times = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    wanted = sum(times) - sum(times[i] for i in IDLE)
    return times[STEAL] / wanted if wanted and len(times) > STEAL else 0.0


@check(
    "memory",
    "the memory that the flow table takes at flows.max, against what is free",
    "The table is asked for ahead; a box that swaps forwards no more",
    needs_policy=True,
)
def memory(box: Box) -> Iterator[Found]:
    assert box.plan
    wanted = box.plan.engine.max_flows * FLOW_BYTES
    free = _available()
    says = f"flows.max {box.plan.engine.max_flows} takes up to {wanted >> 20} MiB, {free >> 20} MiB are free"
    if box.status is None and wanted > free:
        yield error(says, f"flows: max: {max(1024, free // 2 // FLOW_BYTES)} in the policy")
    elif box.status is None and wanted > free // 2:
        yield warning(says, f"flows: max: {max(1024, free // 2 // FLOW_BYTES)} in the policy")
    else:
        yield ok(says)


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


@check(
    "records",
    "the file system that the policy's records go to: there, writable, with room for all files that are kept",
    "A full disk loses records (nothing else)",
    needs_policy=True,
)
def records(box: Box) -> Iterator[Found]:
    assert box.plan
    wanted = box.plan.records
    if wanted is None:
        yield ok("the policy keeps no records")
        return
    path = Path(wanted.file)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(path if path.exists() else folder, os.W_OK):
        yield (error if box.root else note)(f"{wanted.file} cannot be written", f"ls -ld {folder}; findmnt -T {folder}")
        return
    there = sum(p.stat().st_size for p in path.parent.glob(f"{path.name}*")) if path.parent.exists() else 0
    need = max(0, wanted.rotate * (wanted.keep + 1) - there)
    free = shutil.disk_usage(folder).free
    says = f"{wanted.keep + 1} files of {wanted.rotate >> 20} MiB; {free >> 20} MiB are free on {folder}"
    if free < LEAST_FREE:
        yield error(f"the disk is full: {says}", f"df -h {folder}")
    elif free < need:
        most = max(1, free // 2 // (wanted.keep + 1) >> 20)
        yield warning(f"more than there is room for: {says}", f"records: rotate: {most}m, or fewer with records: keep:")
    else:
        yield ok(says)
