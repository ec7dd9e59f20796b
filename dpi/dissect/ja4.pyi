def fingerprint(
    transport: str,
    version: int,
    sni: bool,
    alpn: bytes,
    ciphers: bytes,
    extensions: list[int],
    algorithms: bytes,
) -> str:
    """The fingerprint of a hello in parts: transport is "t", "q" or "d", ciphers and algorithms are as on the wire."""
