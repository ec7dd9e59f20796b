"""A BitTorrent client that encrypts all, through a router: known by the tracker that it asked, shaped by a rule."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from appliances import until

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4, WIRES

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

INSIDE, OUTSIDE = CLIENTS4[0], WIRES[1].peer4[0]
TRACKER, SEED, LEECH = 6969, 51413, 16881  # ports
SIZE, PIECE = 8 << 20, 1 << 18  # bytes
SWARM = Path(__file__).with_name("swarm.py")


@pytest.fixture
def policy(policy: Path) -> Path:
    policy.write_text(policy.read_text() + "  peers: {match: {protocol: bittorrent}, shape: video}\n")
    return policy


@pytest.fixture
def torrent(tmp_path: Path) -> Path:
    """Of what a seed in `seed` has (BEP 3)."""
    pytest.importorskip("libtorrent")
    data = bytes(range(256)) * (SIZE // 256)
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "data").write_bytes(data)
    hashes = b"".join(sha1(data[at : at + PIECE]).digest() for at in range(0, SIZE, PIECE))
    info = b"d6:lengthi%de4:name4:data12:piece lengthi%de6:pieces%d:%se" % (SIZE, PIECE, len(hashes), hashes)
    announce = f"http://{OUTSIDE}:{TRACKER}/announce".encode()
    path = tmp_path / "data.torrent"
    path.write_bytes(b"d8:announce%d:%s4:info%se" % (len(announce), announce, info))
    return path


@contextlib.contextmanager
def running(lab: Lab, role: str, *words: str, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = lab.start(role, [sys.executable, str(SWARM), *words], stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_an_encrypted_session_is_named_and_shaped(lab: Lab, box: Appliance, torrent: Path, tmp_path: Path) -> None:
    leech = tmp_path / "leech.log"

    def connections() -> list[dict[str, Any]]:
        """Between the two peers, whoever opened them."""
        return [
            flow
            for flow in box.call("flows", limit=10_000)
            if {flow["sport"], flow["dport"]} & {SEED, LEECH} and flow["bytes_up"] + flow["bytes_down"] > SIZE // 2
        ]

    with (
        running(lab, "inet", "tracker", OUTSIDE, str(TRACKER), log=tmp_path / "tracker.log"),
        running(
            lab, "inet", "peer", OUTSIDE, str(SEED), str(torrent), str(tmp_path / "seed"), log=tmp_path / "seed.log"
        ),
    ):
        until(lambda: "1.0" in (tmp_path / "seed.log").read_text())
        with running(lab, "client", "peer", INSIDE, str(LEECH), str(torrent), str(tmp_path), log=leech):
            until(lambda: "1.0" in leech.read_text(), 60)
            flows = until(connections)
    assert {(flow["protocol"], flow["method"], flow["rule"]) for flow in flows} == {
        ("bittorrent", "known-server", "peers")
    }
    assert (tmp_path / "data").read_bytes() == (tmp_path / "seed" / "data").read_bytes()
