"""Whatever stands in a signature file, it loads or is refused with findings; nothing else comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signature_folders import few

from dpi.errors import FindingsError, UsageError
from dpi.match import signatures

PLACE = re.compile(r".+\.yaml:\d+:\d+: ")

WORDS = """
    apps protocols hosts prefixes ports categories about name category web x netflix a.example *a* = 10.0.0.0/8
    tcp/1 true shared replace within video calls Ä
    rules ja4 alpn
    devices dhcp dhcp6 vendor program 1,3,6
    signatures transport udp bytes at hex text mask after from client packet length length_field size
    host until both
"""
word = st.sampled_from(["", *WORDS.split()])
tree = st.recursive(
    st.one_of(word, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(word, inner, max_size=4)),
    max_leaves=12,
)
text = st.one_of(
    tree.map(yaml.safe_dump), st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("latin-1"))
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few(tmp_path_factory.mktemp("built-in"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(text)
def test_a_file_loads_or_is_refused_with_places(
    small: Path, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "BUILT_IN", small)
        try:
            loaded = signatures.load([folder])
        except FindingsError as error:
            assert all(PLACE.match(str(finding)) for finding in error.findings)
        except UsageError as error:
            assert "\n" not in str(error)
        else:
            for label in loaded.by_slug.values():
                for kind in ("hosts", "prefixes", "ports"):
                    for entry in loaded.entries(label, kind):
                        assert entry.label is label
