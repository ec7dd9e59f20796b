"""What a stream keeps, what it refuses and what it costs."""

from dpi.flow.stream import reassemble

STEP = 2048
PIECES = 32
UINT32 = 1 << 32


def ready(pieces: list[tuple[int, bytes] | int], **limits: int) -> bytes:
    return reassemble(pieces, **limits)[1]


def test_pieces_in_order_join() -> None:
    assert ready([(0, b"abc"), (3, b"def")]) == b"abcdef"


def test_a_hole_holds_back_what_is_behind_it() -> None:
    assert ready([(0, b"abc"), (4, b"ef")]) == b"abc"
    assert ready([(0, b"abc"), (4, b"ef"), (3, b"d")]) == b"abcdef"


def test_nothing_is_ready_while_the_start_is_missing() -> None:
    assert ready([(1, b"bc")]) == b""


def test_the_bytes_that_came_first_stay() -> None:
    assert ready([(2, b"CD"), (0, b"abcdef")]) == b"abCDef"
    assert ready([(1, b"B"), (3, b"D"), (0, b"abcdef"), (0, b"xxxxxxx")]) == b"aBcDefx"


def test_bytes_before_the_start_are_left_out() -> None:
    assert ready([(UINT32 - 1, b"\0")]) == b""
    assert ready([(UINT32 - 2, b"??ab")]) == b"ab"


def test_what_is_dropped_leaves_what_is_behind_it_at_the_start() -> None:
    assert ready([(0, b"abcdef"), 2]) == b"cdef"
    assert ready([(4, b"ef"), (0, b"ab"), 2, (0, b"cd")]) == b"cdef"
    assert ready([(4, b"ef"), 4]) == b"ef"
    assert ready([(4, b"ef"), 5]) == b"f"
    assert ready([3, (0, b"abc"), 3, (0, b"d")]) == b"d"
    assert reassemble([(0, b"abc"), 4])[2] == 0  # nothing left, nothing held


def test_bytes_behind_the_cap_are_cut_and_refused() -> None:
    accepted, data, _, _ = reassemble([(0, b"abcdef"), (4, b"x"), (1 << 31, b"y")], cap=4)
    assert accepted == [True, False, True]  # the last lies 2³¹ bytes before the start
    assert data == b"abcd"


def test_a_stream_in_too_many_pieces_refuses_one_more_but_still_closes_holes() -> None:
    islands = [(2 * i, b"x") for i in range(PIECES)]
    accepted, data, _, _ = reassemble([*islands, (2 * PIECES, b"x"), *[(2 * i + 1, b"y") for i in range(PIECES - 1)]])
    assert accepted == [True] * PIECES + [False] + [True] * (PIECES - 1)
    assert data == b"xy" * (PIECES - 1) + b"x"


def test_memory_grows_in_steps_and_is_given_back() -> None:
    _, _, small, after = reassemble([(0, b"x")])
    assert STEP <= small < STEP + 512 and after == 0
    _, _, large, after = reassemble([(0, b"x"), (16_000, b"x")])
    assert 16_384 <= large < 16_384 + 512 and after == 0


def test_a_used_up_budget_refuses_and_keeps_what_is_there() -> None:
    accepted, data, _, after = reassemble([(0, b"abc"), (3, bytes(4096)), (3, b"d")], budget=3000)
    assert accepted == [True, False, True]
    assert data == b"abcd" and after == 0
    assert reassemble([(0, b"abc")], budget=100)[:3] == ([False], b"", 0)
