"""Writes signature files anew from the lists that they name, so that what is written always loads.

All files are looked at together, with the rest of their folders.  A list that cannot be taken (it is wrong, empty,
unreadable, or has lost most of what it had) leaves its label as it was, and the others are updated.  Which label keeps
an entry that several would have is claims.py's.

Files take their new content one after the other, so what goes from one to another first leaves the one: a folder
loads between any two writes, whoever is killed there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpi.atomic import replace
from dpi.errors import DpiError, Finding, FindingsError, UsageError
from dpi.flock import flock
from dpi.match import generated, signatures
from dpi.match.claims import Held, Left, claim
from dpi.match.covered import lost, without
from dpi.match.drafts import Reader
from dpi.match.generated import Key
from dpi.match.lists import Listed, Lists
from dpi.match.prefix_lists import spelled
from dpi.match.sources import KINDS, Kind, Source, read_list

FEW = 5  # entries that any list may lose
LOCK_SECONDS = 60.0
Taken = dict[Kind, dict[str, Held]]  # who has each entry of a folder


@dataclass(frozen=True, slots=True)
class Change:
    """What an update does to one list of one label."""

    file: str
    label: str
    kind: Kind
    taken: bool  # the list; else the label keeps what it had
    added: tuple[str, ...]
    removed: tuple[str, ...]
    total: int
    left: tuple[Left, ...]  # entries of it that go to other labels
    skipped: tuple[str, ...]  # as Listed has them


@dataclass(slots=True)
class _File:
    """A file that is to be updated."""

    path: Path
    layer: int
    text: str
    head: str
    before: dict[Key, list[str]]
    after: dict[Key, list[str]]
    sources: list[Source]

    @property
    def real(self) -> str:
        return os.path.realpath(self.path)


def update(
    paths: Sequence[Path], folders: Sequence[Path], *, force: bool = False, write: bool = True
) -> tuple[list[Change], list[Finding]]:
    """Reads the lists of all files again and writes the files; says what that changes, and which lists are not taken.

    force: takes lists that have lost most of what they had, too.  Raises FindingsError, UsageError where the files
    would not load with their folders; then none is written.
    """
    for path in paths:
        read_list(path)  # tells what is no file
    layers = _layers(paths, folders)
    with _locked(layers):
        was = signatures.stamp(layers)
        mine, sources, taken = _read({os.path.realpath(path) for path in paths}, layers)
        changes, findings = _compare(mine, Lists(sources), taken, force)
        texts = {file.real: generated.together(file.head, file.after) for file in mine}
        try:
            signatures.load(layers, instead=texts)
        except FindingsError as error:
            raise UsageError(f"nothing is written, for with these lists:\n{error}") from error
        if write:
            _unchanged(mine, was, signatures.stamp(layers))
            _write(mine, texts)
    return changes, list(dict.fromkeys(findings))


def _layers(paths: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """The folders given, and those of the files behind; a file that no folder would be read with is alone."""
    found = {os.path.realpath(folder): folder for folder in folders}
    for path in paths:
        layer = path.parent if path.suffix in signatures.ENDINGS else path
        found.setdefault(os.path.realpath(layer), layer)
    return list(found.values())


@contextlib.contextmanager
def _locked(layers: Sequence[Path]) -> Iterator[None]:
    """Holds folders against other updates."""
    with contextlib.ExitStack() as handles:
        for path in sorted({os.path.realpath(layer) for layer in layers}):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise UsageError(f"{path}: {error.strerror}") from error
            handles.callback(os.close, handle)
            if not flock(handle, LOCK_SECONDS):
                raise DpiError(f"{path}: another update is at work there")
        yield


def _read(wanted: set[str], layers: Sequence[Path]) -> tuple[list[_File], list[Source], list[Taken]]:
    """The files to update, all sources, and what is taken in each layer already: by hand, and in other files."""
    reader = Reader()
    mine: list[_File] = []
    taken: list[Taken] = []
    for number, layer in enumerate([signatures.BUILT_IN, *layers]):
        for path in signatures.files(layer):
            text = None
            if number and os.path.realpath(path) in wanted:
                wanted = wanted - {os.path.realpath(path)}
                whole = read_list(path)
                text, before = generated.apart(whole)
                mine.append(_File(path, number, whole, text, before, {}, []))
            reader.read(path, number, text)
        taken.append(_taken(reader, number) if number else {})
    if reader.findings:
        raise FindingsError(reader.findings)
    for file in mine:
        file.sources = [source for source in reader.sources if source.file == str(file.path)]
        if not file.sources:
            raise UsageError(f"{file.path}: has no `sources`")
    return mine, reader.sources, taken


def _taken(reader: Reader, layer: int) -> Taken:
    """Who has each entry of the layer that was just read."""
    found: Taken = {kind: {} for kind in KINDS}
    for kind in KINDS:
        lists = [(slug, words) for slug, draft in reader.drafts.items() for words in draft.lists[kind]]
        more = [each for each in reader.more_lists if each[1] == kind and each[0].layer == layer]
        lists += [(slug, reader.words(file, node, f"{kind}.{slug}")) for file, _, slug, node in more]
        for slug, words in lists:
            if words.file.layer == layer:
                for word, line in zip(words.words, words.lines, strict=True):
                    entry = spelled(word) if kind == "prefixes" else word
                    found[kind].setdefault(entry, Held(slug, f"{words.file.path}:{line}"))
    return found


def _compare(
    mine: Sequence[_File], lists: Lists, taken: Sequence[Taken], force: bool
) -> tuple[list[Change], list[Finding]]:
    """What becomes of each list, which the files' `after` has then, and why lists are not taken."""
    changes: list[Change] = []
    findings: list[Finding] = []
    for file in mine:
        for source in sorted(file.sources, key=lambda source: source.kind):
            old = file.before.get((source.kind, source.label), [])
            listed = lists.read(source)
            if wrong := listed.findings or _too_little(source, old, listed.words, lists, force):
                findings += wrong
                listed = Listed(old)
            words, idle = without(source.kind, listed.words, [word for word, _ in source.excluded])
            new, left = claim(words, Held(source.label, source.where), taken[file.layer][source.kind])
            file.after[source.kind, source.label] = new
            unused = [f"{source.file}:{line}: {word}: not there" for word, line in source.excluded if word in idle]
            added, removed = (tuple(sorted(set(a) - set(b))) for a, b in ((new, old), (old, new)))
            skipped = () if wrong else (*listed.skipped, *unused)
            changes.append(
                Change(
                    source.file, source.label, source.kind, not wrong, added, removed, len(new), tuple(left), skipped
                )
            )
    return changes, findings


def _too_little(source: Source, old: list[str], words: list[str], lists: Lists, force: bool) -> list[Finding]:
    """Why a list cannot be whole: a download that failed leaves nothing, one that was cut a part.

    What it leaves to other labels is no loss.
    """
    if source.kind == "hosts" and (not words or _most(lost("hosts", old, words), old)):
        words = lists.with_all_included(source)
    if not words:
        what = f"has no {source.kind} for {source.label}; leave the source out where it shall have none"
        return [source.finding(f"{source.path}: {what}")]
    gone = lost(source.kind, old, words)
    if force or not _most(gone, old):
        return []
    what = f"{gone:,} of the {len(old):,} {source.kind} of {source.label} are not in it any more"
    return [source.finding(f"{source.path}: {what}; --force takes it nevertheless")]


def _most(gone: int, old: list[str]) -> bool:
    return gone > FEW and gone * 2 > len(old)


def _unchanged(mine: Sequence[_File], was: signatures.Stamp, now: signatures.Stamp) -> None:
    """Raises UsageError where an editor was at one of the files, or at one beside them."""
    other = {path for path, *_ in set(was) ^ set(now)}
    other |= {str(file.path) for file in mine if read_list(file.path) != file.text}
    if other:
        raise UsageError(f"{', '.join(sorted(other))}: was changed meanwhile; nothing is written, run this again")


def _write(mine: Sequence[_File], texts: dict[str, str]) -> None:
    goes = {
        (file.layer, kind, word): file for file in mine for (kind, _), words in file.after.items() for word in words
    }
    for file in mine:
        less = {
            (kind, label): [word for word in words if goes.get((file.layer, kind, word), file) is file]
            for (kind, label), words in file.before.items()
        }
        if less != file.before:
            replace(file.path, generated.together(file.head, less).encode())
    for file in mine:
        if texts[file.real] != file.text:
            replace(file.path, texts[file.real].encode())
