"""One tick, a straight line: arrivals -> parameters -> phases -> inventory -> leak -> limits -> alarms -> packets."""

from collections.abc import Sequence
from typing import Protocol

from fsw.alarms import AlarmBook, AlarmEvent, Command
from fsw.filters import Filters
from fsw.fusion import Fusion
from fsw.leak.vessel import Vessel
from fsw.limits import Change, Limits
from fsw.occurrence import Occurrence
from fsw.phases import PhaseBook
from fsw.sample import Sample
from fsw.table import Table


class Reporter(Protocol):
    """Who puts into packets what a tick has decided."""

    def set_time(self, unix_offset_ns: int, status: int) -> None:
        """What to add to `now_ns` for wall time from now on, and what keeps that clock."""

    def packets(
        self,
        now_ns: int,
        arrivals: Sequence[Sample],
        changes: Sequence[Change],
        events: Sequence[AlarmEvent],
        occurrences: Sequence[Occurrence] = (),
    ) -> list[bytes]:
        """Every packet of the tick at `now_ns`, the most urgent first."""


class Monitor:
    """Everything that thinks, without a clock and without I/O: the same input gives the same packets, byte for byte."""

    def __init__(
        self,
        table: Table,
        filters: Filters,
        phases: PhaseBook,
        vessels: Sequence[Vessel],
        limits: Limits,
        book: AlarmBook,
        telemetry: Reporter,
        fusion: Fusion | None = None,
    ) -> None:
        self.table = table
        self.filters = filters
        self.phases = phases
        self.vessels = tuple(vessels)
        self.limits = limits
        self.book = book
        self.telemetry = telemetry
        self.fusion = fusion

    def step(
        self,
        now_ns: int,
        arrivals: Sequence[Sample],
        commands: Sequence[Command] = (),
        marks: Sequence[str] = (),
    ) -> list[bytes]:
        """The packets that this tick gives out; `arrivals` is all that came in since the last one, oldest first.

        `marks`: what somebody wrote down meanwhile, in a recording.
        """
        self.filters.push(now_ns, arrivals)
        if self.fusion is not None:
            self.fusion.step()
        phases = self.phases.step(now_ns, self.table, marks)
        for place in phases.resumed:
            self.vessels[place].resume(now_ns)
        for place in phases.suspended:
            self.vessels[place].suspend(now_ns)
        occurrences = list(phases.occurrences)
        for vessel in self.vessels:
            vessel.step(now_ns, self.table)
            occurrences += vessel.take_occurrences()
        changes = self.limits.step(now_ns)
        events = self.book.apply(now_ns, changes, commands)
        return self.telemetry.packets(now_ns, arrivals, changes, events, occurrences)
