"""Recorded data through the same `Monitor.step` that ran live: deterministic, as fast as it goes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fsw import assembly
from fsw.alarms import AlarmEvent
from fsw.board.board import Board
from fsw.ground.recording import Item, Mark, Remark, Start, Tick
from fsw.limits import Change
from fsw.monitor import Monitor
from fsw.occurrence import Occurrence
from fsw.sample import Quality, Sample
from fsw.table import Table
from fsw.telemetry import Telemetry

REPLAY = int(Quality.REPLAY)
_NOTHING: list[bytes] = []


class Reported(NamedTuple):
    """An alarm event, with the table as it stood then."""

    unix_ns: int
    event: AlarmEvent
    table: Table


class Happened(NamedTuple):
    """Something that is no leak happened to a vessel; `began_ns` is wall time."""

    unix_ns: int
    began_ns: int
    occurrence: Occurrence


class Due(NamedTuple):
    """An estimate of all vessels is due."""

    unix_ns: int
    table: Table


Found = Reported | Happened | Due | Mark | Remark


@dataclass(slots=True)
class Listener:
    """Stands before the telemetry: overhears what is decided, and has packets made only where they are wanted."""

    telemetry: Telemetry
    packing: bool
    events: Sequence[AlarmEvent] = ()
    occurrences: Sequence[Occurrence] = ()

    def set_time(self, unix_offset_ns: int, status: int) -> None:
        """As telemetry does."""
        self.telemetry.set_time(unix_offset_ns, status)

    def packets(
        self,
        now_ns: int,
        arrivals: Sequence[Sample],
        changes: Sequence[Change],
        events: Sequence[AlarmEvent],
        occurrences: Sequence[Occurrence] = (),
    ) -> list[bytes]:
        """As telemetry does, or nothing."""
        self.events, self.occurrences = events, occurrences
        if not self.packing:
            return _NOTHING
        return self.telemetry.packets(now_ns, arrivals, changes, events, occurrences)


class Replay:
    """One replay of one recording by one board."""

    def __init__(
        self,
        board: Board,
        estimate_ns: int | None = None,
        write: Callable[[Sequence[bytes]], object] | None = None,
    ) -> None:
        """`estimate_ns`: how often estimates are due, None for never; `write` takes the packets of each tick."""
        self.ticks = 0
        self.first_ns = self.last_ns = 0  # wall time of the first and of the last tick
        self._board = board
        self._estimate_ns = estimate_ns
        self._write = write
        self._monitor, self._listener = self._fresh(0)

    def run(
        self, items: Iterable[Item], from_ns: int | None = None, to_ns: int | None = None
    ) -> Iterator[Found]:
        """What comes of it, in order; only what lies between the two instants (wall time) is looked at."""
        step, listener, packing = self._monitor.step, self._listener, self._write is not None
        slot: int | None = None
        marks: list[str] = []
        for item in items:
            if isinstance(item, Tick):
                now_ns, unix_ns, status, arrivals = item
                if from_ns is not None and unix_ns < from_ns:
                    continue
                if to_ns is not None and unix_ns > to_ns:
                    return
                if packing:
                    listener.set_time(unix_ns - now_ns, status)
                packets = step(now_ns, arrivals, (), marks)
                if packing:
                    self._write(packets)  # type: ignore[misc]
                if not self.ticks:
                    self.first_ns = unix_ns
                self.ticks += 1
                self.last_ns = unix_ns
                marks.clear()
                if listener.occurrences or listener.events:
                    yield from self._decided(item)
                if self._estimate_ns is not None and unix_ns // self._estimate_ns != slot:
                    slot = unix_ns // self._estimate_ns
                    yield Due(unix_ns, self._monitor.table)
            elif isinstance(item, Start):
                self._monitor, self._listener = self._fresh(item.origin)
                step, listener, slot = self._monitor.step, self._listener, None
            elif _within(item.unix_ns, from_ns, to_ns):
                if isinstance(item, Mark):
                    marks.append(item.event)  # belongs to the tick that takes its row
                yield item

    def _decided(self, tick: Tick) -> Iterator[Found]:
        for happened in self._listener.occurrences:
            yield Happened(tick.unix_ns, tick.unix_ns - tick.now_ns + happened.began_ns, happened)
        for event in self._listener.events:
            yield Reported(tick.unix_ns, event, self._monitor.table)

    def _fresh(self, origin: int) -> tuple[Monitor, Listener]:
        """A monitor without memory, and who listens to it."""
        listeners: list[Listener] = []

        def listen(telemetry: Telemetry) -> Listener:
            listeners.append(Listener(telemetry, self._write is not None))
            return listeners[0]

        monitor = assembly.monitor(self._board, origin | REPLAY, listen)
        return monitor, listeners[0]


def _within(unix_ns: int | None, from_ns: int | None, to_ns: int | None) -> bool:
    """Whether a remark belongs to the range; one about the whole recording does."""
    if unix_ns is None:
        return True
    return (from_ns is None or unix_ns >= from_ns) and (to_ns is None or unix_ns <= to_ns)
