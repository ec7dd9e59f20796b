"""HTTP/2 in clear is named by its request, whichever side begins, however each is cut and whatever overtakes what."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpi.dissect.protocols import IDS
from tests.cores import ACK, PSH, VIDEO, Connection, core, ended


def frame(kind: int, flags: int, payload: bytes = b"", stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


SETTINGS = frame(4, 0, bytes.fromhex("000300000064 000400010000"))
EMPTY, ACKNOWLEDGED, WINDOW, PING = frame(4, 0), frame(4, 1), frame(8, 0, b"\0\x0f\0\1"), frame(6, 0, bytes(8))
HEADERS = frame(1, 4, b"\x83\x86\x44\x0a/api.Films\x41\x11www.video.example\x5f\x10application/grpc", 1)
REQUESTS = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + before + HEADERS + frame(0, 1, b"\0\0\0\0\2hi", 1)
    for before in (SETTINGS, EMPTY, SETTINGS + WINDOW, SETTINGS + ACKNOWLEDGED + PING)
]
ANSWERS = [SETTINGS, EMPTY + ACKNOWLEDGED, SETTINGS + WINDOW + ACKNOWLEDGED, SETTINGS + frame(1, 4, b"\x88", 1)]
Segment = tuple[int, int, bytes]  # side, offset, bytes


def segments(side: int, data: bytes, cuts: list[float]) -> list[Segment]:
    edges = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    return [(side, start, data[start:end]) for start, end in pairwise(edges)]


cuts = st.lists(st.floats(0, 1, exclude_max=True), max_size=12)


@settings(max_examples=500)
@given(st.sampled_from(REQUESTS), st.sampled_from(ANSWERS), cuts, cuts, st.randoms(use_true_random=False))
@example(REQUESTS[0], ANSWERS[0], [], [], random.Random(1))
@example(
    REQUESTS[0], ANSWERS[0], [0.203125, 0.21875, 0.25, 0.375, 0.5, 0.75, 0.875, 0.9375], [], random.Random(10)
)  # preface last
def test_the_request_names_it_in_any_order(
    request: bytes, answer: bytes, cut: list[float], cut_answer: list[float], rng: random.Random
) -> None:
    sent = segments(0, request, cut) + segments(1, answer, cut_answer)
    rng.shuffle(sent)
    connection = Connection(core(), dport=50051).shake()
    for side, at, data in sent:
        last = at + len(data) == (len(request), len(answer))[side]
        connection.segment(side, at, data, flags=ACK | PSH if last else ACK)
    (flow,) = ended(connection.core)
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["http2"], VIDEO, "www.video.example"), sent
