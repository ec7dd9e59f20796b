"""Host and prefix lists that others keep, and the part of a signature file that is written from them.

A file with `sources` names lists for labels, by paths relative to it.  What stands below MARK in it is written by
`dpi apps update`; what stands above is its author's and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from pathlib import Path

from dpi.atomic import replace
from dpi.errors import Finding, FindingsError, UsageError
from dpi.match import addresses, asn
from dpi.match.domain_lists import DomainLists
from dpi.match.signatures import load, sources, with_file
from dpi.match.sources import KINDS, Owners, Source, read_list

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
    content = read_list(file)
    head = content.partition(MARK)[0]
    wanted, before = sources(file), _words(file)
    changes, texts = [], dict.fromkeys(KINDS, "")
    findings: list[Finding] = []
    skipped: dict[str, list[str]] = {source.label: [] for source in wanted if source.owners}
    announced = _announced(wanted, skipped)
    domains = DomainLists(findings, {source.path: source.label for source in wanted if source.kind == "hosts"})
    for source in sorted(wanted, key=lambda source: source.kind):
        label, kind = source.label, source.kind
        left_out = skipped[label] if source.owners else []
        if source.owners:
            words = announced[label]
        elif kind == "hosts":
            words = domains.words(source.path, left_out)
        else:
            words = list(dict.fromkeys(prefix_list(source.path, findings)))
        if not words and not findings:  # what a download leaves that failed
            raise UsageError(f"{source.path}: has no {kind} for {label}; leave the source out where it shall have none")
        old = before.get((kind, label), [])
        added, removed = (sorted(set(a) - set(b)) for a, b in ((words, old), (old, words)))
        changes.append(Change(label, kind, tuple(added), tuple(removed), len(words), tuple(left_out)))
        texts[kind] += f"  {label}: |\n" + "".join(f"    {word}\n" for word in words)
    if findings:
        raise FindingsError(findings)
    body = "".join(f"{kind}:\n{text}" for kind, text in texts.items() if text)
    text = head.rstrip("\n") + "\n\n" + MARK + body
    try:
        load(with_file(folders, file), instead=(file.resolve(), text))
    except FindingsError as error:
        raise UsageError(f"{file}: is left as it is, for with these lists:\n{error}") from error
    if write:
        if read_list(file) != content:  # somebody's editor, or another update
            raise UsageError(f"{file}: was changed meanwhile, and is left as it is; run this again")
        replace(file, text.encode())
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


def prefix_list(path: Path, findings: list[Finding]) -> Iterator[str]:
    """Prefixes, addresses and FIRST-LAST, with blanks, commas or line ends between; # or ; starts a comment.

    They come as the shortest that says the same, in the order of the list.
    """
    for number, line in enumerate(read_list(path).splitlines(), 1):
        for found in re.finditer(r"[^\s,]+", re.split("[#;]", line, maxsplit=1)[0]):
            first, dash, last = found[0].partition("-")
            if wrong := addresses.problem(first) or (addresses.problem(last) if dash else ""):
                findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]}: {wrong}"))
                continue
            try:
                prefixes = list(_range(first, last)) if dash else [_spelled(first)]
                if any(prefix.endswith("/0") for prefix in prefixes):
                    wrong = "is every address, which is nobody's"
                    findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]} {wrong}"))
                    continue
                yield from prefixes
            except (ValueError, TypeError):
                wrong = "a range is of two addresses of one kind, the lower first"
                findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]}: {wrong}"))


def _range(first: str, last: str) -> Iterator[str]:
    """The prefixes from one address to another.  Raises ValueError, TypeError where these are none."""
    return map(_spelled, summarize_address_range(ip_address(first), ip_address(last)))


def _spelled(prefix: str | IPv4Network | IPv6Network) -> str:
    """A prefix as all others of its kind are written; a mask that a length can say is one."""
    try:
        network = ip_network(prefix)
    except ValueError:  # a mask with gaps
        return str(prefix)
    return str(network if network.prefixlen < network.max_prefixlen else network.network_address)


def _words(file: Path) -> dict[tuple[str, str], list[str]]:
    """What an earlier update has written."""
    found: dict[tuple[str, str], list[str]] = {}
    kind = label = ""
    for line in read_list(file).partition(MARK)[2].splitlines():
        if line in [f"{each}:" for each in KINDS]:
            kind = line[:-1]
        elif line.startswith("    "):
            found.setdefault((kind, label), []).append(line.strip())
        elif line.startswith("  "):
            label = line.strip().partition(":")[0]
    return found
