"""Edits of rules that a hand would make differently in each of these files."""

from __future__ import annotations

import pytest

from dpi.errors import FindingsError, UsageError
from dpi.policy.edit import RulesText, render, scalar

BLANKS = """\
rules:

  # about a
  a:
    shape: x

  # a remark on its own

  b: {shape: y, enabled: false}
    # below b

classes: {}
"""


def test_a_new_rule_keeps_the_blank_lines_between_rules() -> None:
    assert RulesText(BLANKS, "f").add("c", {"shape": "z"}) == BLANKS.replace(
        "    # below b\n", "    # below b\n\n  c:\n    shape: z\n"
    )
    assert RulesText(BLANKS, "f").add("c", {"shape": "z"}, "a") == BLANKS.replace(
        "  # about a\n", "  c:\n    shape: z\n\n  # about a\n"
    )


def test_the_first_rule_makes_its_section() -> None:
    assert RulesText("version: 1\n", "f").add("a", {"allow": True}) == "version: 1\n\nrules:\n  a:\n    allow: true\n"
    assert RulesText("", "f").add("a", {"allow": True}) == "rules:\n  a:\n    allow: true\n"
    assert RulesText("rules: {}  # none yet\nz: 1", "f").add("a", {"allow": True}) == (
        "rules:  # none yet\n  a:\n    allow: true\nz: 1"
    )


def test_a_removed_rule_takes_its_own_comments_and_leaves_the_others() -> None:
    assert RulesText(BLANKS, "f").remove("a") == BLANKS.replace("\n  # about a\n  a:\n    shape: x\n", "")
    assert RulesText(BLANKS, "f").remove("b") == BLANKS.replace(
        "\n  b: {shape: y, enabled: false}\n    # below b\n", ""
    )


def test_switching_on_takes_the_word_away_but_not_a_comment_with_it() -> None:
    assert RulesText(BLANKS, "f").enable("b", True) == BLANKS.replace(", enabled: false", "")
    text = "rules:\n  a:\n    enabled: false  # until Monday\n    shape: x\n"
    assert RulesText(text, "f").enable("a", True) == text.replace("false ", "true ")
    text = "rules:\n  a: {enabled: false, shape: x}\n"
    assert RulesText(text, "f").enable("a", True) == "rules:\n  a: {shape: x}\n"


def test_the_file_indents_as_it_did() -> None:
    text = "rules:\n    a:\n       shape: x\n"
    assert RulesText(text, "f").add("b", {"match": {"app": "v"}, "log": True}) == (
        text + "    b:\n       match:\n          app: v\n       log: true\n"
    )


def test_windows_line_ends_stay() -> None:
    text = "rules:\r\n  a:\r\n    shape: x\r\n"
    assert RulesText(text, "f").add("b", {"log": True}) == text + "  b:\r\n    log: true\r\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rules: {a: {shape: x}}}", "written in braces"),
        ("rules: {a: {shape: x}}", "the rules are in braces"),
        ("x: &x {a: {shape: x}}\nrules: *x", "the rules are an alias"),
        ("x: &x {shape: x}\nrules:\n  a: *x", "comes from an alias"),
        ("x: &x {a: {shape: x}}\nrules:\n  <<: *x\n  b: {}", "comes from an alias"),
        ("rules: word", "no mapping"),
    ],
)
def test_what_cannot_be_edited_by_lines_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RulesText(text, "f").remove("a")


def test_a_text_that_is_no_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(FindingsError, match="f:1:9"):
        RulesText("rules: [", "f")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("netflix", "netflix"),
        ("no", '"no"'),
        ("ON", '"ON"'),
        ("~", '"~"'),
        ("*.example.org", '"*.example.org"'),
        ("=example.org", "=example.org"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::/32", '"2001:db8::/32"'),
        ("443", '"443"'),
        ("1.5", '"1.5"'),
        (443, "443"),
        ("8000-8100", "8000-8100"),
        ('a"b\\', '"a\\"b\\\\"'),
        (True, "true"),
        ("20%", "20%"),
    ],
)
def test_words_are_quoted_where_they_must(value: object, text: str) -> None:
    assert scalar(value) == text


def test_a_rule_is_written_as_hands_write_it() -> None:
    assert render("a", {"match": {"app": ["x", "z"], "port": 443}, "shape": "v"}, 2, 2) == [
        "  a:",
        "    match:",
        "      app: [x, z]",
        "      port: 443",
        "    shape: v",
    ]
