"""Which of a policy's conditions hold, and what that makes of its rules: one whose condition does not is as if absent.

A condition holds or does not at a time, whatever the traffic: for all (schedules, congestion), for some of the LAN's
addresses (quotas that are used up) or of its devices (kinds).  The daemon says which do (`Holding`), and a change of
it is a change of the loop's table of rules, not of the policy: rules keep their numbers, and a packet costs the same
whether or not there are conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dpi.policy.plan import Conditions, EnginePlan, Match
from dpi.policy.schedule import DAY, state


@dataclass(frozen=True)
class Holding:
    """The conditions that hold, by name."""

    schedules: frozenset[str] = field(default_factory=frozenset)
    congestion: frozenset[str] = field(default_factory=frozenset)
    over: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # quota, prefix that has used it up
    devices: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # kind, MAC address known to be of it

    def prefixes(self, match: Match) -> list[str]:
        """Of the LAN's hosts that have used up one of the quotas that a rule asks for."""
        return sorted({prefix for quota, prefix in self.over if quota in match.over})

    def macs(self, match: Match) -> list[str]:
        """Of the devices that are of one of the kinds that a rule asks for."""
        return sorted({mac for kind, mac in self.devices if kind in match.devices})


NOTHING = Holding()


def absent(match: Match, holding: Holding) -> bool:
    """Whether the rule is as if it were not there."""
    return next(unmet(match, holding), None) is not None


def unmet(match: Match, holding: Holding) -> Iterator[str]:
    """Each condition that does not hold, in words."""
    if match.during and not holding.schedules & set(match.during):
        yield f"{_none(match.during)} in force"
    if match.congested and not holding.congestion & set(match.congested):
        yield f"there is no congestion {' or '.join(match.congested)}"
    if match.over and not holding.prefixes(match):
        yield f"nobody has used up {' or '.join(match.over)}"
    if match.devices and not holding.macs(match):
        yield f"no device is known to be {' or '.join(match.devices)}"


def _none(names: tuple[str, ...]) -> str:
    return f"{names[0]} is not" if len(names) == 1 else f"none of {', '.join(names)} is"


def dispositions_absent(plan: EnginePlan, holding: Holding) -> set[int]:
    """Numbers of the rules that are not there."""
    return {rule.disposition for rule in plan.rules if absent(rule.match, holding)}


class Moment(NamedTuple):
    """What holds by the clock alone from one time (Unix) until another."""

    holding: Holding
    since: float
    until: float


def at(conditions: Conditions, now: float) -> Moment:
    """How it is at a time; looked at again after a day even where nothing would change."""
    states = {schedule.name: state(schedule, now) for schedule in conditions.schedules}
    return Moment(
        Holding(frozenset(name for name, found in states.items() if found.holds)),
        max((found.since for found in states.values() if found.since is not None), default=now - DAY),
        min((found.until for found in states.values() if found.until is not None), default=now + DAY),
    )
