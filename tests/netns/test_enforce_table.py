"""Every golden table is one that nft and a kernel take, and comes back from a listing as it went in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpi.enforce.names import Family
from dpi.enforce.nft.host_table import HostTable
from dpi.enforce.nft.table import desired_table, parse, transaction
from dpi.enforce.probe import Features, probe
from dpi.enforce.run import in_scratch

pytestmark = pytest.mark.netns

FOLDER = Path(__file__).resolve().parents[1] / "golden"
GOLDEN = sorted((FOLDER / "nft").glob("*.nft"))
SUBSCRIBERS = sorted((FOLDER / "subscribers").glob("*.nft"))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Features:
    return probe(tmp_path_factory.mktemp("state"))


def read(golden: Path, features: Features) -> str:
    """Its text; where nft cannot queue, with another verdict in that place."""
    text = golden.read_text()
    return text if features.nft_queue else re.sub(r"queue flags bypass to \S+", "accept", text)


@pytest.mark.guest
@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_table_loads_and_its_listing_loads_the_same(golden: Path, features: Features) -> None:
    text = read(golden, features)
    bridged = text.startswith("table bridge")
    if bridged and not features.nft_bridge:
        pytest.skip("this kernel's nft cannot queue on bridges")
    family = "bridge" if bridged else "inet"
    table = desired_table(family, text)
    again = desired_table(family, transaction(family, {}, table.by_key()))
    assert again == table


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_any_golden_table_becomes_any_other_in_one_transaction(golden: Path, features: Features) -> None:
    """From the smallest to this one and back."""
    text, small = read(golden, features), read(GOLDEN[0].parent / "home-without-nft-queue.nft", features)
    if text.startswith("table bridge"):
        pytest.skip("a table cannot change its family")
    this, other = desired_table("inet", text), desired_table("inet", small)
    there, back = (
        transaction("inet", other.by_key(), this.by_key()),
        transaction("inet", this.by_key(), other.by_key()),
    )
    steps = [f"nft -f - <<'END'\n{part}END" for part in (small, there, back) if part]
    listing = in_scratch("\n".join([*steps, "nft list table inet dpi", ""]), "")
    assert {block.name: block for block in parse(listing).values()} == {block.name: block for block in other.blocks}


@pytest.mark.guest
@pytest.mark.parametrize("golden", SUBSCRIBERS, ids=lambda path: path.stem)
def test_a_golden_table_of_subscribers_loads_and_its_listing_loads_the_same(golden: Path) -> None:
    text = golden.read_text()
    family: Family = "bridge" if text.startswith("table bridge") else "inet"
    script = f"nft -f -; nft -t list ruleset {family}"
    listing = in_scratch(script, text)
    assert in_scratch(script, HostTable(family, listing, {}).whole()) == listing
