"""The good inventories of every vessel of a recording, as the monitor makes them, less what is not rest."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from fsw.alarms import Transition
from fsw.board.board import Board
from fsw.board.sight import state
from fsw.board.vessel import VesselSpec
from fsw.ground.finding import Teller
from fsw.ground.recording import NS_PER_S, Item, Mark, Remark
from fsw.ground.replay import Due, Replay, Reported
from fsw.ground.series import Declared, NotHealthyError, Series
from fsw.sample import Quality
from fsw.table import Table

BEFORE_NS = 10 * NS_PER_S  # what happened may have begun before somebody wrote it down
SAMPLED = 64  # what the board declares is asked for once in so many inventories
GOOD = int(Quality.GOOD)


class Healthy:
    """One pass over a recording. `settle_ns`: how long after an event mark a vessel is not at rest yet."""

    def __init__(self, board: Board, settle_ns: int, names: Sequence[str] = ()) -> None:
        self.remarks: list[Remark] = []
        self.ticks = self.first_ns = self.last_ns = 0
        self._board = board
        self._settle_ns = settle_ns
        self._marks: list[int] = []
        self._leaks: dict[str, list[int]] = {}
        self._taken = [_Taken(board, spec) for spec in board.vessels if not names or spec.name in names]

    def read(
        self, items: Iterable[Item], dated: bool, from_ns: int | None = None, to_ns: int | None = None
    ) -> None:
        """Take the whole recording."""
        teller, replay = Teller(self._board, dated), Replay(self._board, estimate_ns=1)
        for found in replay.run(items, from_ns, to_ns):
            match found:
                case Due(unix_ns, table):
                    for taken in self._taken:
                        taken.take(unix_ns, table)
                case Reported(unix_ns, event) if event.transition is Transition.RAISE:
                    vessel = teller.vessel(event)
                    if teller.kind(event) == "leak" and vessel is not None:
                        self._leaks.setdefault(vessel, []).append(unix_ns)
                case Mark(unix_ns):
                    self._marks.append(unix_ns)
                case Remark():
                    self.remarks.append(found)
        self.ticks, self.first_ns, self.last_ns = replay.ticks, replay.first_ns, replay.last_ns

    @property
    def vessels(self) -> list[str]:
        """Whose inventories were taken."""
        return [taken.spec.name for taken in self._taken]

    def series(self, name: str) -> tuple[Series, Declared]:
        """What was taken of one vessel. NotHealthyError where it had a leak alarm, or never a good inventory."""
        taken = next(each for each in self._taken if each.spec.name == name)
        if taken.spec.inputs.temperature is None:
            raise NotHealthyError("it has no temperature: what it loses cannot be told from cooling")
        at_ns = np.array(taken.time_ns, np.int64)
        if not len(at_ns):
            raise NotHealthyError("it has no good inventory: are its instruments in the recording?")
        away = np.zeros(len(at_ns), bool)
        for mark_ns in self._marks:
            away |= (at_ns >= mark_ns - BEFORE_NS) & (at_ns <= mark_ns + self._settle_ns)
        for leak_ns in self._leaks.get(name, []):
            if not any(mark - BEFORE_NS <= leak_ns <= mark + self._settle_ns for mark in self._marks):
                raise NotHealthyError(
                    "there was a leak alarm: leave it out with --from and --to, or, if it was only temperature, widen"
                    f" [vessels.{name}.thermal] for this recording",
                    (leak_ns - self.first_ns) / NS_PER_S,
                )
        forward = np.concatenate(
            [[True], np.diff(np.maximum.accumulate(at_ns)) > 0]
        )  # a wall clock may be set
        kept = forward & ~away
        if not kept.any():
            raise NotHealthyError("nothing is left beside its event marks: record it at rest")
        level = np.searchsorted(np.sort(self._marks), at_ns[kept])
        series = Series(
            (at_ns[kept] - self.first_ns) / NS_PER_S,
            np.array(taken.kg)[kept],
            np.array(taken.temperature_k)[kept],
            level,
        )
        return series, taken.declared()


class _Taken:
    """One vessel's, as they come. 24 bytes each."""

    def __init__(self, board: Board, spec: VesselSpec) -> None:
        self.spec = spec
        self.time_ns, self.kg, self.temperature_k = array("q"), array("d"), array("d")
        self._board = board
        self._last_ns = 0
        self._declared: list[tuple[float, float, float]] = []

    def take(self, unix_ns: int, table: Table) -> None:
        """The vessel's inventory, if it is new and good."""
        row, temperature = self.spec.outputs.inventory, self.spec.inputs.temperature
        if temperature is None:
            return
        time_ns = table.time_ns[row]
        if time_ns == self._last_ns or not table.quality[row] & GOOD:
            return
        self._last_ns = time_ns
        if len(self.kg) % SAMPLED == 0:
            pressure_pa = table.value[self.spec.inputs.pressure]
            temperature_k = table.value[temperature]
            gas = self.spec.inputs.gas_temperature
            now = state(
                self._board, self.spec, pressure_pa, temperature_k, None if gas is None else table.value[gas]
            )
            inventory = self.spec.model.inventory(now)
            self._declared.append((inventory.noise_kg, inventory.kg_per_k, pressure_pa))
        self.time_ns.append(unix_ns)
        self.kg.append(table.value[row])
        self.temperature_k.append(table.value[temperature])

    def declared(self) -> Declared:
        """What the board says of them, on the mean."""
        noise, kg_per_k, pressure = np.array(self._declared).T
        return Declared(
            float(np.sqrt(np.mean(noise**2))),
            float(np.mean(kg_per_k)),
            self.spec.thermal,
            self.spec.model.zero_leak_kg_per_s,
            float(np.mean(pressure)),
        )
