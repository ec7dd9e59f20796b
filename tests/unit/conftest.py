"""What several unit tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from signature_folders import few

from dpi.match import signatures


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few(tmp_path_factory.mktemp("built-in"))


@pytest.fixture
def small(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """load() takes the stand-in for the built-in files."""
    monkeypatch.setattr(signatures, "BUILT_IN", stand_in)
    return stand_in
