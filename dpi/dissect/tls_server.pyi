from typing import Any

def server(data: bytes, last: bool = False) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of the start of a server's TCP stream."""
