"""Whatever stands in a datagram, reading it ends, stays inside it, and loses no packet that can be found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nfqueue_messages import PACKET, attribute, message, packet

from dpi.capture.nfnetlink import KINDS, parse_messages

attributes = st.lists(st.builds(attribute, st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=8)
packets = st.builds(lambda i, a: packet(i, *a), st.integers(1, 2**32 - 1), attributes)
noise = st.one_of(st.binary(max_size=80), st.builds(message, st.integers(0, 0xFFFF), st.binary(max_size=60)))


@given(st.lists(st.one_of(packets, noise), max_size=6).map(b"".join))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    found = parse_messages(data)
    assert len(found) <= len(data) // 16 + 1
    for one in found:
        assert one["kind"] in KINDS
        if one["kind"] == "packet":
            assert one["payload"] in data
            assert one["length"] >= len(one["payload"])


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.binary(max_size=60)), min_size=1, max_size=5), st.data())
def test_no_packet_before_a_cut_is_lost(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = [packet(i, attribute(10, body)) for i, body in sent]
    stream = b"".join(whole)
    cut = data.draw(st.integers(0, len(stream)))
    ids = [m["id"] for m in parse_messages(stream[:cut]) if m["kind"] == "packet"]
    complete = 0
    while complete < len(whole) and len(b"".join(whole[: complete + 1])) <= cut:
        complete += 1
    assert ids[:complete] == [i for i, _ in sent[:complete]]


@given(st.binary(min_size=4, max_size=200))
def test_any_attributes_behind_the_id_leave_the_id_known_or_the_packet_whole(tail: bytes) -> None:
    first = parse_messages(message(PACKET, packet(9)[16:] + tail))[0]
    assert first["kind"] in {"packet", "damaged"}
    assert first["id"] == 9
