def host(data: bytes) -> str:
    """host_name() of the data."""

def authority_host(data: bytes) -> str:
    """authority() of the data."""
