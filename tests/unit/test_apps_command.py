"""dpi apps: what it prints, to people and to programs, and what it says to nonsense."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpi.cli.apps import command
from dpi.errors import FindingsError, UsageError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_match_names_the_app_the_entry_and_the_line() -> None:
    out = run("match", "www.netflix.com")
    assert out.startswith("www.netflix.com: Netflix (netflix), Video\n")
    assert "video.yaml:" in out


def test_match_as_json_tells_the_winner_and_the_others() -> None:
    answer = json.loads(run("match", "video-1.xx.fbcdn.net", "--json"))
    assert answer["match"]["slug"] == "fbookreelstory"
    assert [each["slug"] for each in answer["also"]] == ["facebook"]
    assert json.loads(run("match", "no.such.invalid", "--json"))["match"] is None
    assert json.loads(run("match", "2a00:86c0::1", "--json"))["match"]["how"] == "prefix"


def test_a_users_folder_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("apps:\n  mine: {category: web, hosts: mine.example}\n")
    out = run("match", "--signatures", str(tmp_path), "a.mine.example")
    assert "mine" in out and f"{tmp_path}/mine.yaml:2" in out


def test_lists_hold_a_category_with_those_within_it() -> None:
    slugs = {each["slug"]: each["category"] for each in json.loads(run("list", "--category", "video", "--json"))}
    assert slugs["netflix"] == "video" and slugs["hulu"] == "streaming"
    assert "spotify" not in slugs


def test_lists_are_plain_where_it_is_not_a_terminal() -> None:
    out = run("list", "--category", "video")
    assert "\x1b" not in out
    assert " ".join(out.splitlines()[0].split()) == "slug name kind category hosts prefixes ports packets"


def test_show_tells_every_entry_with_its_line() -> None:
    shown = json.loads(run("show", "netflix", "--json"))
    assert {"entry", "where"} == shown["hosts"][0].keys()
    assert "nflxvideo.net" in [each["entry"] for each in shown["hosts"]]
    assert "nflxvideo.net" in run("show", "netflix")


def test_show_tells_which_packets_tell_a_label() -> None:
    assert "its own packets: TCP on any port; UDP on any port\n" in run("show", "dnp3")
    assert json.loads(run("show", "fins", "--json"))["packets"] == ["TCP on any port", "UDP on port 9600"]
    assert json.loads(run("show", "tls", "--json"))["packets"] == ["what a dissector parses"]
    assert json.loads(run("show", "google", "--json"))["packets"] == []
    listed = {each["slug"]: each["packets"] for each in json.loads(run("list", "--json"))}
    assert listed["eaq"] and listed["tls"] and listed["icmp"] and not listed["netflix"] and not listed["google"]


def test_categories_are_counted() -> None:
    counted = {each["slug"]: each for each in json.loads(run("categories", "--json"))}
    assert counted["video"]["apps"] >= 10 and counted["streaming"]["within"] == "video"
    assert "Video" in run("categories")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "netfix"], "there is no app 'netfix'; did you mean netflix"),
        (["list", "--category", "vidoe"], "there is no category 'vidoe'; did you mean video"),
        (["match", "what is this"], "neither a host name nor an address"),
        (["match", ""], "neither a host name nor an address"),
    ],
)
def test_nonsense_gets_one_clear_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_broken_folder_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("apps:\n  mine: {category: web, hosts: not/a/name}\n")
    with pytest.raises(FindingsError, match=r"bad\.yaml:2:32: hosts: not/a/name: not a host name"):
        CliRunner().invoke(command, ["list", "--signatures", str(tmp_path)], catch_exceptions=False)


def test_the_program_exits_with_2_on_wrong_input() -> None:
    done = subprocess.run([sys.executable, "-m", "dpi", "apps", "show", "netfix"], capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.count(b"\n") == 1


def test_rules_that_ask_for_a_name_or_an_address_are_told(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "apps:\n  one:\n    category: web\n    rules:\n"
        "      - {hosts: films.example, ports: tcp/443}\n"
        "      - {prefixes: 192.0.2.0/24}\n"
        "      - {alpn: h2}\n"
    )
    out = run("match", "--signatures", str(tmp_path), "www.films.example")
    assert out.startswith("www.films.example: rules alone ask for it\n")
    assert "hosts films.example; ports tcp/443" in out and f"{tmp_path}/mine.yaml:5" in out and "alpn" not in out
    answer = json.loads(run("match", "--signatures", str(tmp_path), "192.0.2.9", "--json"))
    assert answer["rules"] == [{"slug": "one", "all_of": "prefixes 192.0.2.0/24", "where": f"{tmp_path}/mine.yaml:6"}]
    assert json.loads(run("match", "--signatures", str(tmp_path), "2001:db8::1", "--json"))["rules"] == []
    assert "rule of" not in run("match", "--signatures", str(tmp_path), "www.netflix.com")
