from typing import Any

def read(data: bytes) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of a certificate's DER."""
