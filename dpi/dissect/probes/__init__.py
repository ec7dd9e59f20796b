"""Protocols that are told by their first bytes: one small function each, a family of them a file.

A probe looks at what one side of a flow has sent so far, or at one datagram, and says YES, NO, or MORE where what is
there is a beginning of its protocol.  It does no I/O and keeps no bytes; a word for each side of a UDP flow is all
that it may remember.  To add one: a function in its family's file, a line at the file's end by which it is found
(index.pyx), and its bytes in tests/first_bytes.

What makes a probe worth having is how many bits it fixes, because a chance match names a flow wrongly and for good:
32 at least, or 16 and a registered port, or both sides must agree.
"""

from importlib import import_module

FAMILIES = (
    "remote",
    "mail",
    "web",
    "messages",
    "brokers",
    "databases",
    "files",
    "printing",
    "directory",
    "monitoring",
    "network",
    "routing",
    "carrier",
    "vpn",
    "peers",
    "voice",
    "chat",
    "games",
    "industrial",
    "home",
    "stage",
)

for family in FAMILIES:  # each registers its probes
    import_module(f"{__name__}.{family}")
