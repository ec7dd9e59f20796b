"""A minute of fuzzing, from the seeds and whatever earlier runs left.

A change is judged by it, so it can be repeated: it takes the same way each time.  tests/fuzz/run takes new ones.
"""

from __future__ import annotations

import pytest
from fuzz import fuzzing
from fuzz.seeds import SEEDS

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    fuzzing.build()


@pytest.mark.parametrize("target", SEEDS)
def test_nothing_is_found(target: str) -> None:
    done = fuzzing.fuzz(target, seconds=fuzzing.SHARES.get(target, 1), seed=1)

    assert done.returncode == 0, done.stderr[-6000:]
