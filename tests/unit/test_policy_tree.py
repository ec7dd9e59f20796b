"""Reading YAML: every fault has its line and column, and no file is too much."""

from __future__ import annotations

import pytest

from dpi.errors import Finding
from dpi.policy.tree import Mapping, read


def found(raw: bytes) -> list[str]:
    findings: list[Finding] = []
    read(raw, "f", findings)
    return [str(finding) for finding in findings]


def data(text: str) -> object:
    findings: list[Finding] = []
    root, _ = read(text.encode(), "f", findings)
    assert not findings
    assert root is not None
    return root.data()


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        (b"a: \xff", "f:1:4: not UTF-8: byte 0xff"),
        ("é: ü\nb: \x07".encode(), "f:2:4: not valid YAML: character U+0007"),
        (b"a: 1\nb: [", "f:2:5: not valid YAML"),
        (b"a: 1\n b: 2", "f:2:3: not valid YAML"),
        (b"a:\n\tb: 1", "f:2:1: not valid YAML: found character that cannot start any token"),
        (b"- a", "f:1:1: expected keys and values"),
        (b"a: 1\nb: 2\na: 3", "f:3:1: `a` stands here a second time; first at line 1"),
        (b"a: *b", "f:1:4: alias *b without an anchor"),
        (b"a: &a [*a]", "f:1:8: alias *a stands inside of what it names"),
        (b"a: !!python/object x", "f:1:4: tag"),
        (b"a: 1\n---\nb: 2", "f:2:1: a second document"),
        (b"? [a]\n: 1", "f:1:3: a key must be one word"),
        (b"[" * 10_000, "f:1:33: nested more than 32 levels deep"),
        (b"- " * 10_000, "f:1:65: nested more than 32 levels deep"),
        (b"a" * (9 << 20), "f:1:1: larger than 8 MiB"),
    ],
)
def test_each_fault_is_found_where_it_is(raw: bytes, start: str) -> None:
    assert found(raw)[0].startswith(start)


def test_tabs_and_stars_get_the_advice_that_helps() -> None:
    assert "indent with spaces" in found(b"a:\n\tb: 1")[0]
    assert "needs quotes" in found(b"host: *.example.org")[0]


def test_aliases_that_would_expand_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "nodes, with aliases expanded" in found("\n".join(lines).encode())[0]


def test_merge_keys_give_what_is_not_said_itself() -> None:
    assert data("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc:\n  <<: [*a, {z: 4}]\n") == {
        "a": {"x": 1, "y": 2},
        "b": {"y": 3, "x": 1},
        "c": {"x": 1, "y": 2, "z": 4},
    }


def test_plain_words_mean_what_yaml_1_2_says() -> None:
    text = "[no, 22:30, 0x1F, 0o17, 1_000, ~, true, 1.5, '1', 2001:db8::/32, 010, +7]"
    assert data(f"a: {text}") == {"a": ["no", "22:30", 31, 15, "1_000", None, True, 1.5, "1", "2001:db8::/32", 10, 7]}


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert data("") == {} == data("# only a remark\n")


def test_a_byte_order_mark_moves_nothing_but_itself() -> None:
    findings: list[Finding] = []
    root, text = read(b"\xef\xbb\xbfkey: word", "f", findings)
    assert isinstance(root, Mapping)
    key, value = root.entries["key"]
    assert (text[key.start : key.end], text[value.start : value.end]) == ("key", "word")


def test_columns_count_characters_not_bytes() -> None:
    findings: list[Finding] = []
    root, text = read("ключ: {длинный: слово}".encode(), "f", findings)
    assert isinstance(root, Mapping)
    inner = root.get("ключ")
    assert isinstance(inner, Mapping)
    word = inner.get("длинный")
    assert word is not None
    assert (word.line, word.column, text[word.start : word.end]) == (1, 17, "слово")
