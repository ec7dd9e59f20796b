"""Any signature against any bytes: the answer is what a plain model of the format says, at every length of them."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dpi.dissect.declaration import Declaration, Host, Length, Part
from dpi.dissect.declared import Declarations, fault

TCP, UDP = 6, 17
few = st.sampled_from(b"ab\0")
text = st.lists(few, max_size=24).map(bytes)
short = st.lists(few, min_size=1, max_size=4).map(bytes)


@st.composite
def parts(draw: st.DrawFn) -> Part:
    data = draw(short)
    mask = bytes(draw(st.lists(st.sampled_from((0xFF, 0xFF, 0x0F, 0)), min_size=len(data), max_size=len(data))))
    data = bytes(a & b for a, b in zip(data, mask, strict=True))
    at = draw(st.integers(0, 8))
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return Part(data, mask, at)
    after = draw(short) if kind == 2 else b""
    return Part(data, mask, at, draw(st.integers(at + len(after or data), 20)) if at < 12 else 24, after)


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    length = st.builds(Length, st.integers(0, 6), st.integers(1, 4), st.integers(0, 8), st.booleans())
    host = st.builds(Host, st.integers(0, 6), st.sampled_from((b"", b"a")), st.sampled_from((b"", b"b")))
    sized = st.builds(Host, st.integers(0, 6), st.just(b""), st.just(b""), st.integers(1, 2))
    first = draw(st.integers(1, 3))
    return Declaration(
        draw(st.integers(1, 65535)),
        draw(st.booleans()),
        draw(st.sampled_from(((TCP,), (UDP,), (TCP, UDP)))),
        tuple(draw(st.lists(parts(), max_size=3))),
        draw(st.sampled_from(((), ((9000, 9002),), ((1, 1), (40000, 40000))))),
        draw(st.sampled_from(("either", "client", "server"))),
        (first, draw(st.integers(first, 4))),
        draw(st.sampled_from(((1, 0xFFFFFFFF), (3, 9)))),
        draw(st.none() | length),
        False,
        draw(st.none() | host | sized),
    )


def stands(data: bytes, mask: bytes, payload: bytes, at: int) -> bool:
    seen = payload[at : at + len(data)]
    return len(seen) == len(data) and all(not (a ^ b) & m for a, b, m in zip(seen, data, mask, strict=True))


def holds(d: Declaration, payload: bytes, proto: int, dport: int, from_opener: bool) -> bool:
    """The format, word by word; of what is whole."""
    if proto not in d.transports or not d.length[0] <= len(payload) <= d.length[1]:
        return False
    if d.ports and not any(low <= port <= high for low, high in d.ports for port in (40000, dport)):
        return False
    if d.sender != "either" and (d.sender == "client") != from_opener:
        return False
    if proto == UDP and not d.packets[0] <= 1 <= d.packets[1]:
        return False
    for part in d.parts:
        if part.after:
            end = payload[: part.within]
            at = end.find(part.after, part.at)
            if at < 0 or not stands(part.data, part.mask, payload, at + len(part.after)):
                return False
        elif part.within:
            end = payload[: part.within]
            if not any(stands(part.data, part.mask, end, at) for at in range(part.at, len(end))):
                return False
        elif not stands(part.data, part.mask, payload, part.at):
            return False
    if d.counted:
        field = payload[d.counted.at : d.counted.at + d.counted.size]
        if len(field) < d.counted.size:
            return False
        value = int.from_bytes(field, "little" if d.counted.little else "big")
        if value + d.counted.counts_from != len(payload):
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(st.lists(declarations(), min_size=1, max_size=6), text, st.sampled_from((9001, 443)), st.booleans())
def test_the_index_finds_what_the_model_finds_at_every_length(
    declared: list[Declaration], payload: bytes, dport: int, from_opener: bool
) -> None:
    assume(fault(declared) is None)
    table = Declarations(declared)
    ordered = sorted(declared, key=lambda d: -d.evidence)
    for proto in (TCP, UDP):
        for n in range(len(payload) + 1):
            data = payload[:n]
            label, answer, host = table.find([(data, from_opener)], proto=proto, sport=40000, dport=dport)
            assert len(host) <= 255 and (answer == "yes") == (label != 0)
            fits = [d for d in ordered if data and holds(d, data, proto, dport, from_opener)]
            if proto == UDP:
                assert answer != "more" and label == (fits[0].label if fits else 0)
            elif label:
                assert label in [d.label for d in fits]
            else:
                assert not fits or answer == "more"  # its host's name goes on


@given(declarations(), st.binary(max_size=300), st.integers(0, 4))
def test_any_bytes_are_answered(declared: Declaration, payload: bytes, turns: int) -> None:
    if fault([declared]) is None:
        messages = [(payload[n:], n % 2 == 0) for n in range(turns)]
        assert Declarations([declared]).find(messages, proto=UDP)[1] in ("yes", "no")
