"""What leaves are asked to be, by what their class is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpi.enforce.qdisc import fq_codel, leaves
from dpi.enforce.qdisc.leaf import Purpose


@given(st.integers(1, 10**7))
def test_what_is_sent_to_fq_codel_is_kept_as_it_was_meant(microseconds: int) -> None:
    kept = fq_codel.as_kept(microseconds)
    assert fq_codel.as_kept(fq_codel.sent("target", kept)) == kept


@given(st.integers(8, 10**12))
def test_every_leaf_of_every_rate_is_within_the_kernels_bounds(ceil: int) -> None:
    for kind, (wanted, _) in leaves.KINDS.items():
        leaf = wanted(Purpose("down", ceil))
        assert leaf.kind == kind and all(0 <= value < 1 << 32 for _, value in leaf.options)


def test_a_slow_class_has_a_codel_target_above_the_time_of_one_packet() -> None:
    assert dict(fq_codel.wanted(Purpose("up", 128_000)).options)["target"] > 1514 * 8 / 128_000 * 1e6
    assert dict(fq_codel.wanted(Purpose("up", 10**8)).options)["target"] == fq_codel.as_kept(5000)
