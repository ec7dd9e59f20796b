"""Where tests of the network happen: in the box of a bare world, or in a lab whose box has `dpi run` in it.

World and daemon are new ones for each test; the lab, and the folder of the state, are a module's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliances import POLICY
from world import World, made

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        yield w


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(f"dpi-t{os.getpid()}") as made:
        yield made


@pytest.fixture
def policy(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("RECORDS", str(tmp_path / "flows.jsonl")))
    shutil.rmtree(lab.directory / "versions", ignore_errors=True)  # of the test before
    return path


@pytest.fixture
def box(lab: Lab, policy: Path) -> Iterator[Appliance]:
    with Appliance(lab, policy) as appliance:
        yield appliance
