"""The class tree: shape, rates, and the default."""

from __future__ import annotations

from dpi.policy.branches import FIRST_MINOR
from dpi.policy.checks.case import Case
from dpi.policy.findings import near
from dpi.policy.model.classes import Class
from dpi.policy.plan import DIRECTIONS, Direction
from dpi.policy.units import rate_text

MAX_DEPTH = 7  # TC_HTB_MAXDEPTH is 8, the link's own class is one


def check(case: Case) -> None:
    classes = case.policy.classes
    if not classes:
        return
    if case.policy.link is None and "link" not in case.broken:
        case.error(("classes",), "`link` is missing: classes are shares of it", key=True)
    for name in classes:
        _parent(case, name)
    _default(case)
    _leaves(case)
    if case.policy.link is not None:
        for direction in DIRECTIONS:
            _rates(case, direction)
    if len(classes) >= FIRST_MINOR:
        case.error(("classes",), f"more than {FIRST_MINOR - 1:,} classes; the numbers above are subscribers'", key=True)


def children(classes: dict[str, Class]) -> dict[str | None, list[str]]:
    """Names of the classes below each; below None: those of the link."""
    below: dict[str | None, list[str]] = {}
    for name, class_ in classes.items():
        below.setdefault(class_.parent, []).append(name)
    return below


def _parent(case: Case, name: str) -> None:
    path = ("classes", name, "parent")
    classes = case.policy.classes
    parent = classes[name].parent
    if parent is not None and parent not in case.named("classes"):
        case.error(path, f"there is no class {parent}{near(parent, classes)}")
        return
    above = [name]
    while parent is not None and parent in classes:
        if parent in above:
            if parent == name:  # reported once for each class that is in the ring, not for those below it
                case.error(path, "a class cannot be below itself: " + " → ".join([*above, name]))
            return
        above.append(parent)
        parent = classes[parent].parent
    if len(above) > MAX_DEPTH:
        case.error(path, f"{len(above)} levels deep; HTB has {MAX_DEPTH} below the link")


def _default(case: Case) -> None:
    defaults = [name for name, c in case.policy.classes.items() if c.default]
    if "classes" in case.broken:
        return
    if not defaults:
        case.error(
            ("classes",), "no class is the default; add `default: true` to the one for all other traffic", key=True
        )
    for name in defaults[1:]:
        where = case.document.where(("classes", defaults[0]))
        case.error(("classes", name, "default"), f"{defaults[0]} is the default already, at {where}")
    for name in defaults[:1]:
        rate = case.policy.classes[name].rate
        for direction in DIRECTIONS:
            if rate.of(direction) is None:
                case.error(("classes", name, "rate"), f"the default class needs a rate for {direction} too")


def _leaves(case: Case) -> None:
    classes = case.policy.classes
    below = children(classes)
    used = {rule.shape for rule in case.policy.rules.values() if rule.enabled}
    for name, class_ in classes.items():
        if name in below:
            if class_.leaf is not None:
                case.error(("classes", name, "leaf"), f"has classes below it ({below[name][0]}), so no queue")
            if class_.default:
                case.error(
                    ("classes", name, "default"),
                    f"traffic is in classes without others below; {below[name][0]} is below this",
                )
        elif name not in used and not class_.default and "rules" not in case.broken:
            case.warn(("classes", name), "no rule puts traffic into this class", key=True)


def _rates(case: Case, direction: Direction) -> None:
    classes = case.policy.classes
    assert case.policy.link is not None
    link = case.policy.link.down if direction == "down" else case.policy.link.up
    rate: dict[str, int] = {}
    ceil: dict[str, int] = {}
    for name, class_ in classes.items():
        given = class_.rate.of(direction)
        if given is None:
            if class_.ceil is not None and class_.ceil.of(direction) is not None:
                case.error(("classes", name, "ceil"), f"there is a ceil but no rate for {direction}")
            continue
        rate[name] = given.of(link)
        most = class_.ceil.of(direction) if class_.ceil else None
        ceil[name] = most.of(link) if most else rate[name]
        if rate[name] < 8:
            case.error(("classes", name, "rate"), f"{direction}: less than 8bit a second")
        if rate[name] > link:
            over = f"{rate_text(rate[name])} is over the link's {rate_text(link)}"
            case.error(("classes", name, "rate"), f"{direction}: {over}")
        elif ceil[name] > link:
            over = f"{rate_text(ceil[name])} is over the link's {rate_text(link)}"
            case.warn(("classes", name, "ceil"), f"{direction}: {over}")
        if ceil[name] < rate[name]:
            under = f"{rate_text(ceil[name])} is under the rate of {rate_text(rate[name])}"
            case.error(("classes", name, "ceil"), f"{direction}: {under}")
    for name in rate:
        parent = classes[name].parent
        if parent is None or parent not in classes:
            continue
        if parent not in rate:
            case.error(("classes", name, "rate"), f"{direction}: the parent {parent} has no rate for it")
        elif rate[name] > ceil[parent]:
            over = f"{rate_text(rate[name])} is over what {parent} may take, {rate_text(ceil[parent])}"
            case.error(("classes", name, "rate"), f"{direction}: {over}")
        elif ceil[name] > ceil[parent] <= link:
            over = f"{rate_text(ceil[name])} is over what {parent} may take, {rate_text(ceil[parent])}"
            case.warn(("classes", name, "ceil"), f"{direction}: {over}")
    for parent, names in children(classes).items():
        total = sum(rate.get(name, 0) for name in names)
        whole = link if parent is None else rate.get(parent, 0)
        if whole and total > whole:
            what = "the link" if parent is None else f"class {parent}"
            path = ("classes",) if parent is None else ("classes", parent, "rate")
            message = f"{direction}: the rates below {what} come to {rate_text(total)} of {rate_text(whole)}"
            case.warn(path, message + "; when all are busy each gets less", key=parent is None)
