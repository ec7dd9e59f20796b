"""The one list of risks: what about a flow is worth an operator's attention, and how much.

Bit n of a flow's risks is RISKS[n]; risks.pxd names the bits for the loop, a test holds the two together.  A flow's
score is the sum of its risks' scores, 100 at most.
"""

from __future__ import annotations

from typing import NamedTuple

SCORE_MAX = 100


class Risk(NamedTuple):
    slug: str
    score: int  # 1 to 100
    meaning: str


RISKS: tuple[Risk, ...] = (
    Risk("certificate-dates", 40, "the server's certificate had expired, or was not good yet, at the packet's time"),
    Risk("certificate-self-signed", 30, "the server's certificate is signed by itself"),
    Risk("certificate-name", 40, "the server's certificate does not cover the name that the client asked for"),
    Risk("obsolete-tls", 30, "SSL, TLS 1.0, TLS 1.1 or DTLS 1.0 is spoken, or is all that the client offers"),
    Risk("weak-cipher", 50, "the server chose a cipher that is broken, of export strength, anonymous or none"),
    Risk("clear-text-credentials", 50, "a login that anyone on the way can read"),
    Risk("foreign-port", 20, "a well-known protocol on a port that is not its own"),
    Risk("dns-tunnel", 60, "questions to DNS that look as if they carried data"),
    Risk("made-up-name", 40, "a question to DNS for a domain that looks as if a program had made it up"),
    Risk("program-over-http", 30, "a program or a script comes over plain HTTP"),
    Risk("unexpected-noise", 30, "bytes like noise at a port where text is spoken"),
    Risk(
        "dns-name", 40, "the client looked the server up under a name of something else than the app that it asks for"
    ),
    Risk("decoy-name", 60, "the client showed another name before, in a packet that its server would not take"),
)
BY_SLUG: dict[str, Risk] = {risk.slug: risk for risk in RISKS}


def names(bits: int) -> list[str]:
    """The slugs of a flow's risks."""
    return [risk.slug for bit, risk in enumerate(RISKS) if bits >> bit & 1]


def score(bits: int) -> int:
    """0 for none to 100: the sum of the scores of a flow's risks."""
    return min(sum(risk.score for bit, risk in enumerate(RISKS) if bits >> bit & 1), SCORE_MAX)
