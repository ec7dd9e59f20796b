"""Drafts of labels put together: their numbers, and the tables that the loop matches with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dpi.dissect import protocols
from dpi.dissect.declaration import Declaration
from dpi.dissect.declared import Declarations, fault
from dpi.errors import Finding, FindingsError, UsageError
from dpi.match import addresses, hosts, ports
from dpi.match.app_rules import AppRule
from dpi.match.devices import Devices, repeated
from dpi.match.drafts import LISTS, Reader
from dpi.match.labels import Evidence, Label, Signatures
from dpi.match.words import Listing, Words

LABELS_MAX = 65535


def assemble(read: Reader, built_in: Path) -> Signatures:
    """The labels that were read, with their numbers and tables.  Raises FindingsError, UsageError."""
    for file, node, path, slug in read.category_uses:
        if slug not in read.categories:
            read.finding(file, node, path, f"there is no category {slug!r}")
    for file, node, path, slug in read.label_uses:
        if slug not in read.drafts:
            read.finding(file, node, path, f"there is no label {slug!r}")
    for file, key, slug, node in read.more_lists:
        if slug in read.drafts:
            read.drafts[slug].lists[key].append(read.words(file, node, f"{key}.{slug}"))
        else:
            read.finding(file, node, f"{key}.{slug}", "there is no such label")
    for slug in protocols.SLUGS:
        if slug not in read.drafts:
            read.findings.append(Finding(str(built_in), 1, 1, slug, "dissected, but not defined"))
    for spot, path, message in repeated(read.devices.values()):
        read.finding_at(spot.file, spot.line, spot.column, path, message)
    labels = _number(read, built_in)
    lists = {key: _listing(read, key, labels) for key in LISTS}
    declared = _declared(read, labels)
    ruled = _rules(read)
    if read.findings:
        raise FindingsError(read.findings)
    try:
        categories = [read.categories["unknown"]] * read.category_numbers
        for each in read.categories.values():
            categories[each.id] = each
        devices = Devices(read.devices.values())
        return Signatures(labels, categories, lists, Declarations(declared), devices, ruled, read.tests)
    except ValueError as error:
        _check_spelling(read, lists)
        if read.findings:
            raise FindingsError(read.findings) from None
        raise UsageError(str(error)) from error


def _number(read: Reader, built_in: Path) -> list[Label | None]:
    """Gives dissected labels their number and the others those behind, in the order of the files."""
    numbers = dict(protocols.IDS)
    for slug in read.drafts:
        if slug not in numbers:
            numbers[slug] = read.labels_before.get(slug, read.label_numbers)
            read.label_numbers += numbers[slug] == read.label_numbers
    labels: list[Label | None] = [None] * read.label_numbers
    unknown = read.categories["unknown"]
    for draft in read.drafts.values():
        number = numbers[draft.slug]
        labels[number] = Label(
            number,
            draft.slug,
            draft.name,
            draft.kind,
            read.categories.get(draft.category, unknown),
            draft.shared,
            draft.description,
            draft.where,
            draft.parts.get("video"),
            draft.parts.get("calls"),
            draft.parts.get("push"),
            draft.mixed,
        )
    if len(labels) > LABELS_MAX:
        read.findings.append(Finding(str(built_in), 1, 1, "", f"more than {LABELS_MAX} labels"))
    return labels


def _declared(read: Reader, labels: list[Label | None]) -> list[Declaration]:
    """All signatures of bytes; one that the loop's index has no room for is a finding."""
    spots = [(spot, label) for label in labels if label for spot in read.drafts[label.slug].declared]
    spots.sort(key=lambda each: -each[0].file.layer)  # of equals, the user's own come first
    found = [replace(spot.declaration, label=label.id, app=label.kind == "app") for spot, label in spots]
    if wrong := fault(found):
        number, why = wrong
        read.finding(spots[number][0].file, spots[number][0].node, "signatures", why)
    return found


def _rules(read: Reader) -> list[tuple[str, AppRule]]:
    """Every app's rules, the user's own before the built-in ones, each with the app's slug."""
    ruled = [(draft.slug, rule) for draft in read.drafts.values() for rule in draft.rules]
    for _, rule in ruled:
        for slug, line, column in rule.protocols:
            if slug not in read.drafts:
                read.finding_at(rule.file, line, column, "rules", f"there is no label {slug!r}")
    return sorted(ruled, key=lambda each: -each[1].file.layer)


def _listing(read: Reader, key: Evidence, labels: list[Label | None]) -> Listing:
    """All words of a kind, built-in files first.  The same word twice within one layer is a finding."""
    numbers = {label.slug: label.id for label in labels if label}
    listing = Listing()
    scalars = [(words, draft.slug) for draft in read.drafts.values() for words in draft.lists[key]]
    scalars.sort(key=lambda pair: pair[0].file.layer)
    layer, seen = -1, dict[str, str]()
    for words, slug in scalars:
        if words.file.layer != layer:
            layer, seen = words.file.layer, {}
        fresh = set(words.words)
        if len(fresh) < len(words.words) or not seen.keys().isdisjoint(fresh):
            _repeated(read, words, slug, seen)
        seen.update(dict.fromkeys(fresh, slug))
        listing.add(words, numbers[slug])
    return listing


def _repeated(read: Reader, words: Words, slug: str, seen: dict[str, str]) -> None:
    here: set[str] = set()
    for place, word in enumerate(words.words):
        if word in here or word in seen:
            line, column = words.spot(place)
            other = "here" if word in here else f"under {seen[word]}"
            read.findings.append(Finding(words.file.path, line, column, slug, f"{word} is already listed {other}"))
        here.add(word)


def _check_spelling(read: Reader, lists: dict[Evidence, Listing]) -> None:
    """Tells each word that a table refused, once one did."""
    problems: dict[Evidence, Callable[[str], str]] = {
        "hosts": hosts.problem,
        "prefixes": addresses.problem,
        "ports": ports.problem,
    }
    for key, problem in problems.items():
        for number, (word, _) in enumerate(lists[key].pairs):
            if wrong := problem(word):
                words, place = lists[key].find(number)
                line, column = words.spot(place)
                read.findings.append(Finding(words.file.path, line, column, key, f"{word}: {wrong}"))
