def sha256(data: bytes, step: int = ...) -> bytes:
    """The digest of the data, given to the hash in steps of so many bytes (0: at once)."""
