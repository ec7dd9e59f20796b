from typing import Any

def read(data: bytes, asked: str | None = None, brief: bool = False) -> tuple[str, dict[str, Any]]:
    """("no" | "more" | "yes", fields) of a certificate's DER."""
