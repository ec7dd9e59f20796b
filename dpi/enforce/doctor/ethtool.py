"""What a driver says of an interface: offloads and speed, by the SIOCETHTOOL ioctl (linux/ethtool.h).

Asked through a socket of this thread's network namespace, without root.  Layouts are of struct ethtool_cmd,
ethtool_sset_info, ethtool_gstrings and ethtool_gfeatures.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from dataclasses import dataclass

SIOCETHTOOL = 0x8946
GSET, GSTRINGS, GSSET_INFO, GFEATURES = 0x01, 0x1B, 0x37, 0x3A
FEATURES = 4  # ETH_SS_FEATURES
NAME_SIZE = 32  # ETH_GSTRING_LEN
UNKNOWN_SPEEDS = (0, 0xFFFF, 0xFFFFFFFF)
HALF = 0


@dataclass(frozen=True)
class Speed:
    mbit: int
    half_duplex: bool


def ask(device: str, data: bytes) -> bytes:
    """One request with its answer in place.  Raises OSError where the driver or the kernel has no answer."""
    block = ctypes.create_string_buffer(data, len(data))
    request = struct.pack("16sP16x", device.encode()[:15], ctypes.addressof(block))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)
    return block.raw


def features(device: str) -> dict[str, bool]:
    """Every feature by the kernel's name (`rx-lro`, `hw-tc-offload`, …): whether it is on."""
    info = ask(device, struct.pack("=IIQI", GSSET_INFO, 0, 1 << FEATURES, 0))
    mask, count = struct.unpack_from("=QI", info, 8)
    if not mask >> FEATURES & 1 or not 0 < count <= 4096:
        return {}
    strings = ask(device, struct.pack("=III", GSTRINGS, FEATURES, count) + bytes(count * NAME_SIZE))
    blocks = (count + 31) // 32
    states = ask(device, struct.pack("=II", GFEATURES, blocks) + bytes(blocks * 16))
    return decode(strings[12:], states[8:], count)


def decode(names: bytes, blocks: bytes, count: int) -> dict[str, bool]:
    """Names of 32 bytes each, and blocks of four words for 32 features: available, requested, active, never changed."""
    found = {}
    for i in range(count):
        name = names[i * NAME_SIZE : (i + 1) * NAME_SIZE].split(b"\0")[0].decode("ascii", "replace")
        (active,) = struct.unpack_from("=I", blocks, i // 32 * 16 + 8)
        if name:
            found[name] = bool(active >> (i % 32) & 1)
    return found


def speed(device: str) -> Speed | None:
    """The link's speed; None where it has none (a tunnel, a bridge) or is not known (no carrier)."""
    try:
        answer = ask(device, struct.pack("=I", GSET) + bytes(40))
    except OSError:
        return None
    (low, duplex) = struct.unpack_from("=HB", answer, 12)
    (high,) = struct.unpack_from("=H", answer, 28)
    mbit = high << 16 | low
    return None if mbit in UNKNOWN_SPEEDS else Speed(mbit, duplex == HALF)
