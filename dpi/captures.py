"""Captures: each through a shard of its own, with nothing known before; its flows come out, named and decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dpi.capture.pcapfile import Capture
from dpi.core import Core
from dpi.decider import MAX_FLOWS, Decider
from dpi.errors import CaptureError, UsageError
from dpi.flow.timers import TIMEOUT_NAMES
from dpi.flow_events import FlowEvent, Learnt, learnt
from dpi.match.labels import Tables
from dpi.match.names import Names
from dpi.match.prefixes import Prefixes
from dpi.match.rules import Rules
from dpi.record.fields import FlowRecord
from dpi.record.lines import Lines

if TYPE_CHECKING:  # as in decider.py
    from dpi.policy.conditions import Holding
    from dpi.policy.plan import Plan

Blind = Literal["", "names", "dns"]
BLIND: tuple[Blind, ...] = ("", "names", "dns")  # by Blind in decide/shard.pxd
# Seconds after which a silent flow of a capture has ended.  What comes on its ports before is still the same flow, as
# most who count the flows of a capture have it.  TCP asks after that long whether the other side lives (RFC 1122,
# 4.2.3.6).
SILENCE = 7200.0
FILE_AT_ONCE = 1 << 16  # packets until a bar moves
PIPE_AT_ONCE = 64  # … and until what is known of a live one is told
WATCHED = 1 << 14  # packets that are taken through one by one until a bar moves


def begins(path: Path) -> int:
    """When a capture's first packet came (ns since 1970); 0 where there is none or it cannot be read.

    Raises UsageError where it is no file, for what was looked at of a pipe would be gone.
    """
    try:
        with Capture(path) as capture:
            if capture.size is None:
                raise UsageError(f"{path} is no file, so it cannot be one of several pieces")
            for time, _, _, _ in capture:
                return time
    except CaptureError:
        pass
    return 0


class Captures(Decider):
    """Names the flows of captures, and decides what would become of them.

    max_flows: flows at a time of one capture.
    """

    def __init__(self, signatures: Tables | None = None, *, max_flows: int = MAX_FLOWS) -> None:
        super().__init__(signatures)
        self.max_flows = max_flows
        self.local: Prefixes | None = None  # what is behind the LAN; None: whoever opens a flow is local
        self._followed: Plan | None = None  # whose schedules a capture's packets are held against
        self._switched: dict[Holding, tuple[Rules, Rules]] = {}

    def follow(self, plan: Plan) -> None:
        """Decide by this plan, with the schedules in force at the time when flows are decided."""
        self.load_rules(plan.engine, plan.kernel.targets)
        self._followed = plan if plan.conditions.schedules else None
        if plan.kernel.local:
            self.local = Prefixes([(prefix, 1) for prefix in plan.kernel.local])

    def _switch(self, core: Core) -> int:
        """A capture's shard by what holds at its newest packet; → the time (ns) until which that is so."""
        from dpi.policy.conditions import at
        from dpi.rule_tables import tables

        assert self._followed
        plan = self._followed
        holding, _, until = at(plan.conditions, core.now() / 1_000_000_000)
        if holding not in self._switched:
            self._switched[holding] = tables(plan.engine, plan.kernel.targets, self.tables, holding)
        core.set_rules(*self._switched[holding], plan.engine.marks.shift, plan.engine.marks.final)
        return round(until * 1_000_000_000)

    def classify(
        self,
        path: str | os.PathLike[str],
        min_confidence: float = 0,
        *,
        blind: Blind = "",
        first_packet: bool = False,
    ) -> Iterator[FlowRecord]:
        """The flows of one capture, each as it ends, with fresh state.

        min_confidence: labels that are less sure are left out.  blind: as if payloads showed no names but those of
        DNS ("names"), or not even these ("dns").  first_packet: each flow as it is known when its first packet is
        through, in the order in which they begin.  Raises CaptureError (`FILE:OFFSET: …`) where the file is none,
        and at the end where it was damaged or has packets that nothing reads.
        """
        kind = "first" if first_packet else "end"
        least = round(min_confidence * 100)
        with Capture(path) as capture:
            name = Path(capture.path).name
            for event in self._events(self.classifier(blind, first_packet=first_packet), capture):
                if event[0] == kind:
                    yield self.record(event[5], name, event[1], least)

    def replay(self, path: str | os.PathLike[str]) -> Iterator[FlowEvent | Learnt]:
        """All that would be told of one capture, in order: flows' starts, labels and ends, and what was learnt.

        As classify(), with fresh state and by the rules that are loaded.
        """
        core = self._offline(Core(self.max_flows, merge=True, starts=True, labels=True))
        with Capture(path) as capture:
            name = Path(capture.path).name
            for event in self._events(core, capture):
                yield learnt(0, event) if event[0] == "learnt" else self.event(event, name)

    def pieces(
        self,
        paths: Iterable[str | os.PathLike[str]],
        names: Names,
        faults: list[str],
        watch: Callable[[int], object] = lambda _: None,
    ) -> Iterator[FlowEvent]:
        """Flows' starts and ends of captures that are pieces of one, in order, each before the next packet is taken.

        names: where names are learnt, so that they are then as they were when the flow started.  faults: gets what is
        wrong with a piece; what can be read of it is.  watch: called now and then with the bytes of it that are done.
        """
        core = self._offline(Core(self.max_flows, merge=True, risks=True, hearsay=True, starts=True), names=names)
        name = ""
        for path in paths:
            try:
                with Capture(path) as capture:
                    name = Path(capture.path).name
                    for n, _ in enumerate(self._read(core, capture, 1)):
                        yield from self._told(core, name)
                        if n % WATCHED == 0:
                            watch(capture.offset)
                    if capture.warning:
                        faults.append(capture.warning)
            except CaptureError as error:
                faults.append(str(error))
        for _ in self._end(core):
            yield from self._told(core, name)

    def _told(self, core: Core, name: str) -> Iterator[FlowEvent]:
        while events := core.drain(256):
            yield from (self.event(event, name) for event in events if event[0] != "learnt")

    def lines(
        self, style: str, fields: Sequence[str], out: Any, *, min_confidence: float = 0, risky: bool = False
    ) -> Lines:
        """Where write() puts flows: lines of a style (record.spelling.STYLES) with these fields, in pieces to `out`."""
        return Lines(
            style,
            fields,
            labels=["unknown", *(label.slug if label else None for label in self.tables.labels[1:])],
            categories=[category.slug for category in self.tables.categories],
            rules=[rule.name for rule in self.plan.rules] if self.plan else [],
            out=out,
            least=round(min_confidence * 100),
            risky=risky,
        )

    def classifier(self, blind: Blind = "", *, first_packet: bool = False, live: bool = False) -> Core:
        """What takes a capture through, with nothing known; arguments as classify() has them.

        live: flows end as they do inline: soon after they closed or fell silent, and where their ports begin again.
        """
        return self._offline(
            Core(
                self.max_flows,
                merge=not live,
                risks=True,
                hearsay=True,
                firsts=first_packet,
                blind=BLIND.index(blind),
            ),
            live,
        )

    def write(
        self,
        core: Core,
        path: str | os.PathLike[str],
        lines: Lines,
        *,
        first_packet: bool = False,
        watch: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """A capture's flows as they end, into `lines`, without an object for each; those that are left are for end().

        What is left in `lines` is the caller's to flush.  first_packet: as classifier() was asked.  watch: called now
        and then with the bytes of the file that are done; True ends reading there.  Raises CaptureError as classify().
        """
        with Capture(path) as capture:
            name = Path(capture.path).name
            for _ in self._read(core, capture):
                lines.take(core, name, first_packet)
                if capture.size is None:
                    lines.flush()  # somebody may be waiting
                if watch(capture.offset):
                    return
            if capture.warning:
                raise CaptureError(capture.warning)

    def end(self, core: Core, path: str | os.PathLike[str], lines: Lines, *, first_packet: bool = False) -> None:
        """The flows that are left when the capture is over, of which this is the last file, likewise."""
        name = Path(path).name
        for _ in self._end(core):
            lines.take(core, name, first_packet)

    def _offline(self, core: Core, live: bool = False, names: Names | None = None) -> Core:
        """The shard made ready for one capture, with nothing known.  It ends flows that are silent for long."""
        self.use(core, names or Names(repeatable=True))
        if self._rules is not None:
            core.set_rules(*self._rules)
        core.set_local(self.local)
        if not live:
            for which in range(len(TIMEOUT_NAMES)):
                core.set_timeout(which, SILENCE)
        return core

    def _events(self, core: Core, capture: Capture) -> Iterator[tuple[Any, ...]]:
        """All events of one capture.  Raises CaptureError at its end, as classify()."""
        for _ in chain(self._read(core, capture), self._end(core)):
            while events := core.drain(256):
                yield from events
        if capture.warning:
            raise CaptureError(capture.warning)

    def _read(self, core: Core, capture: Capture, at_once: int = 0) -> Iterator[None]:
        """Takes the capture through; comes back where events are to be drained, after so many packets at the latest."""
        at_once = at_once or (FILE_AT_ONCE if capture.size is not None else PIPE_AT_ONCE)
        if self._followed is None:
            while core.run(capture, at_once):
                yield
            yield
            return
        more, until = core.run(capture, 1), 0  # the first packet tells the time
        while more:
            if core.now() >= until:
                first, until = until == 0, self._switch(core)
                if first:
                    core.reevaluate(0)
            yield
            more = core.run(capture, at_once, until)
        yield

    def _end(self, core: Core) -> Iterator[None]:
        """Ends all flows that are left, likewise."""
        go_on = core.flush(0, for_good=True)
        while go_on:
            yield
            go_on = core.flush(go_on, for_good=True)
        yield
