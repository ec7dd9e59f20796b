"""Other software's rules that use our bits of the marks, our queues, or take packets past us.

Marks are one word that everybody shares.  Who sets it whole wipes our bits; who uses some of our bits for its
own ends takes our marks for its own, and the other way round.  Rules are read as text, in what `nft` and
`iptables-save` print; what they do is not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpi.enforce.doctor.finding import Finding, ok
from dpi.enforce.names import CHAIN, TABLE
from dpi.enforce.run import attempt
from dpi.policy.plan import KernelPlan, MarkLayout

WHOLE = 0xFFFFFFFF
NUMBER = r"(0x[0-9a-fA-F]+|\d+)"


def examine(plan: KernelPlan | None) -> Iterator[Finding]:
    mask = (plan.marks if plan else MarkLayout()).mask
    old = iptables_rules()
    # iptables' rules stand in nf_tables too, less legible: there only what iptables does not print is read.
    printed = {f"nft {FAMILIES[tool]} {table} " for tool, table in (where.split() for where, _ in old)}
    rules = [r for r in nft_rules() if not r[0].startswith(tuple(printed)) and not r[0].endswith(f" {CHAIN}")] + old
    found = [*mark_clashes(mask, rules), *rule_clashes(mask)]
    yield from found or [ok("marks", f"nobody else uses the bits of {mask:#010x}")]
    if plan:
        yield from queue_clashes(plan, rules)
    yield from untracked(rules)
    code, listing, _ = attempt(["nft", "list", "flowtables"])
    yield from flowtables(plan, listing if code == 0 else "")


FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}
Rule = tuple[str, str]  # where, text


def nft_rules() -> list[Rule]:
    """Rules of all tables but ours."""
    code, listing, _ = attempt(["nft", "-s", "list", "ruleset"])
    return parse_nft(listing) if code == 0 else []


def parse_nft(listing: str) -> list[Rule]:
    rules: list[Rule] = []
    table = chain = ""
    for line in listing.splitlines():
        if opened := re.match(r"table (\S+ \S+) \{", line):
            table, chain = opened[1], ""
        elif opened := re.match(r"\t(?:chain|map|set|flowtable) (\S+) \{", line):
            chain = opened[1]
        elif line.startswith("\t\t") and table.split()[-1] != TABLE and not line.startswith("\t\ttype "):
            rules.append((f"nft {table} {chain}", line.strip()))
    return rules


def iptables_rules() -> list[Rule]:
    rules = []
    for tool in FAMILIES:
        try:
            code, saved, _ = attempt([f"{tool}-save"])
        except Exception:  # not installed: no rules
            continue
        table = ""
        for line in saved.splitlines() if code == 0 else []:
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith("-A") and CHAIN not in line:
                rules.append((f"{tool} {table}", line))
    return rules


def mark_clashes(mask: int, rules: list[Rule]) -> Iterator[Finding]:
    seen = set()
    for where, text in rules:
        touched = touched_bits(text)
        if touched & mask and (where, text) not in seen:
            seen.add((where, text))
            whole = touched == WHOLE
            yield Finding(
                "warning",
                "marks",
                f"{where}: `{text}` uses {'the whole mark' if whole else f'bits {touched & mask:#010x} of ours'}",
                "flows lose what was decided of them, or are taken for another's",
                "give that rule a mask without ours, or set `marks: {mask: …}` to bits that are free",
            )


def touched_bits(text: str) -> int:
    """The bits of a mark that a rule sets or asks for; 0 when it has nothing to do with marks."""
    touched = 0
    # nft: `meta mark & M == V`, `ct mark set ct mark & ~M | V`, `meta mark V`, `meta mark set V`
    before = ""
    for part in re.split(r"(?=\b(?:ct|meta) mark\b)", text):
        operand, before = before.rstrip().endswith(" set"), part  # what a mark is set to, read with that mark
        if operand or not re.match(r"(?:ct|meta) mark\b", part):
            continue
        rest = re.sub(r"^(?:ct|meta) mark\s*", "", part)
        if re.match(r"set\s*$", rest):
            touched |= _set_bits(text[text.index(part) :])
        elif m := re.match(rf"(?:and|&) {NUMBER}", rest):
            touched |= _number(m[1])
        elif re.match(rf"set|vmap|@|(?:== |!= )?{NUMBER}", rest):
            touched |= WHOLE
    # iptables: --set-mark V[/M], --set-xmark V[/M], --or-mark, --and-mark, --mark V[/M], CONNMARK's masks
    for option, value, _, under in re.findall(
        rf"--(set-x?mark|mark|or-mark|xor-mark|and-mark) {NUMBER}(/{NUMBER})?", text
    ):
        if option == "and-mark":
            touched |= ~_number(value) & WHOLE
        elif option in ("or-mark", "xor-mark"):
            touched |= _number(value)
        else:
            touched |= _number(under) if under else WHOLE
    if re.search(r"--(save|restore)-mark", text):
        masks = re.findall(rf"--(?:nf|ct)?mask {NUMBER}", text)
        touched |= _number(masks[-1]) if masks else WHOLE
    return touched


def _set_bits(text: str) -> int:
    """Of `… mark set X mark & K | V`: the bits that change."""
    m = re.search(rf"mark set (?:ct|meta) mark(?: & {NUMBER})?(?: \| {NUMBER})?(?: \^ {NUMBER})?", text)
    if not m:
        return WHOLE
    kept, ored, flipped = m.groups()
    same = re.search(r"(ct|meta) mark set (ct|meta) mark", text)
    if same and same[1] != same[2]:
        return WHOLE  # one mark copied over the other
    bits = ~_number(kept) & WHOLE if kept else 0
    return bits | (_number(ored) if ored else 0) | (_number(flipped) if flipped else 0)


def _number(text: str) -> int:
    return int(text, 0) & WHOLE if text.startswith("0x") else int(text) & WHOLE


def rule_clashes(mask: int) -> Iterator[Finding]:
    for family in ("-4", "-6"):
        _, listing, _ = attempt(["ip", family, "rule"])
        for line in listing.splitlines():
            m = re.search(rf"fwmark {NUMBER}(?:/{NUMBER})?", line)
            if m and "proto 209" not in line and (_number(m[2]) if m[2] else WHOLE) & mask:
                yield Finding(
                    "warning",
                    "marks",
                    f"ip {family} rule: `{' '.join(line.split())}` looks at bits of ours",
                    "packets of decided flows do not match it, or match it unmeant",
                    "give it a mask without ours (fwmark VALUE/MASK), or set `marks: {mask: …}`",
                )


def queue_clashes(plan: KernelPlan, rules: list[Rule]) -> Iterator[Finding]:
    ours = set(range(plan.queue_base, plan.queue_base + plan.queues))
    for where, text in rules:
        m = re.search(
            r"queue (?:flags \S+ )?(?:to|num) (\d+)(?:-(\d+))?|--queue-(?:num|balance) (\d+)(?::(\d+))?", text
        )
        if not m:
            continue
        first = int(m[1] or m[3])
        last = int(m[2] or m[4] or first)
        if ours & set(range(first, last + 1)):
            yield Finding(
                "error",
                "queue",
                f"{where}: `{text}` uses a queue of ours",
                "a queue has one reader: one of the two programs cannot start",
                "set `queue: {base: …}` to numbers that are free",
            )


def untracked(rules: list[Rule]) -> Iterator[Finding]:
    for where, text in rules:
        if re.search(r"\bnotrack\b|-j NOTRACK|-j CT --notrack", text):
            yield Finding(
                "warning",
                "conntrack",
                f"{where}: `{text}` keeps packets from conntrack",
                "they have no mark to carry a decision: they are not named and take the default class",
                "leave forwarded traffic tracked",
            )


def flowtables(plan: KernelPlan | None, listing: str) -> Iterator[Finding]:
    devices = {i.name for i in plan.interfaces} if plan else set()
    for m in re.finditer(r"flowtable (\S+) \{[^}]*devices = \{([^}]*)\}", listing):
        used = {name.strip().strip('"') for name in m[2].split(",")}
        if not plan or used & devices:
            yield Finding(
                "warning",
                "flowtable",
                f"flowtable {m[1]} takes flows of {', '.join(sorted(used))} past all hooks",
                "for these flows marking, classes, counters and blocking silently stop",
                "take our interfaces out of it, or offload only what no rule of the policy is about",
            )
