"""Any order, doubling, loss, damage: a QUIC flow has its own name or none, and costs bounded memory."""

from __future__ import annotations

from random import Random

import quic_packets as qp
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.dissect.gquic import dissect as dissect_gquic
from dpi.dissect.quic import Flow
from dpi.dissect.quic_header import looks

NO, MORE, YES = range(3)
HOST = "www.example.com"
VERSIONS = st.sampled_from(sorted(qp.SALTS))
HELLO = qp.client_hello(HOST, extra=1500)


@st.composite
def datagrams(draw: st.DrawFn) -> list[bytes]:
    """HELLO cut into frames, the frames shuffled and dealt to datagrams."""
    frames = qp.chopped(HELLO, draw(st.lists(st.integers(1, len(HELLO) - 1), max_size=12)))
    frames = draw(st.permutations(frames))
    version = draw(VERSIONS)
    dcid = draw(st.binary(min_size=8, max_size=20))
    made: list[bytes] = []
    at = 0
    while at < len(frames):
        n = draw(st.integers(1, 4))
        noise = draw(st.sampled_from([b"", b"\0\0", b"\x01", b"\x02\x00\x00\x00\x00"]))
        made.append(
            qp.initial(
                noise + noise.join(frames[at : at + n]) + noise,
                version=version,
                dcid=dcid,
                number=len(made),
                number_len=draw(st.integers(1, 4)),
                pad=0,
            )
        )
        at += n
    return made


@given(datagrams(), st.randoms())
def test_datagrams_in_any_order_and_doubled_give_the_name(made: list[bytes], random: Random) -> None:
    order = made + made[::2]
    random.shuffle(order)
    flow = Flow()
    seen: set[bytes] = set()
    for data in order:
        seen.add(data)
        answer = flow.feed(data)
        assert (answer == YES) == (len(seen) == len(made))
        if answer == YES:
            break
    assert flow.host == HOST


@given(datagrams(), st.data())
def test_with_a_datagram_lost_there_is_no_name(made: list[bytes], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(made) - 1))
    flow = Flow()
    for datagram in made[:lost] + made[lost + 1 :]:
        assert flow.feed(datagram) == MORE
    assert flow.host == ""
    assert flow.held <= 20_000


@given(datagrams(), st.data())
def test_changed_bits_never_give_another_name(made: list[bytes], data: st.DataObject) -> None:
    flow = Flow()
    for datagram in made:
        bent = bytearray(datagram)
        for bit in data.draw(st.lists(st.integers(0, 8 * len(bent) - 1), max_size=2)):
            bent[bit // 8] ^= 1 << bit % 8
        if flow.feed(bytes(bent)) == YES:
            break
    assert flow.host in ("", HOST)


@given(datagrams(), st.data())
def test_what_is_cut_short_never_gives_another_name(made: list[bytes], data: st.DataObject) -> None:
    flow = Flow()
    for datagram in made:
        if flow.feed(datagram[: data.draw(st.integers(0, len(datagram)))]) == YES:
            break
    assert flow.host in ("", HOST)


@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=8))
def test_garbage_is_survived(junk: list[tuple[bytes, bool]]) -> None:
    flow = Flow()
    for data, opener in junk:
        looks(data)
        dissect_gquic(data)
        flow.feed(data, opener)
    assert flow.host == ""


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.one_of(VERSIONS, st.sampled_from([0, 0x51303530, 0x51303436, 0x1A2A3A4A])),
            st.binary(max_size=25),
            st.binary(max_size=25),
            st.binary(max_size=300),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_headers_with_any_rest_are_survived(packets: list[tuple[int, int, bytes, bytes, bytes, bool]]) -> None:
    flow = Flow()
    for first, version, dcid, scid, rest, opener in packets:
        head = bytes([first]) + version.to_bytes(4, "big")
        data = head + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid + rest
        for datagram in (data, data + data, data.ljust(1300, b"\x5a")):
            looks(datagram)
            flow.feed(datagram, opener)
    assert flow.host == ""


@settings(max_examples=300)
@given(VERSIONS, st.binary(max_size=400))
def test_frames_of_any_bytes_are_survived(version: int, frames: bytes) -> None:
    flow = Flow()
    for number in range(3):
        flow.feed(qp.initial(b"\x06\x00" + frames, version=version, number=number, pad=0))
    assert flow.held <= 40_000
