def records(data: bytes) -> str:
    """ "no" | "more" | "yes": bytes from the middle of a connection are TLS records."""
