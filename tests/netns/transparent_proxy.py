"""A small HTTP proxy that takes connections to whatever address (IP_TRANSPARENT) and asks the server itself.

`python transparent_proxy.py PORT [as-client]`; as-client: it asks with the client's address.  It says `Via`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75  # linux/in.h, linux/in6.h


def transparent(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)


def listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    transparent(listener)
    listener.bind(("::", port))
    listener.listen(64)
    return listener


def serve(listener: socket.socket, as_client: bool = False) -> None:
    """Until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection, client = listener.accept()
            threading.Thread(target=relay, args=(connection, client[0] if as_client else None), daemon=True).start()


def relay(connection: socket.socket, source: str | None) -> None:
    """One request and its answer; the server is the address that the client meant."""
    with connection, contextlib.suppress(OSError):
        server = (connection.getsockname()[0].removeprefix("::ffff:"), 80)
        asked = b""
        while b"\r\n\r\n" not in asked:
            data = connection.recv(4096)
            if not data:
                return
            asked += data
        with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET) as origin:
            origin.settimeout(15)
            if source:
                transparent(origin)
                origin.bind((source.removeprefix("::ffff:"), 0))
            origin.connect(server)
            origin.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            first = True
            while data := origin.recv(65536):
                connection.sendall(data.replace(b"\r\n", b"\r\nVia: 1.1 proxy\r\n", 1) if first else data)
                first = False


if __name__ == "__main__":
    serve(listening(int(sys.argv[1])), "as-client" in sys.argv)
