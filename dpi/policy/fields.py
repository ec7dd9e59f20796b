"""The kinds of value that a policy's keys take: pydantic types over units.py, each with its JSON Schema.

No type here is a union to pydantic: a union answers one mistake with a finding for each of its branches.  What
may be written in two ways (a word or a list of them, one rate or one for each direction) is brought to one
shape first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from dpi.policy import link_layer, schedule, units

_NUMBER = r"\d+(\.\d+)?"
LINK_RATE_PATTERN = rf"^{_NUMBER} ?([kKmMgGtT]|[kKmMgG]i)?bit$"
RATE_PATTERN = rf"{LINK_RATE_PATTERN}|^{_NUMBER} ?%$"
SIZE_PATTERN = r"^\d+(\.\d+)?[kKmMgG]?[bB]?$"
TIME_PATTERN = r"^\d+(\.\d+)?(us|ms|s|m|min|h|d)$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"
DEVICE_PATTERN = r"^[^\s/:]{1,15}$"  # what the kernel takes: dev_valid_name() in net/core/dev.c


class OrMany:
    """On a list type: one value may be written without the brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        inner = handler(schema)
        return {"anyOf": [inner["items"], inner]}


class OrShort:
    """On a model: a plain value may stand for the whole; `expand` makes the mapping of it."""

    def __init__(self, expand: Callable[[Any], dict[str, Any]], short: JsonSchemaValue) -> None:
        self.expand = expand
        self.short = short

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def full(value: Any) -> Any:
            return value if isinstance(value, dict | list) or value is None else self.expand(value)

        return core_schema.no_info_before_validator_function(full, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self.short, handler(schema)]}


def _listed(value: Any) -> Any:
    if value is None or isinstance(value, list):
        return value
    return [value]


def _text(value: Any) -> Any:
    """A name or label that YAML took for a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _parsed(parse: Callable[[object], Any]) -> PlainValidator:
    def checked(value: Any) -> Any:
        if value is None:
            raise ValueError("has no value")
        return parse(value)

    return PlainValidator(checked)


def _text_schema(text: str, pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": text, "pattern": pattern, "examples": [*examples]})


def _number_or_text(text: str, low: int, high: int, pattern: str, *examples: str) -> WithJsonSchema:
    whole = {"type": "integer", "minimum": low, "maximum": high}
    word = {"type": "string", "pattern": pattern, "examples": [*examples]}
    return WithJsonSchema({"anyOf": [whole, word], "description": text})


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN), BeforeValidator(_text)]
LABEL_PATTERN = r"^[a-z0-9][a-z0-9_.+-]{0,47}$"
Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN), BeforeValidator(_text)]
Device = Annotated[str, StringConstraints(pattern=DEVICE_PATTERN)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4000)]

Rate = Annotated[
    units.Rate,
    _parsed(units.rate),
    _text_schema("A rate as tc spells it, or a share of the link", RATE_PATTERN, "8mbit", "200kbit", "20%"),
]
LinkRate = Annotated[
    int,
    _parsed(units.link_rate),
    _text_schema("A rate as tc spells it", LINK_RATE_PATTERN, "1gbit", "50mbit"),
]
URL_PATTERN = r"^(portal|https?://[!-~]{1,2000})$"
Url = Annotated[str, StringConstraints(pattern=URL_PATTERN)]

Size = Annotated[
    int,
    _parsed(units.size),
    _number_or_text("A size in bytes; k is 1,024", 1, 2**40, SIZE_PATTERN, "15k", "32kb", "100m"),
]
Seconds = Annotated[float, _parsed(units.seconds), _text_schema("A time", TIME_PATTERN, "500ms", "5s", "6h")]
Dscp = Annotated[
    int,
    _parsed(units.dscp),
    WithJsonSchema(
        {
            "description": "A DSCP: its number or name",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 63},
                {"type": "string", "enum": sorted(units.DSCP_NAMES)},
            ],
        }
    ),
]
Ports = Annotated[
    tuple[int, int],
    _parsed(units.ports),
    _number_or_text("A port or a range of ports", 1, 65535, r"^\d{1,5}( ?- ?\d{1,5})?$", "8000-8100"),
]
Prefix = Annotated[
    str,
    _parsed(units.prefix),
    _text_schema("An address or prefix, IPv4 or IPv6", r"^[0-9a-fA-F.:]+(/\d{1,3})?$", "10.1.0.0/16", "2001:db8::/32"),
]
Address = Annotated[
    str,
    _parsed(units.address),
    _text_schema("An address, IPv4 or IPv6", r"^[0-9a-fA-F.:]+$", "10.9.0.2", "2001:db8::2"),
]
Mac = Annotated[
    str,
    _parsed(link_layer.mac),
    _text_schema("A MAC address", r"^[0-9a-fA-F:.-]{14,17}$", "02:11:22:33:44:55"),
]
MacPrefix = Annotated[
    str,
    _parsed(link_layer.mac_prefix),
    _text_schema(
        "A MAC address, or the beginning of one", r"^[0-9a-fA-F:.-]{8,17}(/\d{1,2})?$", "02:11:22:33:44:55", "02:11:22"
    ),
]
HostPattern = Annotated[
    str,
    _parsed(units.host_pattern),
    _text_schema(
        "example.org (it and all below), *.example.org (below only), =example.org (it alone)",
        r"^(\*\.|=)?[^\s*/:]+$",
        "example.org",
        "*.example.org",
        "=example.org",
    ),
]


def _zone(value: object) -> str:
    """A time zone of the IANA database."""
    try:
        return schedule.zone_of(value).key if isinstance(value, str) else ""
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        hint = get_close_matches(str(value), available_timezones(), n=1)
        none = "" if available_timezones() else "; this machine has none at all: install tzdata"
        raise ValueError(f"there is no time zone {value}{f'; did you mean {hint[0]}?' if hint else none}") from None


Zone = Annotated[
    str,
    _parsed(_zone),
    _text_schema("A time zone of the IANA database", r"^[A-Za-z][A-Za-z0-9_+/-]*$", "Europe/Berlin", "UTC"),
]
Weekly = Annotated[
    schedule.Weekly,
    _parsed(schedule.weekly),
    _text_schema("Days, hours, or both", r"^[A-Za-z0-9:, -]+$", "mon-fri 18:00-23:00", "sat,sun", "22:00-06:00"),
]
Dates = Annotated[
    schedule.Dates,
    _parsed(schedule.dates),
    _text_schema(
        "A date, or from one to another",
        r"^\d{4}-\d\d-\d\d[0-9:. -]*$",
        "2026-12-24",
        "2026-12-24..2026-12-26",
        "2026-12-31 18:00..2027-01-01 06:00",
    ),
]


Volume = Annotated[
    int,
    _parsed(units.volume),
    _number_or_text("A volume in bytes; k is 1,024", 1, 2**60, r"^\d+(\.\d+)?[kKmMgGtT]?[bB]?$", "50g", "1t"),
]
Share = Annotated[
    float,
    _parsed(units.share),
    _text_schema("A share", r"^\d+(\.\d+)? ?%$", "80%"),
]
Period = Annotated[
    str | float,
    _parsed(units.period),
    _text_schema("day, week, month, or a time that rolls", rf"^(day|week|month)$|{TIME_PATTERN}", "month", "24h", "7d"),
]


def _peer(value: object) -> str:
    """A group's name, or an address or prefix; only the latter has dots or colons."""
    value = _text(value)
    if isinstance(value, str) and not re.search(r"[.:/]", value):
        if re.fullmatch(NAME_PATTERN, value):
            return value
        raise ValueError(f"{value!r} is neither a group's name nor an address or prefix")
    return units.prefix(value)


Peer = Annotated[
    str,
    _parsed(_peer),
    _text_schema("A group's name, or an address or prefix", r"^\S+$", "students", "10.1.0.0/16"),
]
