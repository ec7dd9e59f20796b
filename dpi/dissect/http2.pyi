from typing import Any

def request(data: bytes) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of the start of a client's stream, preface included."""
