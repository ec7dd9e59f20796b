"""Which flows are meant: by app or protocol, by an address at either end or the server's name."""

from __future__ import annotations

import json
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from operator import itemgetter
from typing import Any, Self

from dpi.errors import UsageError
from dpi.record.spelling import STYLES

STYLE = "jsonl"
ASKED = ("app", "protocol", "src", "dst", "hostname")  # fields of a record, as takes() is given them
_asked = itemgetter(*ASKED)


@dataclass(frozen=True, slots=True)
class Selection:
    """app: slug of an app or a protocol.  host: an address, or a host name with all below it.  "": any.

    network: where a prefix was given, which host then is not.
    """

    app: str
    host: str
    network: IPv4Network | IPv6Network | None = None

    @classmethod
    def of(cls, app: str | None, host: str | None) -> Self:
        """As people write them: an address in any spelling, a name in any case, a prefix.  Raises UsageError."""
        given = host
        host = (host or "").lower().rstrip(".")
        if "/" in host:
            try:
                return cls((app or "").lower(), "", ip_network(host, strict=False))
            except ValueError:
                host = ""
        if given and not host:
            raise UsageError(f"{given!r} is neither a host name nor an address nor a prefix")
        with suppress(ValueError):
            host = str(ip_address(host))
        return cls((app or "").lower(), host)

    def takes(self, app: str | None, protocol: str, src: str, dst: str, hostname: str | None) -> bool:
        if self.app and self.app not in (app, protocol):
            return False
        if self.network:
            return ip_address(src) in self.network or ip_address(dst) in self.network
        name = hostname or ""
        return not self.host or self.host in (src, dst, name) or name.endswith("." + self.host)


class Selected:
    """An `out` of record.lines.Lines with STYLE: hands the flows that are meant on to another, in the style wanted.

    fields: with ASKED among them.
    """

    def __init__(self, selection: Selection, style: str, fields: Sequence[str], out: Any) -> None:
        self._selection = selection
        self._style = STYLES[style]
        self._before = [(self._style.before(n, name), name) for n, name in enumerate(fields)]
        self._out = out
        self._waiting = self._style.head(fields).encode()
        self._parts = [json.dumps(word, ensure_ascii=False)[1:-1].encode() for word in (selection.app, selection.host)]

    def write(self, data: memoryview) -> int:
        app, host = self._parts
        likely = [json.loads(line) for line in bytes(data).splitlines() if app in line and host in line]
        text = "".join(self._line(flow) for flow in likely if self._selection.takes(*_asked(flow)))
        rest = memoryview(self._waiting + text.encode("utf-8", "replace"))
        self._waiting = b""
        while rest:
            n = self._out.write(rest)
            if n is None:  # somebody has made it non-blocking
                select.select([], [self._out], [])
            else:
                rest = rest[n:]
        return len(data)

    def _line(self, flow: dict[str, Any]) -> str:
        spell = self._style.spell
        return "".join(before + spell(flow[name]) for before, name in self._before) + self._style.end
