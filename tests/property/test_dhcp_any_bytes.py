"""Whatever a client sends, what is read of it is short, can be printed, and is read in an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect.dhcp import MOST_ASKED, MOST_TEXT, shown
from tests.dhcp_messages import MAC, message, option, option6, packet, packet6

options = st.builds(option, st.sampled_from([12, 52, 53, 55, 60, 81, 255, 0, 7]), st.binary(max_size=300))
options6 = st.builds(option6, st.sampled_from([1, 6, 16, 39]), st.binary(max_size=300))
messages = st.builds(
    lambda some, sname, file: packet(message(*some, sname=sname[:64], file=file[:128])),
    st.lists(options, max_size=5),
    st.binary(max_size=64),
    st.binary(max_size=128),
)
messages6 = st.lists(options6, max_size=5).map(lambda some: packet6(*some))


@given(st.one_of(st.binary(max_size=400), messages, messages6), st.data())
def test_any_bytes_are_survived(sent: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(sent)))
    spot, byte = data.draw(st.integers(0, max(0, len(sent) - 1))), data.draw(st.integers(0, 255))
    for each in (sent, sent[:cut], sent[:spot] + bytes((byte,)) + sent[spot + 1 :]):
        if found := shown(each, MAC):
            assert len(found.options.split(",")) <= MOST_ASKED
            assert all(len(text) <= MOST_TEXT and (not text or text.isprintable()) for text in found[2:])
