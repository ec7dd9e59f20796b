def host(data: bytes) -> str:
    """host_name() of the data."""
