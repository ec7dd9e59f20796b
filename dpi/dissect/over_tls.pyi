def step(slug: str, data: bytes, turn: int = ...) -> str:
    """ "stays" | "waits" | "begins": whether a protocol in clear, by its slug, goes over to TLS with these bytes."""

def carried(port: int, alpn: str) -> tuple[str, str]:
    """The protocol that TLS at a port with an ALPN is, and what it carries: slugs, "" where only TLS is known."""
