def name(slug: str, data: bytes) -> str:
    """The name that a payload of a protocol, by its slug, shows; "" where it shows none."""
