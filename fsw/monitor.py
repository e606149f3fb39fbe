"""One tick, as a straight line: arrivals -> parameters -> inventory -> leak -> limits -> alarms -> packets."""

from collections.abc import Sequence

from fsw.alarms import AlarmBook, Command
from fsw.filters import Filters
from fsw.leak.vessel import Vessel
from fsw.limits import Limits
from fsw.sample import Sample
from fsw.table import Table
from fsw.telemetry import Telemetry


class Monitor:
    """Everything that thinks, without a clock and without I/O: the same input gives the same packets, byte for byte."""

    def __init__(
        self,
        table: Table,
        filters: Filters,
        vessels: Sequence[Vessel],
        limits: Limits,
        book: AlarmBook,
        telemetry: Telemetry,
    ) -> None:
        self.table = table
        self.filters = filters
        self.vessels = tuple(vessels)
        self.limits = limits
        self.book = book
        self.telemetry = telemetry

    def step(self, now_ns: int, arrivals: Sequence[Sample], commands: Sequence[Command] = ()) -> list[bytes]:
        """The packets that this tick gives out; `arrivals` is all that came in since the last one, oldest first."""
        self.filters.push(now_ns, arrivals)
        for vessel in self.vessels:
            vessel.step(now_ns, self.table)
        changes = self.limits.step(now_ns)
        events = self.book.apply(now_ns, changes, commands)
        return self.telemetry.packets(now_ns, arrivals, changes, events)
