"""What a flow shows, what each method means, and which line of which signature file names what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dpi.dissect.risks import BY_SLUG
from dpi.match.addresses import pack
from dpi.match.labels import Entry, Signatures
from dpi.match.ports import parse
from dpi.match.programs import entry_of
from dpi.record.fields import FlowRecord
from dpi.why.taught import NUMBERS, Taught, words
from dpi.why.wanted import flow_id

# method → what was seen that names so; docs/reference/naming.md has more
MEANS = {
    "rule": "a rule of the signature files holds for all that is known of the flow",
    "sni": "the server name in the client's hello of TLS or DTLS",
    "quic-sni": "the server name in the client's hello of QUIC",
    "http-host": "the host that an HTTP request asks for",
    "dns-query": "the name that this very flow asks DNS for",
    "signature": "the format of its payload",
    "certificate": "the server's certificate",
    "dns": "a DNS answer gave the server's address for that name",
    "known-server": "another flow showed whose it is at this address and port",
    "program": "the client's program, by the start of its user agent",
    "behaviour": "its shape: sizes, bursts or the clock of its packets",
    "prefix": "whose network the address is of",
    "neighbour": "this client found it, and no other app, at this address or beside it",
    "fingerprint": "this client has used it, and no other app, with this JA4",
    "port": "what its port is registered for; nothing that was seen",
}
BY_NAME = ("sni", "quic-sni", "http-host", "dns-query", "dns", "certificate", "known-server")  # these gave the name too


def shown(record: FlowRecord, signatures: Signatures, known: Taught | None) -> dict[str, Any]:
    """{"id", "means": what the method means, "evidence": lines, "why_risky": a line for each risk}"""
    return {
        "id": flow_id(record),
        "means": MEANS[record.method] if record.method else None,
        "evidence": list(evidence(record, signatures, known)),
        "why_risky": [f"{slug} ({BY_SLUG[slug].score}): {BY_SLUG[slug].meaning}" for slug in record.risks],
    }


def evidence(record: FlowRecord, signatures: Signatures, known: Taught | None = None) -> Iterator[str]:
    """What is known of a flow, a line each; known: what had been told of its server."""
    if record.hostname:
        how = ", which names no app" if record.method == "program" else ""
        yield f"name {record.hostname}" + (f", by {record.method}" if record.method in BY_NAME else how)
        hit = signatures.hosts.match(record.hostname)
        if hit is not None:
            yield names(signatures.host_entry(hit.entry))
    if known and record.protocol != "dns" and (known.to != "server" or record.method == "known-server"):
        yield words(known, record)
    if record.method == "rule" and (found := rule_of(record, signatures)):
        yield f"a rule names {found[0]} ({found[1]})"
    if record.method == "program":
        program = signatures.hosts.match(entry_of(record.agent or ""))
        if program is not None:
            yield f"its program is {names(signatures.host_entry(program.entry), ', which names')}"
    if record.method == "signature":
        label = signatures.by_slug.get(record.app or record.protocol)
        yield from (
            f"its bytes are as declared ({where})" for where in signatures.declared_at(label.id if label else 0)
        )
    yield from _by_address(record, signatures)
    yield from _by_port(record, signatures)
    for what, value in (
        ("protocol", "" if record.protocol == "unknown" else record.protocol),
        ("TLS version offered", record.tls_version),
        ("ALPN", record.alpn),
        ("JA4", record.ja4),
        ("HASSH", record.hassh),
        ("HASSH of the server", record.hassh_server),
        ("QUIC version", record.quic_version),
        ("user agent", record.agent),
    ):
        if value:
            yield f"{what} {value}"
    if record.ech:
        # RFC 9849: 6.1, the name is a cover; 6.2, browsers send the extension (GREASE) where they have no key, too.
        yield "the hello has the extension of ECH, which browsers send also where they hide nothing: " + (
            "the name is DNS'" if record.method == "dns" else "the name may be a cover"
        )


def names(entry: Entry, verb: str = " names") -> str:
    """`` `netflix.com` names netflix (video.yaml:10) ``"""
    return f"`{entry.text}`{verb} {entry.label.slug} ({entry.where})"


def rule_of(record: FlowRecord, signatures: Signatures) -> tuple[str, str] | None:
    """The app and the place of the rule of the signature files that holds for a flow."""
    spoken = signatures.by_slug.get(record.protocol)
    number = signatures.rules.ask(
        protocol=spoken.id if spoken else 0,
        host=(record.hostname or "").encode(),
        ja4=(record.ja4 or "").encode(),
        alpn=(record.alpn or "").encode(),
        remote=pack(record.dst),
        port=record.dport,
        proto=NUMBERS.get(record.l4, 0),
    )
    return None if number is None else signatures.rule_at(number)


def _by_address(record: FlowRecord, signatures: Signatures) -> Iterator[str]:
    """Whose network the server is in; where that is nobody's, and yet named the flow, the client."""
    for address in (record.dst, record.src) if record.method == "prefix" else (record.dst,):
        hit = signatures.prefixes.match(address)
        if hit is not None:
            entry = signatures.prefix_entry(hit.entry)
            yield f"{address} is in {names(entry, ' of')}"
            return


def _by_port(record: FlowRecord, signatures: Signatures) -> Iterator[str]:
    """The entry of the port that is registered for what the flow is taken for: the server's, else the client's."""
    label = signatures.by_slug.get(record.protocol)
    if record.method != "port" or label is None:
        return
    for port in (record.dport, record.sport):
        for entry in signatures.entries(label, "ports"):
            transport, first, last = parse(entry.text)
            if transport == record.l4 and first <= port <= last:
                yield f"port {names(entry, ' is registered for')}"
                return
