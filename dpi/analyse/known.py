"""Whether there is what people ask for: apps, protocols and categories by their slugs, with what is near where not."""

from __future__ import annotations

from difflib import get_close_matches

from dpi.analyse.selection import WORDS, Selection
from dpi.errors import UsageError
from dpi.match.labels import Tables


def known(selection: Selection, tables: Tables) -> Selection:
    """With the categories within those that are meant.  Raises UsageError where there is no such app or category."""
    for app in sorted(selection.apps - tables.by_slug.keys() - {*WORDS}):
        near = close_to(app, [*tables.by_slug, *WORDS])
        if app in tables.category_by_slug:
            near = f"; for the category: --category {app}"
        raise UsageError(f"there is no app or protocol {app!r}{near}")
    meant = {slug for each in selection.categories for slug in within(tables, each)}
    return selection._replace(categories=frozenset(meant))


def within(tables: Tables, slug: str) -> set[str]:
    """The slugs of a category and of those within it.  Raises UsageError where there is none."""
    slug = slug.lower()
    if slug not in tables.category_by_slug:
        raise UsageError(f"there is no category {slug!r}{close_to(slug, list(tables.category_by_slug))}")
    wanted = {slug}
    for _ in tables.categories:
        wanted |= {each.slug for each in tables.categories if each.within in wanted}
    return wanted


def close_to(word: str, known: list[str]) -> str:
    """What the user may have meant, as the end of a sentence; "" where nothing is near."""
    near = get_close_matches(word.lower(), known, n=4, cutoff=0.6)
    near += [slug for slug in known if word.lower() in slug and slug not in near][: 4 - len(near)]
    return f"; did you mean {', '.join(near)}?" if near else ""
