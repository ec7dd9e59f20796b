"""The pages agree with the code and with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from signature_folders import folder

from dpi.cli import dpi
from dpi.match.signatures import load
from dpi.policy.check import inspect
from dpi.vocabulary import vocabulary

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SIGNATURES = DOCS / "reference" / "signatures.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
WHOLE = {
    "version": 1,
    "interfaces": "{lan: lan0, wan: wan0}",
    "link": "{down: 100mbit, up: 50mbit}",
    "classes": "{rest: {rate: 1mbit, default: true}, video: {rate: 1mbit}, slow: {rate: 1mbit}, "
    "bulk: {rate: 1mbit}, games: {rate: 1mbit}}",
}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """As the usual viewers make them of headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path) -> list[str]:
    """Its examples in YAML, without the indent of a list that they stand in."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", page.read_text(), re.M | re.S)
    return [re.sub(f"^{indent}", "", block, flags=re.M) for indent, block in found]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_what_the_reference_repeats_of_the_code_is_as_the_code_has_it() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "reference" / "make.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file) if file else page
        there = target.exists() and (not anchor or anchor in anchors(target))
        if not there:
            wrong.append(link)
    assert not wrong, wrong


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    known = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    assert {p for p in PAGES if p.is_relative_to(DOCS)} - known - {index} == set()


@pytest.mark.parametrize("page", [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))], ids=name)
def test_every_policy_that_is_shown_is_right(page: Path, tmp_path: Path) -> None:
    """What is shown of one is made whole by what it leaves out.  Blocks with protocols or apps are signatures."""
    wrong = []
    for said in blocks(page):
        keys = set(re.findall(r"^(\w+):", said, re.M))
        if keys & {"protocols", "apps", "signatures"} or not keys:
            continue
        left_out = "".join(f"{key}: {value}\n" for key, value in WHOLE.items() if key not in keys)
        file = tmp_path / "policy.yaml"
        file.write_text(left_out + said)
        wrong += [str(f) for f in inspect(file, names=vocabulary)[1] if not f.warning]
    assert not wrong, wrong


@pytest.mark.parametrize("block", blocks(SIGNATURES), ids=lambda block: block.split(":")[0])
def test_every_file_of_signatures_that_the_reference_shows_loads(block: str, tmp_path: Path) -> None:
    """Each by itself, as somebody copies it."""
    load([folder(tmp_path / "mine", block)])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    wrong = []
    for line in re.findall(r"(?:^|[`$#] ?|-- |sudo )dpi ((?:[a-z-]+ )*[a-z-]+[^`\n]*)", page.read_text(), re.M):
        words = line.split()
        command: click.Command = dpi
        ctx = click.Context(dpi)
        while isinstance(command, click.Group) and words and (found := command.get_command(ctx, words[0])):
            command, words = found, words[1:]
        if command is dpi:
            continue  # a sentence
        known = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        before = words[: words.index("--")] if "--" in words else words
        before = before[: next((i for i, w in enumerate(before) if w in {"|", "&&", ">", "\\"}), len(before))]
        given = (re.sub(r"[,.;:)]+$", "", w.partition("=")[0]) for w in before if re.match(r"--?[a-z]", w))
        wrong += [f"dpi {line}: {option}" for option in given if option not in known]
    assert not wrong, wrong
