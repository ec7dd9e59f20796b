"""A host table says of every name what a slow reading of its entries says."""

from __future__ import annotations

import re
from fnmatch import translate

from hypothesis import given
from hypothesis import strategies as st

from dpi.match.hosts import Hosts, problem

label = st.sampled_from(["a", "b", "aa", "ab", "net", "com", "cdn-1", "x_y"])
name = st.lists(label, min_size=1, max_size=5).map(".".join)
pattern = st.builds(
    lambda pieces: "*".join(pieces),
    st.lists(st.sampled_from(["", "aab", "cdn-", ".com", "net", "a.b.", "b"]), min_size=2, max_size=4),
).filter(lambda glob: not problem(glob) and not re.fullmatch(r"\*\.[^*]+", glob))
entry = st.one_of(name, name.map("={}".format), name.map("*.{}".format), pattern)


def reference(entries: list[str], host: str) -> int:
    """The place of the most specific entry for a host, -1 for none."""
    best, winner = (0, 0, 0, 0), -1
    for place, text in enumerate(entries):
        if text.startswith("="):
            found, rank = host == text[1:], (2, 0, 0, place)
        elif text.startswith("*.") and "*" not in text[2:]:
            found, rank = host.endswith(text[1:]), (1, len(text) - 2, 2, place)
        elif "*" in text:
            found, rank = bool(re.match(translate(text), host)), (1, len(text) - text.count("*"), 0, place)
        else:
            found, rank = host == text or host.endswith("." + text), (1, len(text), 1, place)
        if found and rank > best:
            best, winner = rank, place
    return winner


@given(st.lists(entry, min_size=1, max_size=30), st.lists(name, max_size=20))
def test_the_most_specific_entry_wins(entries: list[str], names: list[str]) -> None:
    hosts = Hosts([(text, place + 1) for place, text in enumerate(entries)])
    for host in names + [text.strip("=*.") for text in entries]:
        hit = hosts.match(host)
        assert (hit.entry if hit else -1) == reference(entries, host), host
        if hit:
            assert hit.label == hit.entry + 1
            assert hosts.matches(host)[0] == hit


@given(st.lists(entry, max_size=10), st.binary(max_size=400))
def test_any_bytes_may_be_asked_for(entries: list[str], junk: bytes) -> None:
    hosts = Hosts([(text, 1) for text in entries])
    hosts.match(junk)
    hosts.matches(junk)
