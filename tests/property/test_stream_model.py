"""A stream gives back what an obvious model of it would, whatever comes in whatever order."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dpi.flow.stream import reassemble

Steps = list[tuple[int, bytes] | int]
steps = st.lists(st.tuples(st.integers(0, 80), st.binary(max_size=30)) | st.integers(0, 40), max_size=40)


@given(steps, st.integers(1, 90))
def test_accepted_bytes_are_where_they_were_put_first(puts: Steps, cap: int) -> None:
    accepted, ready, _, after = reassemble(puts, cap=cap)
    answers = iter(accepted)
    model: dict[int, int] = {}
    for put in puts:
        if isinstance(put, int):
            model = {at - put: byte for at, byte in model.items() if at >= put}
            continue
        offset, data = put
        taken = next(answers)
        assert taken or offset >= cap  # so few pieces are never too many
        for at, byte in enumerate(data, offset):
            if taken and at < cap:
                model.setdefault(at, byte)
    n = next(i for i in range(cap + 1) if i not in model)
    assert ready == bytes(model[i] for i in range(n))
    assert after == 0


@given(st.binary(min_size=1, max_size=5000), st.data())
def test_any_segmentation_in_any_order_joins(message: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(message)), max_size=28))
    edges = [0, *sorted(cuts), len(message)]
    segments = [(a, message[a:b]) for a, b in itertools.pairwise(edges)]
    order = data.draw(st.permutations(segments))
    assert reassemble(list(order))[1] == message


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=50)) | st.integers(0, 0xFFFFFFFF), max_size=80),
    st.integers(0, 40_000),
)
def test_no_offset_is_too_wild_and_no_budget_is_overdrawn(puts: Steps, budget: int) -> None:
    _, _, held, after = reassemble(puts, budget=budget)
    assert held <= budget and after == 0
