from typing import Any

def client(data: bytes) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of the start of a client's TCP stream."""

def handshake(data: bytes, quic: bool = ...) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of a ClientHello message without records."""
