"""Whatever a file looks like, an edit changes the bytes that it means and no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpi.policy.edit import RulesText, parse

NEW = {"match": {"app": ["netflix", "youtube"], "host": "*.example.org"}, "shape": "video"}
NAMES = ["alpha", "beta", "gamma", "delta"]


@st.composite
def policies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The text of a policy as hands write it, and the names of its rules."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    indent = " " * draw(st.integers(1, 4))
    noise = st.lists(
        st.sampled_from(["", "  ", "# a remark: {x}", indent + "# about the next", indent * 3 + "# shape: other"]),
        max_size=3,
    )
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    lines = [*draw(noise), "version: 1", *draw(noise), "rules:" + draw(st.sampled_from(["", "  # in order"]))]
    for name in names:
        lines += draw(noise)
        style = draw(st.integers(0, 3))
        if style == 0:
            lines.append(f"{indent}{name}: {{shape: a, log: true}}{draw(st.sampled_from(['', ' # why']))}")
        elif style == 1:
            lines += [f"{indent}{name}:", f"{indent * 2}shape: 'a'", f'{indent * 2}dscp: "ef"   # quick']
        elif style == 2:
            lines += [
                f'{indent}"{name}" :',
                f"{indent * 2}# inside",
                f"{indent * 2}match:",
                f"{indent * 3}app: [a,",
                f"{indent * 4}b]",
            ]
            lines += [f"{indent * 2}allow: true"]
        else:
            lines += [f"{indent}{name}: &{name}", f"{indent * 2}match: {{app: é}}", f"{indent * 2}block: drop"]
    lines += draw(noise)
    if draw(st.booleans()):
        lines += ["classes: {}", *draw(noise)]
    return newline.join(lines) + draw(st.sampled_from(["", newline])), names


def rules(text: str) -> list[str]:
    return list(parse(text, "f").data()["rules"] or {})


@given(policies(), st.data())
def test_adding_and_removing_a_rule_gives_back_the_identical_file(
    policy: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = policy
    before = data.draw(st.sampled_from([None, *names]))
    more = RulesText(text, "f").add("new-one", NEW, before)
    assert parse(more, "f").data()["rules"]["new-one"] == NEW
    assert RulesText(more, "f").remove("new-one") == text


@given(policies(), st.data())
def test_an_addition_only_inserts_one_run_of_text(policy: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = policy
    more = RulesText(text, "f").add("new-one", NEW, data.draw(st.sampled_from([None, *names])))
    length = len(more) - len(text)
    assert any(text == more[:at] + more[at + length :] for at in range(len(text) + 1))


@given(policies(), st.data())
def test_switching_a_rule_off_and_on_gives_back_the_identical_file(
    policy: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = policy
    if names:
        name = data.draw(st.sampled_from(names))
        off = RulesText(text, "f").enable(name, False)
        assert parse(off, "f").data()["rules"][name]["enabled"] is False
        assert RulesText(off, "f").enable(name, True) == text


@given(policies(), st.data())
def test_moving_keeps_every_rule_and_puts_it_where_it_was_told(
    policy: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = policy
    if len(names) > 1:
        name, before = data.draw(st.permutations(names))[:2]
        moved = rules(RulesText(text, "f").move(name, before))
        assert moved.index(name) + 1 == moved.index(before)
        assert rules(RulesText(text, "f").move(name, None))[-1] == name
        assert sorted(moved) == sorted(names)


@given(policies(), st.data())
def test_removing_leaves_the_others_and_their_lines(policy: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = policy
    if names:
        name = data.draw(st.sampled_from(names))
        rest = RulesText(text, "f").remove(name)
        assert rules(rest) == [n for n in names if n != name]
        kept = set(rest.split("\n"))
        assert all(line in text for line in kept)
