from typing import Any

def client(data: bytes) -> tuple[str, dict[str, Any]]:
    """("no" | "yes", fields) of a client's datagram."""
