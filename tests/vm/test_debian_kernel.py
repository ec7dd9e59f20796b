"""The integration tests once more, under Debian's kernel: what a router has and the build machine may lack.

There the queue step is nft's own, leaves are CAKE and fq_codel, bridges have conntrack.  One boot runs all
tests marked `guest`.
"""

from __future__ import annotations

import pytest
from vm.guest import Guest

SECONDS = 1800  # an emulated machine on a busy one


@pytest.mark.vm
@pytest.mark.root
@pytest.mark.timeout(SECONDS + 60)
def test_the_kernels_integration_tests_pass_under_debians_kernel(guest: Guest) -> None:
    outcome = guest.outcome(SECONDS)
    print(outcome.text)
    assert outcome.code == 0, outcome.text[-6000:]
    assert " passed" in outcome.text
