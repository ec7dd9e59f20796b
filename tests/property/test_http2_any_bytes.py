"""Whatever stands behind HTTP/2's preface, and however it is cut, it is read within its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect import hpack, http2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@given(st.binary(max_size=400))
def test_any_block_of_headers(block: bytes) -> None:
    _, fields = hpack.request(block)
    assert len(fields["host"]) <= 255
    assert len(hpack.huffman(block)) <= 255


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.binary(max_size=80)), max_size=20), st.data())
def test_any_frames_cut_anywhere(frames: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    stream = PREFACE + b"".join(
        len(body).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + body for kind, flags, body in frames
    )
    cut = data.draw(st.integers(0, len(stream)))
    said, fields = http2.request(stream[:cut])
    if said == "yes":  # more bytes do not change what was read
        assert http2.request(stream) == (said, fields)
