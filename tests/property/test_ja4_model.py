"""The fingerprint of any hello is what the published rules give, written down plainly with hashlib."""

from __future__ import annotations

import hashlib

from handshakes import words
from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect.ja4 import fingerprint

GREASE = {0x0A0A + 0x1010 * i for i in range(16)}
values = st.integers(0, 0xFFFF) | st.sampled_from(sorted(GREASE))


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def joined(numbers: list[int]) -> str:
    return ",".join(f"{n:04x}" for n in numbers)


@given(st.lists(values, max_size=512), st.lists(values, max_size=256), st.lists(values, max_size=512))
def test_the_parts_are_hashed_as_published(ciphers: list[int], extensions: list[int], algorithms: list[int]) -> None:
    kept = [e for e in extensions if e not in GREASE]
    named = joined(sorted(e for e in kept if e not in (0, 16)))
    signed = joined([a for a in algorithms if a not in GREASE])
    ours = sorted(c for c in ciphers if c not in GREASE)

    got = fingerprint("t", 0x0304, True, b"h2", words(ciphers), extensions, words(algorithms))

    counts = f"{min(len(ours), 99):02}{min(len(kept), 99):02}"
    tail = f"{named}_{signed}" if named and signed else named
    assert got == f"t13d{counts}h2_{hashed(joined(ours))}_{hashed(tail)}"
