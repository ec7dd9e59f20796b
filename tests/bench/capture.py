"""What reading and parsing cost: python tests/bench/capture.py [CAPTURE]

Prints CPU nanoseconds a packet, the least of several rounds (what else runs on the machine can only add): for the
reader alone, and for the decoder with the flow table.  Without a capture one is made: 400,000 TCP packets of 500 bytes
each on Ethernet.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import time
from pathlib import Path

from dpi.bench.replay import Replay
from dpi.capture.pcapfile import Capture

ROUNDS = 7


def made(path: Path, packets: int = 400_000, size: int = 500) -> Path:
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size - 14, 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    frame = bytes(12) + b"\x08\0" + ip + struct.pack(">HHIIBBHHH", 4000, 443, 1, 1, 0x50, 0x10, 9999, 0, 0)
    frame += bytes(size - len(frame))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(packets):
            file.write(struct.pack("<IIII", i // 1000, i % 1000, size, size) + frame)
    return path


def reading_ns(path: Path) -> float:
    with Capture(path) as capture:
        start = time.process_time_ns()
        packets, _ = capture.skim()
        return (time.process_time_ns() - start) / packets


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else made(Path(folder) / "made.pcap")
        with Capture(path) as capture:
            replay = Replay(capture)
        reading = min(reading_ns(path) for _ in range(ROUNDS))
        parsing = min(replay.track(1 << 20) for _ in range(ROUNDS)) * 1e9 / len(replay)
        figures = {
            "packets": len(replay),
            "read_ns": round(reading, 1),
            "parse_ns": round(parsing, 1),
            "read_and_parse_packets_s": round(1e9 / (reading + parsing)),
        }
    print(json.dumps(figures, indent=2))


main()
