"""Host and prefix lists that others keep, and the part of a signature file that is written from them.

A file with `sources` names lists for labels, by paths relative to it.  What stands below MARK in it is written by
`dpi apps update`; what stands above is its author's and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpi.errors import Finding, FindingsError, UsageError
from dpi.match import addresses, asn, hosts
from dpi.match.signatures import load, sources
from dpi.match.sources import KINDS, Owners, Source, check_size

DEEPEST = 64  # lists that include each other
LONGEST = 64 << 20  # bytes of a list
Entry = tuple[str, frozenset[str]]  # a word of `hosts`, and its attributes
MARK = "# Written by `dpi apps update` from here on: what you change below is lost.\n"


@dataclass(frozen=True, slots=True)
class Change:
    """What an update does to one list of one label."""

    label: str
    kind: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    total: int
    skipped: tuple[str, ...]  # what signatures cannot say, or the database has not, as FILE:LINE: text or FILE: text


def update(file: Path, folders: list[Path], write: bool = True) -> list[Change]:
    """Reads the file's sources again and writes it whole, or not at all.

    Raises FindingsError with all that is wrong with the file and its lists, UsageError where one cannot be read.
    """
    head = _read(file).partition(MARK)[0]
    wanted, before = sources(file), _words(file)
    changes, texts = [], dict.fromkeys(KINDS, "")
    findings: list[Finding] = []
    skipped: dict[str, list[str]] = {source.label: [] for source in wanted if source.owners}
    announced = _announced(wanted, skipped)
    for source in sorted(wanted, key=lambda source: source.kind):
        label, kind = source.label, source.kind
        left_out = skipped[label] if source.owners else []
        if source.owners:
            words = announced[label]
        elif kind == "hosts":
            words = domain_list(source.path, left_out, findings)
        else:
            words = list(dict.fromkeys(prefix_list(source.path, findings)))
        if not words and not source.owners and not findings:  # what a download leaves that failed
            raise UsageError(f"{source.path}: has no {kind}; leave the source out where {label} shall have none")
        old = before.get((kind, label), [])
        added, removed = (sorted(set(a) - set(b)) for a, b in ((words, old), (old, words)))
        changes.append(Change(label, kind, tuple(added), tuple(removed), len(words), tuple(left_out)))
        texts[kind] += f"  {label}: |\n" + "".join(f"    {word}\n" for word in words)
    if findings:
        raise FindingsError(findings)
    body = "".join(f"{kind}:\n{text}" for kind, text in texts.items() if text)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(head.rstrip("\n") + "\n\n" + MARK + body, encoding="utf-8")
        try:
            load([*folders, part])
        except FindingsError as error:
            text = str(error).replace(str(part), str(file))
            raise UsageError(f"{file}: is left as it is, for with these lists:\n{text}") from error
        if write:
            part.chmod(file.stat().st_mode & 0o7777)
            part.replace(file)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return changes


def _announced(wanted: list[Source], skipped: dict[str, list[str]]) -> dict[str, list[str]]:
    """The prefixes of labels whose source is a database; each is read once."""
    by_path: dict[Path, dict[str, Owners]] = {}
    for source in wanted:
        if source.owners:
            by_path.setdefault(source.path, {})[source.label] = source.owners
    found: dict[str, list[str]] = {}
    for path, owners in by_path.items():
        found |= asn.announced(path, owners, skipped)
    return found


def domain_list(path: Path, skipped: list[str], findings: list[Finding]) -> list[str]:
    """A list in the layout of domain-list-community: `domain:`, `full:`, `keyword:`, `include:` a file beside it.

    Attributes are left out; `include:x @a @-b` takes the entries with a and without b.  `regexp:` is skipped.
    """
    return list(dict.fromkeys(word for word, _ in _entries(path, skipped, findings, (), {})))


def _entries(
    path: Path,
    skipped: list[str],
    findings: list[Finding],
    within: tuple[Path, ...],
    done: dict[Path, list[Entry]],
) -> list[Entry]:
    """The entries of a list and of those that it includes; each file is read once, however often it is included."""
    if path in done:
        return done[path]
    found: dict[Entry, None] = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        rule, *attributes = line.partition("#")[0].split() or [""]
        if not rule:
            continue
        marks = frozenset(each[1:] for each in attributes if each.startswith("@"))
        kind, colon, value = rule.partition(":")
        if not colon:
            kind, value = "domain", rule
        if kind == "include":
            other = path.parent / value
            if not value or "/" in value or "\0" in value or other in (path, *within):
                findings.append(Finding(str(path), number, 1, "", f"{rule}: not a list beside this one, or a circle"))
            elif len(within) == DEEPEST:
                findings.append(
                    Finding(str(path), number, 1, "", f"{rule}: more than {DEEPEST} lists within each other")
                )
            else:
                need = {each for each in marks if not each.startswith("-")}
                for word, has in _entries(other, skipped, findings, (*within, path), done):
                    if need <= has and not any(each[1:] in has for each in marks - need):
                        found[word, has] = None
            continue
        forms = {"domain": "{}", "full": "={}", "keyword": "*{}*"}
        if kind not in forms or (kind == "keyword" and hosts.problem(f"*{value}*")):
            skipped.append(f"{path}:{number}: {rule}")
            continue
        word = forms[kind].format(value.lower())
        if wrong := hosts.problem(word) or ("a * stands here" if kind != "keyword" and "*" in value else ""):
            findings.append(Finding(str(path), number, 1, "", f"{value}: {wrong}"))
        found[word, marks] = None
    done[path] = list(found)
    return done[path]


def prefix_list(path: Path, findings: list[Finding]) -> Iterator[str]:
    """Prefixes and addresses with blanks or line ends between; # starts a comment."""
    for number, line in enumerate(_read(path).splitlines(), 1):
        for found in re.finditer(r"\S+", line.partition("#")[0]):
            if wrong := addresses.problem(found[0]):
                findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]}: {wrong}"))
            yield found[0]


def _read(path: Path) -> str:
    check_size(path, LONGEST)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}") from error


def _words(file: Path) -> dict[tuple[str, str], list[str]]:
    """What an earlier update has written."""
    found: dict[tuple[str, str], list[str]] = {}
    kind = label = ""
    for line in _read(file).partition(MARK)[2].splitlines():
        if line in [f"{each}:" for each in KINDS]:
            kind = line[:-1]
        elif line.startswith("    "):
            found.setdefault((kind, label), []).append(line.strip())
        elif line.startswith("  "):
            label = line.strip().partition(":")[0]
    return found
