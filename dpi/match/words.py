"""The words of signature files, and where each stands."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from re import escape, finditer


@dataclass(slots=True)
class SourceFile:
    path: str
    text: str
    layer: int  # 0 for the built-in files, then one for each directory
    about: str = ""


@dataclass(slots=True)
class Words:
    """The words of one scalar, and where each stands."""

    file: SourceFile
    words: list[str]
    lines: list[int]  # of each, from 1

    def spot(self, place: int) -> tuple[int, int]:
        """Line and column of a word, from 1."""
        word, line = self.words[place], self.lines[place]
        nth = sum(self.words[i] == word for i in range(place) if self.lines[i] == line)
        text = self.file.text.split("\n")[line - 1]
        found = [match.start() for match in finditer(rf"(?<![^\s\[,\"']){escape(word)}", text)]
        return line, (found[nth] if nth < len(found) else 0) + 1


class Listing:
    """All words of one kind as (word, label) pairs, and the way back to the file that each came from."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, int]] = []
        self._starts: list[int] = []
        self._sources: list[Words] = []

    def add(self, words: Words, label: int) -> None:
        self._starts.append(len(self.pairs))
        self._sources.append(words)
        self.pairs.extend([(word, label) for word in words.words])

    def find(self, number: int) -> tuple[Words, int]:
        """The scalar that an entry is from, and its place in it."""
        source = bisect_right(self._starts, number) - 1
        return self._sources[source], number - self._starts[source]
