"""A tracker over HTTP (BEP 3, 23) and a BitTorrent client that encrypts all: libtorrent's.

python swarm.py tracker ADDRESS PORT
python swarm.py peer ADDRESS PORT TORRENT FOLDER
"""

from __future__ import annotations

import http.server
import socket
import struct
import sys
import time
from urllib.parse import parse_qs, urlsplit

known: set[tuple[str, int]] = set()


class Tracker(http.server.BaseHTTPRequestHandler):
    """Tells each peer of the others."""

    def do_GET(self) -> None:
        here = (self.client_address[0], int(parse_qs(urlsplit(self.path).query)["port"][0]))
        known.add(here)
        others = b"".join(socket.inet_aton(host) + struct.pack(">H", port) for host, port in known - {here})
        body = b"d8:intervali5e12:min intervali2e5:peers%d:%se" % (len(others), others)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def peer(address: str, port: int, torrent: str, folder: str) -> None:
    import libtorrent

    session = libtorrent.session({
        "listen_interfaces": f"{address}:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "out_enc_policy": 0,  # forced, either way, and RC4 alone
        "in_enc_policy": 0,
        "allowed_enc_level": 2,
        "min_announce_interval": 2,
    })  # fmt: skip
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags &= ~(libtorrent.torrent_flags.paused | libtorrent.torrent_flags.auto_managed)
    handle = session.add_torrent(parameters)
    while True:
        print(handle.status().progress, flush=True)
        time.sleep(0.5)


if __name__ == "__main__":
    role, address, port, *more = sys.argv[1:]
    if role == "tracker":
        http.server.ThreadingHTTPServer((address, int(port)), Tracker).serve_forever()
    peer(address, int(port), *more)
