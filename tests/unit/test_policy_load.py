"""A policy is its file, its drop-ins in the order of their names, and what --set says."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import CLASSES, HEAD, WORDS, write

from dpi.errors import FindingsError
from dpi.policy.check import inspect
from dpi.policy.load import drop_in_folder, load


def errors(folder: Path, *sets: str) -> list[str]:
    _, found = inspect(folder / "policy.yaml", sets, names=lambda _: WORDS)
    return [str(finding).replace(f"{folder}/", "") for finding in found]


def test_the_drop_ins_of_a_file_are_in_the_folder_of_its_name() -> None:
    assert drop_in_folder(Path("/etc/dpi/policy.yaml")) == Path("/etc/dpi/policy.d")
    assert drop_in_folder(Path("home.yml")) == Path("home.d")
    assert drop_in_folder(Path("policy")) == Path("policy.d")


def test_drop_ins_add_named_things_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, CLASSES + "rules:\n  a: {shape: video}\n")
    folder = tmp_path / "policy.d"
    write(folder, "rules:\n  c: {allow: true}\n", "20.yaml")
    write(folder, "rules:\n  b: {allow: true}\ngroups: {g: 10.0.0.0/8}\n", "10.yml")
    write(folder, "rules:\n  hidden: {allow: true}\n", ".30.yaml")
    write(folder, "no yaml at all: [", "README")

    document = load(tmp_path / "policy.yaml")

    assert document.names("rules") == ["a", "b", "c"]
    assert document.names("groups") == ["g"]
    assert [Path(file).name for file in document.files] == ["policy.yaml", "10.yml", "20.yaml"]
    assert document.where(("rules", "b")) == f"{folder}/10.yml:2"


def test_saying_it_again_elsewhere_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, CLASSES)
    write(tmp_path / "policy.d", "link:\n  down: 1gbit\nclasses:\n  video: {rate: 1mbit}\n", "x.yaml")

    found = "\n".join(errors(tmp_path))

    assert "policy.d/x.yaml:2:3: link.down: already said at policy.yaml:3; to replace it, add" in found
    assert "policy.d/x.yaml:4:3: classes.video: already said at policy.yaml:5; to replace it, add" in found


def test_override_replaces_key_by_key_and_null_takes_away(tmp_path: Path) -> None:
    rules = "rules:\n  a: {match: {app: netflix, port: 443}, shape: video}\n  b: {allow: true}\n"
    write(tmp_path, CLASSES + rules)
    text = "rules:\n  a: {override: true, enabled: false, match: {port: ~, app: youtube}}\n"
    text += "link: {override: true, up: 50mbit}\n"
    write(tmp_path / "policy.d", text, "x.yaml")

    data = load(tmp_path / "policy.yaml").data()

    assert data["rules"]["a"] == {"match": {"app": "youtube"}, "shape": "video", "enabled": False}
    assert list(data["rules"]) == ["a", "b"]
    assert data["link"] == {"down": "100mbit", "up": "50mbit"}


def test_a_file_may_override_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "on_exit: clean\n")
    write(tmp_path / "policy.d", "override: true\nversion: 1\non_exit: keep\n", "x.yaml")
    assert load(tmp_path / "policy.yaml").data()["on_exit"] == "keep"


def test_overriding_one_use_of_an_alias_leaves_the_other(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "classes:\n  a: &a {rate: 1mbit}\n  b: *a\n")
    write(tmp_path / "policy.d", "classes:\n  a: {override: true, rate: 2mbit}\n", "x.yaml")
    data = load(tmp_path / "policy.yaml").data()
    assert (data["classes"]["a"]["rate"], data["classes"]["b"]["rate"]) == ("2mbit", "1mbit")


def test_set_overrides_any_path_and_its_findings_say_where(tmp_path: Path) -> None:
    write(tmp_path, CLASSES)
    document = load(
        tmp_path / "policy.yaml", ["interfaces.lan=[a, b]", "link.down=1gbit", "rules.x.allow=true", "classes.video=~"]
    )
    data = document.data()
    assert data["interfaces"] == {"lan": ["a", "b"], "wan": "eth0"}
    assert data["link"]["down"] == "1gbit"
    assert data["rules"] == {"x": {"allow": True}}
    assert list(data["classes"]) == ["rest"]

    found = errors(tmp_path, "link.up=fast", "link.down=", "interfaces.lan", "classes.rest.prio=1", "a=[")

    assert "--set:1:9: link.up: 'fast' is no rate; write 8mbit, 200kbit, 1gbit or 20%" in found
    assert any(line.startswith("--set:3:1: 'interfaces.lan' is not of the form PATH=VALUE") for line in found)
    assert "--set:4:14: classes.rest.prio: unknown key; did you mean priority?" in found
    assert any(line.startswith("--set:5:") and "not valid YAML" in line for line in found)


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    assert errors(tmp_path) == ["policy.yaml:1:1: cannot be read: No such file or directory"]
    (tmp_path / "policy.yaml").mkdir()
    assert errors(tmp_path) == ["policy.yaml:1:1: cannot be read: not a file"]
    (tmp_path / "policy.yaml").rmdir()
    write(tmp_path, HEAD)
    write(tmp_path / "policy.d", "a: [", "x.yaml")
    (tmp_path / "policy.d" / "y.yaml").symlink_to("nowhere")
    found = errors(tmp_path)
    assert found[0].startswith("policy.d/x.yaml:1:")
    assert found[1] == "policy.d/y.yaml:1:1: cannot be read: No such file or directory"
    with pytest.raises(FindingsError):
        load(tmp_path / "policy.yaml")


def test_an_empty_file_misses_what_every_policy_needs(tmp_path: Path) -> None:
    write(tmp_path, "")
    assert errors(tmp_path) == [
        "policy.yaml:1:1: `interfaces` is missing",
        "policy.yaml:1:1: `version` is missing",
    ]


def test_a_try_reads_what_would_be_written(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    new = tmp_path / "policy.d" / "new.yaml"
    assert load(path, instead={path: HEAD.encode() + b"on_exit: keep\n"}).data()["on_exit"] == "keep"
    assert load(path, instead={new: b"rules: {a: {allow: true}}"}).names("rules") == ["a"]
