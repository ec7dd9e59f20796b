from typing import Any

def request(block: bytes) -> tuple[bool, dict[str, Any]]:
    """(whether it is a header block, fields) of the first header block of a connection."""

def huffman(data: bytes) -> bytes:
    """The text behind a string in HPACK's code, up to 255 characters; b"" where it is none."""
