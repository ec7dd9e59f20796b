def name(host: str) -> bool:
    """Whether a server name may be one that Tor has made up."""

def certificate(common_name: str, issuer: str, organisation: str = ..., names: int = ...) -> bool:
    """Whether a certificate with these fields is one that a relay of Tor's has made up."""
