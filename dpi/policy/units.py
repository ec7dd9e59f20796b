"""Units and other small spellings of a policy, each from text to its value.

Rates, sizes and times are spelled as tc(8) spells them, with two exceptions, both because the tc spelling is
a trap: `8mbps` is 8 mega*bytes* a second to tc and is refused here, and a bare number is refused where its unit
would have to be guessed.  Every function raises ValueError with a text fit to stand in a finding.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
_RATE = re.compile(_NUMBER + r"\s*([a-z]+|%)", re.IGNORECASE)
_SIZE = re.compile(_NUMBER + r"\s*([a-z]*)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")

RATE_UNITS = {
    "bit": 1,
    "kbit": 10**3,
    "mbit": 10**6,
    "gbit": 10**9,
    "tbit": 10**12,
    "kibit": 2**10,
    "mibit": 2**20,
    "gibit": 2**30,
}
SIZE_UNITS = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "m": 2**20, "mb": 2**20, "g": 2**30, "gb": 2**30}
VOLUME_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

# RFC 2474 (CS), 2597 (AF), 3246 (EF), 5865 (VA), 8622 (LE)
DSCP_NAMES = (
    {f"cs{n}": n * 8 for n in range(8)}
    | {f"af{c}{d}": c * 8 + d * 2 for c in (1, 2, 3, 4) for d in (1, 2, 3)}
    | {"ef": 46, "va": 44, "le": 1, "be": 0, "default": 0}
)


@dataclass(frozen=True)
class Rate:
    """Bits a second, or a share of the link's rate where `percent` is given."""

    bits: int = 0
    percent: float | None = None

    def of(self, link: int) -> int:
        """Bits a second on a link of so many."""
        return self.bits if self.percent is None else round(link * self.percent / 100)


def rate(value: object) -> Rate:
    """`8mbit`, `1.5gbit`, `200kbit`, `20%`."""
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no rate; write 8mbit, 200kbit, 1gbit or 20%")
    number, unit = float(found[1]), found[2].lower()
    if unit == "%":
        if not 0 < number <= 100:
            raise ValueError(f"{value} is not between 0% and 100% of the link")
        return Rate(percent=number)
    if unit.endswith("bps"):
        raise ValueError(f"{value}: tc reads {unit} as bytes a second; write the rate in bits, as in 8mbit")
    if unit not in RATE_UNITS:
        raise ValueError(f"unit {found[2]!r} of {value!r} is not one of {', '.join(RATE_UNITS)} or %")
    bits = round(number * RATE_UNITS[unit])
    if not 8 <= bits <= 10**13:
        raise ValueError(f"{value} is not between 8bit and 10tbit")
    return Rate(bits)


def link_rate(value: object) -> int:
    """A rate that cannot be a share, in bits a second."""
    parsed = rate(value)
    if parsed.percent is not None:
        raise ValueError(f"{value}: the link's own rate cannot be a share")
    return parsed.bits


def size(value: object) -> int:
    """Bytes: `15k`, `32kb`, `1m`, `1514`.  As with tc, k is 1,024."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2].lower() not in SIZE_UNITS:
        raise ValueError(f"{value!r} is no size; write 15k, 32kb, 1m, or a number of bytes")
    count = round(float(found[1]) * SIZE_UNITS[found[2].lower()])
    if not 0 < count <= 2**40:
        raise ValueError(f"{value} is not between 1 byte and 1,024g")
    return count


def volume(value: object) -> int:
    """Bytes: `50g`, `1.5t`, `500m`.  k is 1,024, as in size()."""
    found = _SIZE.fullmatch(str(value).strip()) if isinstance(value, int | str) and value is not True else None
    unit = found[2].lower().removesuffix("b") if found else ""
    if found is None or unit not in VOLUME_UNITS:
        raise ValueError(f"{value!r} is no volume; write 500m, 50g or 1t")
    count = round(float(found[1]) * VOLUME_UNITS[unit])
    if not 0 < count <= 2**60:
        raise ValueError(f"{value} is not between 1 byte and 1,048,576t")
    return count


def share(value: object) -> float:
    """`80%` as 0.8."""
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] != "%" or not float(found[1]) > 0:
        raise ValueError(f"{value!r} is no share; write 80%")
    return float(found[1]) / 100


def period(value: object) -> str | float:
    """`day`, `week`, `month`, or a time that rolls, in seconds."""
    if value in ("day", "week", "month"):
        return str(value)
    try:
        span = seconds(value)
    except ValueError:
        raise ValueError(f"{value!r} is no period; write day, week, month, or a time that rolls, as in 24h") from None
    if span < 60:
        raise ValueError(f"{value} is less than a minute")
    return span


def seconds(value: object) -> float:
    """`10ms`, `5s`, `2min`, `6h`, `1d`."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2].lower() not in TIME_UNITS:
        raise ValueError(f"{value!r} is no time; write 500ms, 5s, 10min, 6h or 1d")
    span = float(found[1]) * TIME_UNITS[found[2].lower()]
    if not 0 < span <= 10 * 365 * 86400:
        raise ValueError(f"{value} is not between 1us and ten years")
    return span


def dscp(value: object) -> int:
    """A code point: `46` or `ef`."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= 63:
            return value
        raise ValueError(f"{value} is no DSCP; they go from 0 to 63")
    if isinstance(value, str) and value.lower() in DSCP_NAMES:
        return DSCP_NAMES[value.lower()]
    raise ValueError(f"{value!r} is no DSCP; write 0 to 63 or a name such as ef, af41, cs1")


def dscp_name(number: int) -> str:
    """`ef` for 46; the number where it has no name."""
    return next((name for name, n in DSCP_NAMES.items() if n == number), str(number))


def ports(value: object) -> tuple[int, int]:
    """`443` or `8000-8100`, inclusive."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = re.fullmatch(r"(\d{1,6})(?:\s*-\s*(\d{1,6}))?", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no port; write 443 or 8000-8100")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise ValueError(f"{value} is no port; they go from 1 to 65535")
    if first > last:
        raise ValueError(f"{value}: the range ends before it begins; write {last}-{first}")
    return first, last


def network_number(prefix: str) -> tuple[int, int, int]:
    """(version, bits that count, address) of a prefix in its canonical spelling."""
    text, _, bits = prefix.partition("/")
    version, family = (6, socket.AF_INET6) if ":" in text else (4, socket.AF_INET)
    return version, int(bits), int.from_bytes(socket.inet_pton(family, text), "big")


def _plain_prefix(value: str) -> str | None:
    """What prefix() gives, for what is spelled as it would spell it; ten times as fast, as lists have thousands."""
    text, slash, bits = value.partition("/")
    family, size = (socket.AF_INET6, 128) if ":" in text else (socket.AF_INET, 32)
    if slash and not (bits.isascii() and bits.isdecimal() and bits == str(int(bits)) and int(bits) <= size):
        return None
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: a zero byte in it
        return None
    length = int(bits) if slash else size
    mapped = family == socket.AF_INET6 and packed[:10] == bytes(10)  # the two spell these otherwise
    if mapped or int.from_bytes(packed, "big") & ((1 << size - length) - 1) or socket.inet_ntop(family, packed) != text:
        return None
    return f"{text}/{length}"


def prefix(value: object) -> str:
    """An address or a prefix of either family, in its canonical spelling, always with a length."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no address or prefix")
    if (plain := _plain_prefix(value)) is not None:
        return plain
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is no address or prefix") from None
    raise ValueError(f"{value} has host bits set; write {network} for the network, or the address alone")


def address(value: object) -> str:
    """An IPv4 or IPv6 address in its canonical spelling."""
    try:
        if not isinstance(value, str):
            raise ValueError
        parsed = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is no address") from None
    if parsed.is_unspecified or parsed.is_multicast:
        raise ValueError(f"{value} cannot be the address of a host")
    return str(parsed)


def host_pattern(value: object) -> str:
    """`example.org` (it and all below), `*.example.org` (below only), `=example.org` (it alone).

    Lower case, without a trailing dot; names beyond ASCII in the form that DNS and TLS carry (RFC 5891).
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no host name")
    text = value.strip().lower()
    kind = "*." if text.startswith("*.") else "=" if text.startswith("=") else ""
    name = text[len(kind) :].rstrip(".")
    if "*" in name or "?" in name:
        raise ValueError(f"{value!r}: a star can only stand for the first part, as in *.example.org")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            raise ValueError(f"{value!r} is no host name") from None
    if "/" in name or ":" in name or re.fullmatch(r"[\d.]+", name):
        raise ValueError(f"{value!r} is no host name; addresses go under remote or local")
    if len(name) > 253 or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        raise ValueError(f"{value!r} is no host name")
    return kind + name


def rate_text(bits: int) -> str:
    """The shortest exact spelling: `8mbit`, `1.5mbit`."""
    for unit in ("tbit", "gbit", "mbit", "kbit"):
        thousandths, rest = divmod(bits * 1000, RATE_UNITS[unit])
        if thousandths >= 1000 and rest == 0:
            return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".") + unit
    return f"{bits}bit"


def size_text(count: int) -> str:
    """`15k`, `1m`, `1514`."""
    for unit in ("g", "m", "k"):
        if count and count % SIZE_UNITS[unit] == 0:
            return f"{count // SIZE_UNITS[unit]}{unit}"
    return str(count)


def seconds_text(span: float) -> str:
    """`6h`, `5s`, `500ms`."""
    for unit in ("d", "h", "min", "s", "ms"):
        count = span / TIME_UNITS[unit]
        if count >= 1 and abs(count - round(count)) < 1e-9:
            return f"{round(count)}{unit}"
    return f"{round(span * 1e6)}us"
