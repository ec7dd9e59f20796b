"""Numbers for names, the same from one plan to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def number(names: Iterable[str], known: Mapping[str, int], first: int, last: int) -> dict[str, int]:
    """Numbers for names: those they had, else ones never given, else those of names that are gone."""
    wanted = list(names)
    by_number = {n: name for name, n in known.items() if first <= n <= last}
    given = {name: n for n, name in by_number.items()}
    taken = set(by_number)
    free = (n for n in range(first, last + 1) if n not in taken)
    gone = (name for name in list(given) if name not in set(wanted))
    for name in wanted:
        if name not in given:
            n = next(free, None)
            given[name] = n if n is not None else given.pop(next(gone))
    return given
