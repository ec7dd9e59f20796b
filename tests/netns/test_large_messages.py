"""What names a flow is read where it comes as one packet, longer than the MTU: senders leave that to the wire."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from appliances import flow_of
from handshakes import client_hello, record, server_name, vector, words

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

ASK = """\
import json, socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
connection.sendall(sys.stdin.buffer.read())
try:
    print(json.dumps(connection.recv(1).hex()))
except ConnectionResetError:
    print(json.dumps("reset"))
"""


def hello(name: str) -> bytes:
    """As a browser sends it that resumes: with post-quantum key shares, GREASE for ECH, the name, and a ticket."""
    shares = words([0x11EC]) + vector(2, os.urandom(1216)) + words([29]) + vector(2, os.urandom(32))
    identity = vector(2, os.urandom(416)) + bytes(4)
    extensions = [
        (43, vector(1, words([0x0304, 0x0303]))),
        (10, vector(2, words([0x11EC, 29, 23]))),
        (13, vector(2, words([0x0403, 0x0804, 0x0401]))),
        (45, b"\1\1"),
        (16, vector(2, vector(1, b"http/1.1"))),
        (51, vector(2, shares)),
        (0xFE0D, b"\0\0\1\0\1\x11" + vector(2, os.urandom(32)) + vector(2, os.urandom(400))),
        (0, server_name(name.encode())),
        (41, vector(2, identity) + vector(2, vector(1, os.urandom(32)))),
    ]
    return record(client_hello(extensions))


def request(name: str) -> bytes:
    """With a path and a cookie before the host, both long."""
    lines = ["GET /" + "p" * 3000 + " HTTP/1.1", "Cookie: " + "c" * 8000, f"Host: {name}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(("port", "message"), [(443, hello), (80, request)])
def test_a_large_message_names_its_flow_and_is_blocked(
    lab: Lab, box: Appliance, tmp_path: Path, port: int, message: object
) -> None:
    assert callable(message)
    scheme = "https" if port == 443 else "http"
    address = curl(lab, f"{scheme}://www.wikipedia.org/", "-4", seconds=60)["ip"]

    def answered(name: str) -> str:
        said = tmp_path / "message"
        said.write_bytes(message(name))
        assert said.stat().st_size > 2048
        done = lab.run(
            "client", ["sh", "-c", f'exec "$0" -c "$1" {address} {port} < {said}', sys.executable, ASK], timeout=60
        )
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout))

    def large() -> int:
        return sum(queue["gso"] for queue in box.call("status")["queues"])

    before = large()
    assert answered("www.bet365.com") == "reset"
    assert large() > before, "it did not come as one packet"
    blocked = flow_of(box, hostname="www.bet365.com")
    assert (blocked["app"], blocked["rule"]) == ("bet365", "gambling")
    assert answered("www.wikipedia.org") not in ("", "reset")
    assert flow_of(box, hostname="www.wikipedia.org")["class"] == "rest"
