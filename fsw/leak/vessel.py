"""One vessel, tick by tick: readings -> inventory -> verdict -> what it means, from the table back into it.

Quality of what it writes: UNCERTAIN while it cannot be told yet (too few samples, uncertain inputs, a pressure that
does not move by a bit); BAD once the vessel is blind (an input stale, or bad three times in a row). Once it can be
told, all is GOOD, and the standard error says how well. Without a certain leak the times are NEVER_S, the onset is NaN
and UNCERTAIN, and the hole with its standard error is what a leak lost in the noise could be at most.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from fsw.leak.detector import Drift, Settings, Verdict
from fsw.leak.state import EXACT, NEVER, NEVER_S, Inventory, State, TimeLeft
from fsw.leak.thermal import NS_PER_S, Restlessness, Thermal
from fsw.occurrence import Occurrence
from fsw.quantity import Measured
from fsw.sample import Quality
from fsw.table import Table

BAD_IN_A_ROW = 3
SAME_TIME = 0.01  # an age or a span that has changed by less means the same
FLAT_SAMPLES = 20  # fewer equal samples in a row are chance
GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)
LOST = int(Quality.BAD | Quality.STALE)
STALE = int(Quality.STALE)
NOTHING_LOST = TimeLeft(NEVER, NEVER)
TRUST = 0x0F  # the four bits of Quality that say how far; the others say where from


class Model(Protocol):
    """A kind of vessel. Pure: no state, no time."""

    @property
    def zero_leak_kg_per_s(self) -> float:
        """The leak that counts as none."""

    def inventory(self, state: State) -> Inventory:
        """How much is in it; NaN where the state has no meaning for it."""

    def magnified(self, state: State, age_s: float, span_s: float) -> Measured:
        """How many times larger a leak that is `age_s` old shows in the inventory's slope over the last `span_s`."""

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter in m that explains a rate, which comes with its whole error."""

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """How long it lasts; the rate comes without the error of `Inventory.scale`, for that may cancel."""


class Detector(Protocol):
    """Turns a series of inventories into a verdict."""

    settings: Settings

    def push(
        self, time_ns: int, inventory_kg: float, sigma_kg: float, drift: Drift, fading_per_kg: float
    ) -> Verdict:
        """Take one good inventory; a leak falls by the share `fading_per_kg` of itself for each kg that it has lost."""

    def restart(self) -> None:
        """Forget the series."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of the table that are read."""

    pressure: int
    temperature: int
    gas_temperature: int | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Rows of the table that are written; `time_to_empty` only where the model has it."""

    inventory: int
    leak_rate: int
    leak_certainty: int
    onset: int
    hole: int
    time_to_limit: int
    time_to_empty: int | None = None


class Vessel:
    """Judges on each new pressure sample; bounded time."""

    def __init__(
        self, name: str, model: Model, detector: Detector, thermal: Thermal, inputs: Inputs, outputs: Outputs
    ) -> None:
        self.name = name
        self._model = model
        self._detector = detector
        self._thermal = thermal
        self._inputs = inputs
        self._outputs = outputs
        self._input_rows = [
            row for row in (inputs.pressure, inputs.temperature, inputs.gas_temperature) if row is not None
        ]
        self._leak_rows = [
            row
            for row in (
                outputs.leak_rate,
                outputs.onset,
                outputs.hole,
                outputs.time_to_limit,
                outputs.time_to_empty,
            )
            if row is not None
        ]
        self._bad = 0
        self._suspended = False
        self._occurrences: list[Occurrence] = []
        self._judged_ns = 0
        self._pressure = Series()
        self._temperature = Series()
        self._restlessness = Restlessness()
        self._age_s = self._span_s = math.inf
        self._magnified = EXACT

    def step(self, now_ns: int, table: Table) -> None:
        """Read, judge, write: once for each new pressure sample, and on every tick that an input is stale."""
        quality = 0
        for row in self._input_rows:
            quality |= table.quality[row]
        origin, time_ns = quality & ~TRUST, table.time_ns[self._inputs.pressure]
        if quality & STALE:
            self._blind(now_ns, table, origin)
            return
        if time_ns == self._pressure.time_ns:
            return
        if quality & BAD:
            self._pressure.time_ns = time_ns
            self._bad += 1
            table.write(self._outputs.inventory, math.nan, math.nan, time_ns, BAD | origin)
            if self._bad >= BAD_IN_A_ROW:
                self._blind(time_ns, table, origin)
            return
        self._bad = 0
        self._judge(time_ns, table, quality)

    def suspend(self, now_ns: int) -> None:
        """From now on no leak can be told: a phase of the test. The inventory is written on."""
        self._suspended = True

    def resume(self, now_ns: int) -> None:
        """Judge again, and forget what was before."""
        self._suspended = False
        self._detector.restart()

    def take_occurrences(self) -> list[Occurrence]:
        """What happened since they were taken last."""
        taken, self._occurrences = self._occurrences, []
        return taken

    def _judge(self, time_ns: int, table: Table, quality: int) -> None:
        state, certain = self._state(time_ns, table)
        origin = quality & ~TRUST
        inventory = self._model.inventory(state)
        good = certain and not quality & UNCERTAIN and math.isfinite(inventory.kg)
        table.write(
            self._outputs.inventory,
            inventory.kg,
            inventory.sigma_kg,
            time_ns,
            (GOOD if good else UNCERTAIN) | origin,
        )
        if self._suspended:
            self._cannot_tell(time_ns, table, UNCERTAIN | origin)
            return
        if not good:
            if time_ns - self._judged_ns >= self._detector.settings.gap:
                self._cannot_tell(time_ns, table, UNCERTAIN | origin)
            return
        self._judged_ns = time_ns
        verdict = self._detector.push(
            time_ns, inventory.kg, inventory.noise_kg, self._drift(inventory), inventory.fading_per_kg
        )
        if verdict.determined:
            self._write(time_ns, table, state, inventory, verdict, GOOD | origin)
        else:
            self._cannot_tell(time_ns, table, UNCERTAIN | origin)

    def _state(self, time_ns: int, table: Table) -> tuple[State, bool]:
        """What the instruments say, and whether the pressure is alive."""
        p, t, gas = self._inputs.pressure, self._inputs.temperature, self._inputs.gas_temperature
        self._pressure.push(time_ns, table.value[p])
        if self._temperature.push(table.time_ns[t], table.value[t]):
            self._restlessness.push(self._temperature.time_ns, self._temperature.value)
        # Asked less often, a temperature is the same in several inventories: its noise averages away less.
        repeats = math.sqrt(max(1.0, self._temperature.interval_ns / max(self._pressure.interval_ns, 1)))
        state = State(
            Measured(table.value[p], table.sigma[p]),
            Measured(table.value[t], table.sigma[t] * repeats),
            None if gas is None else Measured(table.value[gas], table.sigma[gas] * repeats),
        )
        return state, not self._pressure.flat(self._detector.settings.flat)

    def _drift(self, inventory: Inventory) -> Drift:
        thermal = self._thermal
        # A sensor that does not move by a bit may be stuck, and then shows nothing of what the fluid does.
        mismatch = 1.0 if self._temperature.flat(self._detector.settings.flat) else thermal.mismatch
        lasting = self._restlessness.k_per_s * (mismatch * inventory.kg_per_k + inventory.unseen_kg_per_k)
        return Drift(
            lasting + thermal.unseen_drift * inventory.kg_per_k,
            thermal.fastest * inventory.kg_per_k,
            thermal.lag / NS_PER_S,
        )

    def _write(
        self, time_ns: int, table: Table, state: State, inventory: Inventory, verdict: Verdict, quality: int
    ) -> None:
        rows = self._outputs
        rate = self._rate(state, verdict)
        scaled = Measured(rate.value, math.hypot(rate.sigma, rate.value * inventory.scale))
        time_left = NOTHING_LOST
        if verdict.certainty >= 1.0:
            time_left = self._model.time_left(state, inventory, rate)
        hole = self._model.hole(state, inventory, scaled)
        self._put(rows.leak_rate, table, scaled.value, scaled.sigma, time_ns, quality)
        self._put(rows.leak_certainty, table, verdict.certainty, 0.0, time_ns, quality)
        self._put(rows.onset, table, verdict.onset_s, verdict.sigma_onset_s, time_ns, quality)
        self._put(rows.hole, table, hole.value, hole.sigma, time_ns, quality)
        self._put_time(rows.time_to_limit, table, time_left.to_limit_s, time_ns, quality)
        if rows.time_to_empty is not None and time_left.to_empty_s is not None:
            self._put_time(rows.time_to_empty, table, time_left.to_empty_s, time_ns, quality)

    def _rate(self, state: State, verdict: Verdict) -> Measured:
        """A leak without a date is as old as the window that shows it, or older."""
        span_s = verdict.span_s
        age_s = span_s if math.isnan(verdict.onset_s) else verdict.onset_s
        if abs(age_s - self._age_s) > SAME_TIME * age_s or abs(span_s - self._span_s) > SAME_TIME * span_s:
            self._age_s, self._span_s = age_s, span_s
            self._magnified = self._model.magnified(state, age_s, span_s)
        factor = self._magnified
        rate = verdict.rate_kg_per_s / factor.value
        return Measured(rate, math.hypot(verdict.sigma_kg_per_s, rate * factor.sigma) / factor.value)

    @staticmethod
    def _put(row: int, table: Table, value: float, sigma: float, time_ns: int, quality: int) -> None:
        known = not math.isnan(value)
        table.write(row, value, sigma, time_ns, quality if known else quality ^ (GOOD | UNCERTAIN))

    def _put_time(self, row: int, table: Table, time: Measured, time_ns: int, quality: int) -> None:
        """Anything as long as NEVER_S is that, and without an error."""
        if time.value >= NEVER_S:
            self._put(row, table, NEVER_S, math.nan, time_ns, quality)
        else:
            self._put(row, table, time.value, time.sigma, time_ns, quality)

    def _cannot_tell(self, time_ns: int, table: Table, quality: int) -> None:
        for row in self._leak_rows:
            table.write(row, math.nan, math.nan, time_ns, quality)
        table.write(self._outputs.leak_certainty, 0.0, math.nan, time_ns, quality)

    def _blind(self, time_ns: int, table: Table, origin: int) -> None:
        self._detector.restart()
        for row in (self._outputs.inventory, self._outputs.leak_certainty, *self._leak_rows):
            table.write(row, math.nan, math.nan, time_ns, BAD | origin)


class Series:
    """One channel's recent past: how often it comes, and since when it has not moved by a bit."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.value = math.nan
        self.interval_ns = 0
        self._moved_ns = 0
        self._equal = 0

    def push(self, time_ns: int, value: float) -> bool:
        """False for a sample that is known already."""
        if time_ns == self.time_ns:
            return False
        self.interval_ns, self.time_ns = time_ns - self.time_ns, time_ns
        if value == self.value:
            self._equal += 1
        else:
            self.value, self._moved_ns, self._equal = value, time_ns, 0
        return True

    def flat(self, span_ns: int) -> bool:
        """Unchanged for at least so long, and too often to be chance."""
        return self._equal >= FLAT_SAMPLES and self.time_ns - self._moved_ns >= span_ns
