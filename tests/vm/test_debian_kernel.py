"""The integration tests once more, under Debian's kernel: what a router has and the build machine may lack.

There the queue step is nft's own, leaves are CAKE and fq_codel, bridges have conntrack.  One boot runs all
tests marked `guest`.
"""

from __future__ import annotations

import pytest
from guest import ROOT, run

SECONDS = 1500  # an emulated machine on a busy one


@pytest.mark.vm
@pytest.mark.root
@pytest.mark.timeout(SECONDS + 60)
def test_the_kernels_integration_tests_pass_under_debians_kernel() -> None:
    files = [str(f) for f in (ROOT / "tests" / "netns").glob("test_*.py") if "mark.guest" in f.read_text()]
    outcome = run(["-m", "guest", *sorted(files), "--timeout", "300", "--durations", "10", "-q"], SECONDS)
    print(outcome.text)
    assert outcome.code == 0, outcome.text[-6000:]
    assert " passed" in outcome.text
