"""Reads `signatures` of a label: what its bytes look like, as dissect/declaration.py has it.

The format is described in docs/reference/signatures.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import yaml

from dpi.dissect.declaration import ENOUGH, ENOUGH_OF_BOTH, ENOUGH_WITH_PORT, Declaration, Host, Length, Part, Sender
from dpi.match.nodes import Nodes, Pair, parse_span
from dpi.match.words import SourceFile

SIGNATURES_MAX = 64  # of a label
PARTS_MAX = 8
BYTES_MAX = 64  # of a part
OFFSET_MAX = 1400  # what one packet has
WITHIN_MAX = 512
WITHIN = 256  # where `after` is searched, if nothing is said
PORTS_MAX = 1024
TRANSPORTS = {"tcp": 6, "udp": 17}
_KEYS = ("transport", "ports", "from", "packet", "length", "length_field", "bytes", "both", "host")
_PART = ("at", "within", "after", "hex", "mask", "text")
_HOST = ("at", "after", "until", "size")


def declarations(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> list[tuple[yaml.Node, Declaration]]:
    """Each with the node that it was read from; those that are wrong are findings and left out."""
    found = []
    for number, item in enumerate(nodes.items(file, node, path, SIGNATURES_MAX)):
        before = len(nodes.findings)
        one = _declaration(nodes, file, item, f"{path}[{number}]")
        if len(nodes.findings) == before:
            found.append((item, one))
    return found


def _declaration(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Declaration:
    before = len(nodes.findings)
    pairs = nodes.mapping(file, node, path, _KEYS)
    where = f"{file.path}:{node.start_mark.line + 1}"
    transports: tuple[int, ...] = ()
    if "transport" in pairs:
        transports = tuple(_transports(nodes, file, pairs["transport"].value, f"{path}.transport"))
    else:
        nodes.finding(file, node, path, "needs a transport: tcp, udp, or both")
    one = Declaration(0, False, transports, (), where=where)
    if "ports" in pairs:
        one = replace(one, ports=tuple(_ports(nodes, file, pairs["ports"].value, f"{path}.ports")))
    if "from" in pairs:
        sender = nodes.choice(file, pairs["from"].value, f"{path}.from", ("either", "client", "server"))
        one = replace(one, sender=cast(Sender, sender))
    if "packet" in pairs:
        if 6 in transports:
            nodes.finding(file, pairs["packet"].key, f"{path}.packet", "TCP is a stream: only UDP has numbered packets")
        one = replace(one, packets=nodes.span(file, pairs["packet"].value, f"{path}.packet", 1, 255))
    if "length" in pairs:
        one = replace(one, length=nodes.span(file, pairs["length"].value, f"{path}.length", 1, 65535))
    if "length_field" in pairs:
        one = replace(one, counted=_length(nodes, file, pairs["length_field"].value, f"{path}.length_field"))
    if "both" in pairs:
        one = replace(one, both=nodes.flag(file, pairs["both"].value, f"{path}.both"))
        if one.both and one.sender != "either":
            nodes.finding(file, pairs["both"].key, f"{path}.both", f"both sides, and only the {one.sender}")
    if "host" in pairs:
        one = replace(one, host=_host(nodes, file, pairs["host"].value, f"{path}.host"))
    if "bytes" in pairs:
        items = nodes.items(file, pairs["bytes"].value, f"{path}.bytes", PARTS_MAX)
        parts = [_part(nodes, file, item, f"{path}.bytes[{i}]") for i, item in enumerate(items)]
        one = replace(one, parts=tuple(part for part in parts if part))
        _contradictions(nodes, file, pairs["bytes"], f"{path}.bytes", one)
    if len(nodes.findings) == before and one.evidence < one.needed:
        nodes.finding(
            file,
            node,
            path,
            f"{one.evidence} bits of evidence, {one.needed} are needed: {ENOUGH} alone, {ENOUGH_WITH_PORT} with "
            f"`ports`, {ENOUGH_OF_BOTH} of each side with `both: true`; fix more bytes",
        )
    return one


def _transports(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Iterator[int]:
    words = nodes.text(file, node, path).split()
    if not words or len(set(words)) < len(words) or not set(words) <= TRANSPORTS.keys():
        nodes.finding(file, node, path, "tcp, udp, or both with a blank between is needed here")
        return
    yield from (TRANSPORTS[word] for word in words)


def _ports(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Iterator[tuple[int, int]]:
    spans = [parse_span(word, 65535) for word in nodes.text(file, node, path).split()]
    good = [span for span in spans if span and 1 <= span[0] <= span[1] <= 65535]
    if not spans or len(good) < len(spans):
        nodes.finding(file, node, path, "ports are 1 to 65535, as PORT or FIRST-LAST, with blanks between")
    elif sum(last - first + 1 for first, last in good) > PORTS_MAX:
        nodes.finding(file, node, path, f"more than {PORTS_MAX} ports say nothing")
    else:
        yield from good


def _length(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Length | None:
    pairs = nodes.mapping(file, node, path, ("at", "size", "counts_from", "order"))
    if "at" not in pairs or "size" not in pairs:
        nodes.finding(file, node, path, "needs `at` and `size`")
        return None
    at = nodes.number(file, pairs["at"].value, f"{path}.at", 0, OFFSET_MAX)
    size = nodes.number(file, pairs["size"].value, f"{path}.size", 1, 4)
    counts_from, order = at + size, "big"
    if "counts_from" in pairs:
        counts_from = nodes.number(file, pairs["counts_from"].value, f"{path}.counts_from", 0, OFFSET_MAX)
    if "order" in pairs:
        order = nodes.choice(file, pairs["order"].value, f"{path}.order", ("big", "little"))
    return Length(at, size, counts_from, order == "little")


def _host(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Host | None:
    pairs = nodes.mapping(file, node, path, _HOST)
    if not pairs.keys() & {"at", "after"}:
        nodes.finding(file, node, path, "needs `at` or `after`")
    if {"until", "size"} <= pairs.keys():
        nodes.finding(file, pairs["until"].key, path, "either `until` or `size`")
    host = Host()
    if "at" in pairs:
        host = replace(host, at=nodes.number(file, pairs["at"].value, f"{path}.at", 0, OFFSET_MAX))
    if "size" in pairs:
        host = replace(host, size=nodes.number(file, pairs["size"].value, f"{path}.size", 1, 2))
    if "after" in pairs:
        host = replace(host, after=_bytes(nodes, file, pairs["after"].value, f"{path}.after"))
    if "until" in pairs:
        host = replace(host, until=_bytes(nodes, file, pairs["until"].value, f"{path}.until"))
    return host


def _part(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> Part | None:
    pairs = nodes.mapping(file, node, path, _PART)
    if ("hex" in pairs) == ("text" in pairs):
        nodes.finding(file, node, path, "needs either `hex` or `text`")
        return None
    if "text" in pairs:
        data = _bytes(nodes, file, pairs["text"].value, f"{path}.text")
        mask = b"\xff" * len(data)
    else:
        data, mask = _hex(nodes, file, pairs["hex"].value, f"{path}.hex")
    if "mask" in pairs:
        more, whole = _hex(nodes, file, pairs["mask"].value, f"{path}.mask")
        if len(more) != len(data) or whole.strip(b"\xff"):
            nodes.finding(file, pairs["mask"].value, f"{path}.mask", f"{len(data)} bytes of hex are needed, without ?")
        else:
            mask = bytes(a & b for a, b in zip(mask, more, strict=True))
    if data and not any(mask):
        nodes.finding(file, node, path, "fixes no bit")
    part = Part(bytes(a & b for a, b in zip(data, mask, strict=True)), mask)
    if "at" in pairs:
        part = replace(part, at=nodes.number(file, pairs["at"].value, f"{path}.at", 0, OFFSET_MAX))
    if "after" in pairs:
        after = _bytes(nodes, file, pairs["after"].value, f"{path}.after")
        part = replace(part, after=after, within=part.at + WITHIN)
    if "within" in pairs:
        part = replace(part, within=nodes.number(file, pairs["within"].value, f"{path}.within", 1, WITHIN_MAX))
    if part.within and part.within < part.at + len(part.searched):
        nodes.finding(file, node, path, f"the first {part.within} bytes have no room for it")
    if not part.within and "at" not in pairs:
        nodes.finding(file, node, path, "needs a place: `at`, `within` or `after`")
    return part


def _bytes(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> bytes:
    """A text as it stands, in UTF-8; or {hex: …}."""
    if isinstance(node, yaml.MappingNode):
        pairs: dict[str, Pair] = nodes.mapping(file, node, path, ("hex",))
        if "hex" not in pairs:
            nodes.finding(file, node, path, "a text or {hex: …} is needed here")
            return b""
        data, mask = _hex(nodes, file, pairs["hex"].value, f"{path}.hex")
        if mask.strip(b"\xff"):
            nodes.finding(file, node, path, "each digit must be given here")
        return data
    try:
        data = node.value.encode() if isinstance(node, yaml.ScalarNode) else b""
    except UnicodeEncodeError:
        data = b""
    if 1 <= len(data) <= BYTES_MAX:
        return data
    nodes.finding(file, node, path, f"a text of 1 to {BYTES_MAX} bytes is needed here")
    return b""


def _hex(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> tuple[bytes, bytes]:
    """Bytes and mask: pairs of hexadecimal digits, `?` for a digit that does not matter; blanks are free."""
    digits = "".join(node.value.split()) if isinstance(node, yaml.ScalarNode) else ""
    if not re.fullmatch(r"(?:[0-9A-Fa-f?]{2})+", digits) or len(digits) > 2 * BYTES_MAX:
        nodes.finding(file, node, path, f"1 to {BYTES_MAX} bytes in hexadecimal are needed here, ? for any digit")
        return b"", b""
    data = bytes.fromhex(digits.replace("?", "0"))
    return data, bytes.fromhex(re.sub("[^?]", "f", digits).replace("?", "0"))


def _contradictions(nodes: Nodes, file: SourceFile, pair: Pair, path: str, one: Declaration) -> None:
    """Parts that fix different values of the same bits: nothing could ever look so."""
    seen: dict[int, tuple[int, int]] = {}
    for part in one.parts:
        if part.within:
            continue
        for at, byte, mask in zip(range(part.at, part.at + len(part.data)), part.data, part.mask, strict=True):
            value, known = seen.get(at, (0, 0))
            if (value ^ byte) & mask & known:
                nodes.finding(file, pair.value, path, f"says two things of the byte at {at}")
                return
            seen[at] = value | byte, known | mask
