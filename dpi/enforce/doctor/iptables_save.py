"""Others' rules as iptables-save prints them (iptables-extensions(8): MARK, CONNMARK, TPROXY, NFQUEUE, …).

iptables-save spells every way of setting a mark as `--set-xmark VALUE/MASK`: mark = (mark & ~MASK) ^ VALUE.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import pairwise

from dpi.enforce.doctor.ruleset import (
    ALL,
    Dropping,
    Effect,
    MarkMatch,
    MarkOf,
    MarkWrite,
    Plainly,
    QueueUse,
    Rule,
    Ruleset,
)
from dpi.enforce.names import CHAIN


def tables(saved: str) -> list[str]:
    """The tables that are shown."""
    return [line[1:].strip() for line in saved.splitlines() if line.startswith("*")]


def parse(saved: str, program: str) -> Ruleset:
    """`program` is what printed it, for saying where a rule is."""
    found = Ruleset()
    table = ""
    rules: list[tuple[str, str, list[str]]] = []  # table, chain, words
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            if rest.startswith("DROP"):
                found.dropping.append(
                    Dropping(f"{program.removesuffix('-save')} table {table}, chain {name}", name.lower())
                )
        elif line.startswith("-A "):
            words = _words(line)
            if len(words) > 1 and CHAIN not in (words[1], words[-1]):  # ours, and what leads to it
                rules.append((table, words[1], words[2:]))
    hooks = _hooks(rules)
    for table, chain, words in rules:
        effects = tuple(_effects(words))
        if effects:
            tool = program.removesuffix("-save")
            where = f"{tool} table {table}, chain {chain}: {' '.join(words)}"
            found.rules.append(
                Rule(where, f"{tool} -t {table} -S {chain}", hooks.get((table, chain), frozenset()), effects)
            )
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


BUILT_IN = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}


def _hooks(rules: list[tuple[str, str, list[str]]]) -> dict[tuple[str, str], frozenset[str]]:
    """(table, chain) → the hooks from which it can be reached."""
    jumps = {
        ((table, chain), (table, target))
        for table, chain, words in rules
        for option, target in pairwise(words)
        if option in ("-j", "-g")
    }
    hooks = {end: {end[1].lower()} if end[1] in BUILT_IN else set[str]() for jump in jumps for end in jump}
    hooks |= {(t, c): {c.lower()} for t, c, _ in rules if c in BUILT_IN}
    changed = True
    while changed:
        changed = False
        for come, go in jumps:
            more = hooks[come] - hooks[go]
            if more:
                hooks[go] |= more
                changed = True
    return {chain: frozenset(found) for chain, found in hooks.items()}


def _effects(words: list[str]) -> Iterator[Effect]:
    target, matched, negated = "", "", False
    options: dict[str, str] = {}
    for i, word in enumerate(words):
        after = words[i + 1] if i + 1 < len(words) else ""
        if word == "-j":
            target = after
        elif target and word.startswith("--"):
            options[word] = after
        elif word == "-m":
            matched = after
        elif word == "--mark" and matched in ("mark", "connmark"):
            value, mask = pair(after)
            of: MarkOf = "packet" if matched == "mark" else "connection"
            yield MarkMatch(of, mask, mask if negated else value & mask)
        negated = word == "!"
    yield from _target(target, options)


def _target(target: str, options: dict[str, str]) -> Iterator[Effect]:
    if target in ("MARK", "CONNMARK"):
        of: MarkOf = "packet" if target == "MARK" else "connection"
        for option in ("--set-xmark", "--set-mark"):
            if option in options:
                value, mask = pair(options[option])
                yield MarkWrite(of, mask | value, value)
        nf, ct = (int(options.get(o, "0xffffffff"), 0) & ALL for o in ("--nfmask", "--ctmask"))
        if "--save-mark" in options:  # connection = (connection & ~ctmask) ^ (packet & nfmask)
            yield MarkWrite("connection", ct | nf, nf & ~ct, nf & ct)
        if "--restore-mark" in options:
            yield MarkWrite("packet", nf | ct, ct & ~nf, nf & ct)
    elif target == "TPROXY" and "--tproxy-mark" in options:
        value, mask = pair(options["--tproxy-mark"])
        if value | mask and options["--tproxy-mark"] != "0x0/0x0":
            yield MarkWrite("packet", mask | value, value)
    elif target == "HMARK":
        yield MarkWrite("packet", ALL, ALL)
    elif target == "NFQUEUE":
        first, _, last = options.get("--queue-balance", options.get("--queue-num", "0")).partition(":")
        yield QueueUse(int(first), int(last or first))
    elif target == "CLASSIFY":
        yield Plainly("priority")
    elif target == "NOTRACK" or (target == "CT" and "--notrack" in options):
        yield Plainly("untracked")
    elif target == "FLOWOFFLOAD":
        yield Plainly("flowtable")
    elif target == "TCPMSS":
        yield Plainly("clamp")


def pair(text: str) -> tuple[int, int]:
    """VALUE/MASK; without a mask, all bits."""
    value, _, mask = text.partition("/")
    return int(value, 0) & ALL, int(mask, 0) & ALL if mask else ALL
