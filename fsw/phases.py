"""The phases of a test: as long as one is in force, no leak of its vessels can be told, and none is told.

Pure: the parameter table and the marks of a recording go in, occurrences and who is suspended come out. It knows
nothing of limits and alarms, so no phase can silence one. A phase suspends for `time_out_ns` + `settle_ns` at most:
one that begins again before it has settled goes on with its clock, so that a valve that flaps blinds nobody for ever.
"""

import enum
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fsw.occurrence import Kind, Occurrence
from fsw.sample import Quality
from fsw.table import Table

STEPS = frozenset({"refill", "vent", "pump", "valve", "step"})  # marks that say: what jumps here is no leak
STEP_SETTLE_NS = 10_000_000_000  # valves and hands take seconds, and so does the gas behind them
END = "end"
RESERVED = STEPS | {END}
GOOD = int(Quality.GOOD)
TRUST = 0x0F  # the four bits of Quality that say how far; the others say where from


class State(enum.Enum):
    """Where a phase stands; its vessels are suspended but in IDLE."""

    IDLE = enum.auto()
    IN_FORCE = enum.auto()
    SETTLING = enum.auto()  # it is over, and what it stirred up is not


class Trigger(enum.Enum):
    """What can happen to a phase."""

    BEGIN = enum.auto()
    END = enum.auto()
    TIME_OUT = enum.auto()
    SETTLED = enum.auto()


_S, _T, _K = State, Trigger, Kind

# What is not in the table does not happen: a phase in force is not begun again, so nothing prolongs it.
LIFE_CYCLE: dict[tuple[State, Trigger], tuple[State, Kind | None]] = {
    # from, what happens              to             reported
    (_S.IDLE, _T.BEGIN): (_S.IN_FORCE, _K.PHASE_BEGUN),
    (_S.IN_FORCE, _T.END): (_S.SETTLING, _K.PHASE_ENDED),
    (_S.IN_FORCE, _T.TIME_OUT): (_S.SETTLING, _K.PHASE_TIMED_OUT),
    (_S.SETTLING, _T.BEGIN): (_S.IN_FORCE, _K.PHASE_BEGUN),
    (_S.SETTLING, _T.SETTLED): (_S.IDLE, None),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """What a board declares. `vessels` are places in the board's list."""

    id: int
    name: str
    vessels: tuple[int, ...]
    time_out_ns: int
    settle_ns: int
    at_start: bool = False
    row: int | None = None  # of the parameter that begins and ends it
    above: float = math.nan  # it begins where the parameter is beyond; NaN: not on this side
    below: float = math.nan


class Step(NamedTuple):
    """What one tick brings: events, and the vessels (places in the board's list) whose judgement stops or goes on."""

    occurrences: Sequence[Occurrence] = ()
    suspended: Sequence[int] = ()
    resumed: Sequence[int] = ()


NOTHING = Step()


@dataclass(slots=True)
class _Status:
    """One phase as it stands."""

    state: State = State.IDLE
    since_ns: int = 0  # the vessels are suspended since
    began_ns: int = 0  # last
    settled_ns: int = 0
    beyond: bool | None = None  # the parameter, as its last good value said


class PhaseBook:
    """All phases of a board. `inventory_rows`: of each vessel, in the board's order."""

    def __init__(self, phases: Iterable[Phase], inventory_rows: Sequence[int]) -> None:
        self.phases = tuple(phases)
        self._statuses = [_Status() for _ in self.phases]
        self._places = {phase.name: place for place, phase in enumerate(self.phases)}
        self._watched = [(place, phase) for place, phase in enumerate(self.phases) if phase.row is not None]
        self._rows = tuple(inventory_rows)
        self._suspended: frozenset[int] = frozenset()
        self._stepped_ns: float = -math.inf  # all vessels are suspended till then
        self._next_ns: float = -math.inf  # when something falls due
        self._started = False
        self._occurrences: list[Occurrence] = []

    def step(self, now_ns: int, table: Table, marks: Sequence[str] = ()) -> Step:
        """What the parameters say, then what fell due, then the marks in their order.

        In this order a parameter never joins two stretches that fall due, and a mark always begins one of its own.
        """
        crossings = self._crossings(table) if self._watched else ()
        if now_ns < self._next_ns and not crossings and not marks:
            return NOTHING
        for place, trigger in crossings:
            self._happen(now_ns, place, trigger)
        self._fall_due(now_ns)
        if not self._started:
            self._started = True
            self._each(now_ns, Trigger.BEGIN, lambda phase: phase.at_start)
        for mark in marks:
            self._mark(now_ns, mark)
        self._fall_due(now_ns)
        return self._outcome(now_ns)

    def _crossings(self, table: Table) -> list[tuple[int, Trigger]]:
        """From one good value to the next; bad ones say nothing, and neither does a first one that is not beyond."""
        found = []
        for place, phase in self._watched:
            value, status = table.value[phase.row], self._statuses[place]
            if table.quality[phase.row] & TRUST != GOOD or math.isnan(value):
                continue
            was, status.beyond = status.beyond, value > phase.above or value < phase.below
            if status.beyond and not was:
                found.append((place, Trigger.BEGIN))
            elif was and not status.beyond:
                found.append((place, Trigger.END))
        return found

    def _mark(self, now_ns: int, text: str) -> None:
        """A word that is none of ours changes nothing."""
        match text.casefold().split():
            case [word] if word == END:
                self._each(now_ns, Trigger.END, lambda _: True)
            case [word, name] if word == END and name in self._places:
                self._happen(now_ns, self._places[name], Trigger.END)
            case [name] if name in self._places:
                self._happen(now_ns, self._places[name], Trigger.BEGIN)
            case [word] if word in STEPS:
                self._stepped_ns = now_ns + STEP_SETTLE_NS

    def _each(self, now_ns: int, trigger: Trigger, concerned: Callable[[Phase], bool]) -> None:
        for place, phase in enumerate(self.phases):
            if concerned(phase):
                self._happen(now_ns, place, trigger)

    def _fall_due(self, now_ns: int) -> None:
        for place, phase in enumerate(self.phases):
            status = self._statuses[place]
            if status.state is State.IN_FORCE and now_ns >= status.since_ns + phase.time_out_ns:
                self._happen(now_ns, place, Trigger.TIME_OUT)
            if status.state is State.SETTLING and now_ns >= status.settled_ns:
                self._happen(now_ns, place, Trigger.SETTLED)

    def _happen(self, now_ns: int, place: int, trigger: Trigger) -> None:
        """One row of the table, with its effect on the clocks."""
        phase, status = self.phases[place], self._statuses[place]
        row = LIFE_CYCLE.get((status.state, trigger))
        if row is None:
            return
        before, (status.state, kind) = status.state, row
        if trigger is Trigger.BEGIN:
            status.began_ns = now_ns
            if before is State.IDLE:
                status.since_ns = now_ns
        elif status.state is State.SETTLING:
            status.settled_ns = min(now_ns, status.since_ns + phase.time_out_ns) + phase.settle_ns
        if kind is not None:
            self._occurrences += [
                Occurrence(kind, self._rows[vessel], status.began_ns, phase=phase.id)
                for vessel in phase.vessels
            ]

    def _outcome(self, now_ns: int) -> Step:
        due: list[float] = []
        suspended: set[int] = set()
        if now_ns < self._stepped_ns:
            due.append(self._stepped_ns)
            suspended.update(range(len(self._rows)))
        for phase, status in zip(self.phases, self._statuses, strict=True):
            if status.state is not State.IDLE:
                in_force = status.state is State.IN_FORCE
                due.append(status.since_ns + phase.time_out_ns if in_force else status.settled_ns)
                suspended.update(phase.vessels)
        self._next_ns = min(due, default=math.inf)
        before, self._suspended = self._suspended, frozenset(suspended)
        occurrences, self._occurrences = self._occurrences, []
        return Step(occurrences, sorted(suspended - before), sorted(before - suspended))
