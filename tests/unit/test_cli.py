"""The CLI as a whole: every command answers --help without root, wrong words are said with exit code 2."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dpi.cli import COMMANDS, dpi


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    done = CliRunner().invoke(dpi, [name, "--help"])

    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    command: click.Command = importlib.import_module(f"dpi.cli.{name}").command

    assert command.help


@pytest.mark.parametrize("words", ["nonsense", "flows --limit many", "classify", "top --interval 0"])
def test_wrong_words_exit_with_2(words: str) -> None:
    assert CliRunner().invoke(dpi, words.split()).exit_code == 2


def test_man_pages_are_written_for_every_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(dpi, ["man", str(tmp_path)])

    assert done.exit_code == 0, done.output
    pages = {page.name for page in tmp_path.iterdir()}
    assert {f"dpi-{name}.1" for name in COMMANDS} | {"dpi.1"} <= pages
    page = (tmp_path / "dpi-why.1").read_text()
    assert ".SH OPTIONS" in page
    assert "\ndpi why www.netflix.com\n" in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(shell: str) -> None:
    assert "_DPI_COMPLETE" in CliRunner().invoke(dpi, ["completion", shell]).output
