"""Protocols that are told by their first bytes: one small function each, a family of them a file.

A probe looks at what one side of a flow has sent so far, or at one datagram, and says YES, NO, or MORE where what is
there is a beginning of its protocol.  It does no I/O and keeps no bytes; a word for each side of a UDP flow is all
that it may remember.  To add one: a function in its family's file, a line at the file's end by which it is found
(index.pyx), and its bytes in tests/first_bytes.

A stream may be cut or joined anywhere.  So a probe that has seen a part which agrees so far, and knows what is missing,
says MORE; and one whose evidence is a length asks fills(), since another message may follow.

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
    "game_engines",
    "industrial",
    "vehicles",
    "buildings",
    "home",
    "stage",
)

for family in FAMILIES:  # each registers its probes
    import_module(f"{__name__}.{family}")
