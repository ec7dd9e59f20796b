"""µs of CPU for a client's first datagram of QUIC, here and with `cryptography` and Python.

    python tests/bench/quic.py [--json]

Every datagram is a full-sized Initial of a connection of its own, so all keys are derived anew.  Both sides do the
same: derive, unprotect, decrypt and authenticate, find the server name.  Medians of 15 rounds; CPU time, not wall.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import quic_packets as qp

from dpi.dissect.quic import first_datagrams

DATAGRAMS, ROUNDS = 500, 15


def with_cryptography(datagrams: list[bytes]) -> list[str]:
    """Opens version 1 Initials without a token that hold a whole ClientHello in their first frame."""
    hosts = []
    for data in datagrams:
        dcid = data[6 : 6 + data[5]]
        at = 7 + len(dcid) + data[6 + len(dcid)] + 1  # behind both ids and the empty token's length
        end = at + 2 + (int.from_bytes(data[at : at + 2], "big") & 0x3FFF)
        at += 2
        key, iv, hp = qp.keys(1, dcid)
        mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(data[at + 4 : at + 20])
        first = data[0] ^ mask[0] & 0x0F
        n = (first & 3) + 1
        number = bytes(a ^ b for a, b in zip(data[at : at + n], mask[1:], strict=False))
        nonce = (int.from_bytes(iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
        frames = AESGCM(key).decrypt(nonce, data[at + n : end], bytes([first]) + data[1:at] + number)
        hosts.append(server_name(frames[4:]))
    return hosts


def server_name(hello: bytes) -> str:
    at = 38
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at] + 2
    while at < len(hello):
        kind, n = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == 0:
            return hello[at + 9 : at + 4 + n].decode()
        at += 4 + n
    return ""


def cpu(work: Callable[[list[bytes]], list[str]], datagrams: list[bytes]) -> float:
    """µs a datagram, median of the rounds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        work(datagrams)
        taken.append((time.process_time_ns() - start) / len(datagrams) / 1000)
    return statistics.median(taken)


def main() -> None:
    hosts = [f"host-{i}.example.com" for i in range(DATAGRAMS)]
    datagrams = [
        qp.initial(qp.crypto(qp.client_hello(host)), dcid=i.to_bytes(8, "big"), number_len=1)
        for i, host in enumerate(hosts)
    ]
    assert first_datagrams(datagrams) == with_cryptography(datagrams) == hosts
    ours, theirs = cpu(first_datagrams, datagrams), cpu(with_cryptography, datagrams)
    if "--json" in sys.argv:
        print(json.dumps({"dpi_us": ours, "cryptography_us": theirs}))
    else:
        print(f"a client's Initial: dpi {ours:.2f} µs, cryptography and Python {theirs:.1f} µs, {theirs / ours:.0f}×")


if __name__ == "__main__":
    main()
