"""Which flows are asked for: by an address, by one end or both, by a host name or a MAC address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from dpi.errors import UsageError
from dpi.policy import link_layer
from dpi.record.fields import FlowRecord


def flow_id(record: FlowRecord) -> str:
    """`tcp:10.0.0.5:51234-198.51.100.7:443`; what `dpi why` takes."""
    return f"{record.l4}:{'-'.join(_ends(record))}"


def local(record: FlowRecord) -> str:
    """The address behind the LAN; of who opened where that is not known."""
    return record.dst if record.direction == "in" else record.src


@dataclass(frozen=True, slots=True)
class Wanted:
    """text: in lower case.  address, mac: where it is one, as records spell them."""

    text: str
    address: str | None
    mac: str | None

    @classmethod
    def of(cls, what: str) -> Self:
        """Raises UsageError where nothing is asked for."""
        text = what.strip().lower()
        if not text:
            raise UsageError("why what?  A flow, a host name, an address or a subscriber")
        return cls(text, _address(text), _mac(text))

    def takes(self, record: FlowRecord) -> bool:
        """A flow's id may be given from either side."""
        if self.mac:
            return record.mac == self.mac
        if self.address:
            return self.address in (record.src, record.dst)
        one, other = _ends(record)
        if self.text in (one, other, f"{record.l4}:{one}-{other}", f"{record.l4}:{other}-{one}"):
            return True
        name = record.hostname
        return name is not None and (name == self.text or name.endswith("." + self.text))


def _ends(record: FlowRecord) -> tuple[str, str]:
    return _end(record.src, record.sport), _end(record.dst, record.dport)


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _mac(text: str) -> str | None:
    try:
        return link_layer.mac(text)
    except ValueError:
        return None
