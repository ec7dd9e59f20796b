"""Any fragments in any order, again, lost, damaged: a DTLS hello gives what one datagram gives, or less."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from handshakes import client_hello, dtls_fragment, dtls_record, server_name, vector, words
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.dissect import dtls

SHARE = (51, vector(2, words([0x11EC]) + vector(2, bytes(range(256)) * 4 + bytes(192))))  # as long as one with ML-KEM
EXTENSIONS = [(10, vector(2, words([0x11EC, 29]))), SHARE, (0, server_name(b"www.example.com"))]
HELLO = client_hello(EXTENSIONS, version=0xFEFD, cookie=b"")
AGAIN = client_hello(EXTENSIONS, version=0xFEFD, cookie=bytes(32))
READ = dtls.client([dtls_record(dtls_fragment(HELLO))])
LOOKED_AT = 24
HELD = 20_000


@st.composite
def flights(draw: st.DrawFn, message: bytes = HELLO, number: int = 0) -> list[bytes]:
    """The message cut into fragments, some of which overlap; the fragments shuffled, dealt to records and datagrams."""
    n = len(message) - 4
    cuts = sorted({0, n, *draw(st.lists(st.integers(1, n - 1), max_size=12))})
    overlap = st.integers(0, 60)
    fragments = [
        dtls_fragment(message, max(0, start - draw(overlap)), min(n, end + draw(overlap)), number)
        for start, end in pairwise(cuts)
    ]
    datagrams: list[list[bytes]] = []  # of records
    for fragment in draw(st.permutations(fragments)):
        within = draw(st.sampled_from(["record", "datagram", "none"])) if datagrams else "none"
        if within == "record":
            datagrams[-1][-1] += fragment
        elif within == "datagram":
            datagrams[-1].append(fragment)
        else:
            datagrams.append([fragment])
    return [b"".join(map(dtls_record, records)) for records in datagrams]


@given(flights(), st.randoms())
def test_fragments_in_any_order_and_doubled_are_joined(made: list[bytes], random: Random) -> None:
    again = made[::2]
    random.shuffle(again)
    assert dtls.client(made + again) == READ
    assert dtls.client(again + made)[:2] == READ[:2]


@given(flights(), flights(AGAIN, 1), st.data())
def test_a_second_hello_is_joined_whatever_came_of_the_first(
    first: list[bytes], second: list[bytes], data: st.DataObject
) -> None:
    part = first[: data.draw(st.integers(0, min(len(first) - 1, 8)))]
    late = data.draw(st.integers(0, len(part)))
    assert dtls.client([*part[:late], *second, *part[late:]])[1] == READ[1]


@given(flights(), st.data())
def test_with_a_datagram_lost_there_is_no_fingerprint(made: list[bytes], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(made) - 1))
    rest = made[:lost] + made[lost + 1 :]
    answer, found, held = dtls.client(rest)
    whole = found["ja4"] == READ[1]["ja4"]  # where others overlap what it had
    assert found["host"] in ("", READ[1]["host"]) and found["ja4"] in ("", READ[1]["ja4"])
    assert (answer == "yes") == whole and held <= HELD


@given(flights(), st.data())
def test_damaged_and_cut_datagrams_are_survived(made: list[bytes], data: st.DataObject) -> None:
    bent = []
    for datagram in made:
        one = bytearray(datagram[: data.draw(st.integers(0, len(datagram)))])
        for bit in data.draw(st.lists(st.integers(0, max(8 * len(one) - 1, 0)), max_size=2)) if one else []:
            one[bit // 8] ^= 1 << bit % 8
        bent.append(bytes(one))
    answer, _, held = dtls.client(bent)
    assert held <= HELD and (answer != "yes" or held == 0)


@settings(max_examples=300)
@given(st.data())
def test_fragments_that_say_anything_are_survived(data: st.DataObject) -> None:
    number = st.one_of(st.integers(0, 300), st.integers(0, 2**24 - 1))
    fragment = st.tuples(st.sampled_from([1, 1, 1, 2]), number, st.integers(0, 3), number, st.binary(max_size=100))
    made = [
        dtls_record(
            b"".join(
                bytes([kind]) + length.to_bytes(3, "big") + words([seq]) + offset.to_bytes(3, "big") + vector(3, body)
                for kind, length, seq, offset, body in data.draw(st.lists(fragment, min_size=1, max_size=3))
            )
        )
        for _ in range(data.draw(st.integers(1, 30)))
    ]
    answer, _, held = dtls.client(made)
    assert held <= HELD
    assert answer != "more" or len(made) < LOOKED_AT
