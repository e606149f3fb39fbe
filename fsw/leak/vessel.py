"""One vessel, tick by tick: readings -> inventory -> evidence -> what it means, from the table back into it.

How sure a leak is, is told with each new pressure; rate, onset, hole and time left once a second, and when it becomes
sure. Quality of what it writes: UNCERTAIN while it cannot be told (`verdict` says why); BAD once the vessel is blind
(an input stale, or bad three times in a row). Once it can be told, all is GOOD, and the standard error says how well.
Without a certain leak the times are NEVER_S, the onset is NaN and UNCERTAIN, and the hole with its standard error is
what a leak lost in the noise could be at most.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fsw.leak.allowance import Allowance
from fsw.leak.calibration import Calibration
from fsw.leak.detector import CERTAIN, UNIFORM, Detector, Verdict
from fsw.leak.state import EXACT, NEVER, NEVER_S, Finding, Inventory, State, TimeLeft
from fsw.leak.thermal import NS_PER_S, Lagged, Restlessness, Thermal
from fsw.occurrence import Kind, Occurrence
from fsw.quantity import Measured
from fsw.sample import Quality
from fsw.table import Table

BAD_IN_A_ROW = 3
SAME_TIME = 0.01  # an age or a span that has changed by less means the same
FLAT_SAMPLES = 20  # fewer equal samples in a row are chance, whatever the instrument is like
FLAT_MIN, LN_CHANCE = (
    3,
    math.log(1e-6),
)  # fewer never tell; once in so many samples chance freezes a live instrument
SECOND_NS = NS_PER_S  # what costs more than evidence is worked out so often,
TELL_SAMPLES, TELL_NS = 10, 10 * NS_PER_S  # but for slow instruments: after so many inventories, or so long
DOMINANT = 0.5  # share of the error that comes of temperatures on the move: the verdict says so
EXCEEDED_SIGMA = 3.0
ZERO_SIGMA = 1.64  # one-sided 95 %: a calibrated leak may be so much more
UNDETERMINED = frozenset({Finding.LEARNING, Finding.NO_TEMPERATURE})
HEATING = (
    0.3  # of a sudden change: gas that is compressed heats up by (gamma - 1) / gamma of dp/p, and cools again
)
JUMP_SIGMA = 10.0  # of a change behind a gap
STIR_NS = 10 * NS_PER_S  # rises that follow so soon are one refill
GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)
STALE = int(Quality.STALE)
NOT_FOLLOWED = UNCERTAIN | BAD | STALE
NOTHING_DECLARED: Mapping[int, float] = {}
NOTHING_LOST = TimeLeft(NEVER, NEVER)
TRUST = 0x0F  # the four bits of Quality that say how far; the others say where from


class Model(Protocol):
    """A kind of vessel. Pure: no state, no time."""

    @property
    def zero_leak_kg_per_s(self) -> float:
        """The leak that counts as none."""

    @property
    def leak_limit_kg_per_s(self) -> float:
        """The leak that is too much; inf where none is declared."""

    @property
    def assumed_temperature_k(self) -> Measured:
        """Where no channel measures it."""

    def kg(self, pressure_pa: float, temperature_k: float, gas_temperature_k: float | None) -> float:
        """How much is in it; NaN where the state has no meaning for it."""

    def inventory(self, state: State) -> Inventory:
        """The same with all that can be wrong with it."""

    def magnified(self, state: State, age_s: float, span_s: float) -> Measured:
        """How many times larger a leak that is `age_s` old shows in the inventory's slope over the last `span_s`."""

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter in m that explains a rate, which comes with its whole error."""

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """How long it lasts; the rate comes without the error of `Inventory.scale`, for that may cancel."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of the table that are read."""

    pressure: int
    temperature: int | None = None
    gas_temperature: int | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Rows of the table that are written; the last ones only where the model has them."""

    inventory: int
    leak_rate: int
    leak_certainty: int
    verdict: int
    onset: int
    hole: int
    time_to_limit: int
    time_to_empty: int | None = None
    decay: int | None = None


class Vessel:
    """Judges on each new pressure sample; bounded time."""

    def __init__(
        self,
        name: str,
        model: Model,
        detector: Detector,
        thermal: Thermal,
        inputs: Inputs,
        outputs: Outputs,
        calibration: Calibration | None = None,
        gap_ns: int = 10 * NS_PER_S,
        flat_ns: int = 10 * NS_PER_S,
        declared: Mapping[int, float] = NOTHING_DECLARED,
    ) -> None:
        """`declared`: the noise of input rows by the board's word; that of others is what the table says."""
        self.name = name
        self._model = model
        self._detector = detector
        self._thermal = thermal
        self._calibration = calibration
        self._gap_ns, self._flat_ns = gap_ns, flat_ns
        self._inputs = inputs
        self._outputs = outputs
        self._declared = declared
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
                outputs.decay,
            )
            if row is not None
        ]
        self._bad = 0
        self._suspended = False
        self._occurrences: list[Occurrence] = []
        self._rise: Occurrence | None = None
        self._rise_from_kg = 0.0
        self._rise_until_ns = 0
        self._judged_ns, self._judged_kg = 0, math.nan
        self._state = State(Measured(math.nan, math.nan), model.assumed_temperature_k)
        self._inventory: Inventory | None = None  # with all that goes with it, as of the last second
        self._told_ns = 0
        self._untold = 0
        self._told_certain = False
        self._pressure = Series()
        self._temperature = Series()
        self._restlessness = Restlessness()
        self._even_k = math.nan
        self._lagged = Lagged(calibration.lag_s if calibration else 0.0)
        self._settling_s = max(thermal.lag / NS_PER_S, 1.0)
        self._stirred_kg = 0.0
        self._stirred_ns: int | None = None
        self._moving_kg_per_s = 0.0  # what temperatures on the move may do, above what they may at rest
        self._moves = False
        self._age_s = self._span_s = math.inf
        self._magnified = EXACT

    def step(self, now_ns: int, table: Table) -> None:
        """Read, judge, write: once for each new pressure sample, and on every tick that an input is stale."""
        quality = 0
        for row in self._input_rows:
            quality |= table.quality[row]
        self._follow(table)
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
        self._rise = None
        self._detector.restart()
        self._stirred_ns = None

    def take_occurrences(self) -> list[Occurrence]:
        """What happened since they were taken last."""
        taken, self._occurrences = self._occurrences, []
        return taken

    def _judge(self, time_ns: int, table: Table, quality: int) -> None:
        inputs, value = self._inputs, table.value
        pressure, origin = self._pressure, quality & ~TRUST
        pressure_pa, gas_k = value[inputs.pressure], None
        pressure.push(time_ns, pressure_pa)
        row = inputs.temperature
        temperature_k = self._model.assumed_temperature_k.value if row is None else value[row]
        if inputs.gas_temperature is not None:
            gas_k = value[inputs.gas_temperature]
        kg = self._model.kg(pressure_pa, temperature_k, gas_k)
        inventory = self._inventory
        since_ns = time_ns - self._told_ns
        self._untold += 1
        due = inventory is None or (
            since_ns >= SECOND_NS and (self._untold >= TELL_SAMPLES or since_ns >= TELL_NS)
        )
        if due or inventory is None:
            self._state = self._seen(table, temperature_k)
            self._inventory = inventory = self._model.inventory(self._state)
        alive = pressure.equal < FLAT_MIN or not pressure.flat(self._flat_ns)
        good = alive and not quality & UNCERTAIN and math.isfinite(kg)
        table.write(
            self._outputs.inventory, kg, inventory.sigma_kg, time_ns, (GOOD if good else UNCERTAIN) | origin
        )
        if self._suspended:
            self._cannot_tell(time_ns, table, Finding.SUSPENDED, origin)
            return
        if not good:
            self._inventory = None
            if time_ns - self._judged_ns >= self._gap_ns:
                why = Finding.UNCERTAIN_INPUT if alive else Finding.FLAT
                self._cannot_tell(time_ns, table, why, origin)
            return
        self._find_jump(time_ns, kg, inventory)
        self._judged_ns, self._judged_kg = time_ns, kg
        detector = self._detector
        if due:
            if self._stirred_ns is None:
                self._stir(time_ns, self._thermal.start * inventory.kg_per_k)
            detector.expect(inventory.noise_kg, inventory.fading_per_kg, self._allowance(time_ns, inventory))
        if self._calibration is not None:
            kg = self._calibration.corrected_kg(kg, self._even_k, self._lagged.k)
        certainty = detector.push(time_ns, kg)
        if detector.events or self._rise is not None:
            self._hear(time_ns, kg)
        certain = certainty >= CERTAIN
        if due or certain is not self._told_certain:
            self._told_ns, self._told_certain, self._untold = time_ns, certain, 0
            self._tell(time_ns, table, self._state, inventory, certainty, origin)
        else:
            value[self._outputs.leak_certainty] = certainty
            table.time_ns[self._outputs.leak_certainty] = time_ns

    def _follow(self, table: Table) -> None:
        """The temperature goes on while there is no pressure, and what lags behind it too."""
        row = self._inputs.temperature
        if row is None or table.quality[row] & NOT_FOLLOWED:
            return
        time_ns = table.time_ns[row]
        if time_ns == self._temperature.time_ns:
            return
        kelvin = table.value[row]
        self._temperature.push(time_ns, kelvin)
        self._restlessness.push(time_ns, kelvin)
        if self._calibration is not None:
            self._even_k = self._calibration.even_k(kelvin)
            self._lagged.push(time_ns, self._even_k)

    def _seen(self, table: Table, temperature_k: float) -> State:
        """What the instruments say, with their noise."""

        # Not what the despiking filter makes of its window: in a gross leak that is the fall, and would hide it.
        def noise(row: int) -> float:
            return self._declared.get(row, table.sigma[row])

        inputs = self._inputs
        pressure = Measured(table.value[inputs.pressure], noise(inputs.pressure))
        if inputs.temperature is None:
            return State(pressure, self._model.assumed_temperature_k)
        # Asked less often, a temperature is the same in several inventories: its noise averages away less.
        ratio = self._temperature.interval_ns / (self._pressure.interval_ns or 1)
        repeats = math.sqrt(ratio) if ratio > 1 else 1.0
        gas = inputs.gas_temperature
        return State(
            pressure,
            Measured(temperature_k, noise(inputs.temperature) * repeats),
            None if gas is None else Measured(table.value[gas], noise(gas) * repeats),
        )

    def _allowance(self, time_ns: int, inventory: Inventory) -> Allowance:
        """What may move the inventory and is no leak, by the board's word or by calibration."""
        thermal, calibration, per_k = self._thermal, self._calibration, inventory.kg_per_k
        if self._inputs.temperature is None:
            rest, moved, passing_kg, swing_kg = thermal.unmeasured * per_k, 0.0, 0.0, 0.0
        else:
            # A sensor that does not move by a bit may be stuck, and then shows nothing of what the fluid does.
            stuck = self._temperature.flat(self._flat_ns)
            if calibration is None:
                follows = (1.0 if stuck else thermal.mismatch) * per_k + inventory.unseen_kg_per_k
                rest = thermal.unseen_drift * per_k
                passing_kg = thermal.fastest * thermal.lag / NS_PER_S * per_k
                # A sensor that lags is off by so much, on one side while it warms up and on the other while it cools.
                swing_kg = 2 * thermal.lag / NS_PER_S * self._restlessness.k_per_s * per_k
            else:
                scale = calibration.scale(inventory.kg)
                follows = per_k if stuck else scale * calibration.kg_per_k_bound
                rest, passing_kg, swing_kg = (
                    scale * calibration.drift_kg_per_s,
                    scale * calibration.swing_kg,
                    0.0,
                )
            moved = self._restlessness.k_per_s * follows
        at_rest = Allowance(rest + self._zero_leak_bound(), passing_kg, passing_kg / self._settling_s)
        allowance = Allowance(
            at_rest.lasting_kg_per_s + moved,
            passing_kg + swing_kg,
            at_rest.passing_kg_per_s + swing_kg / (2 * self._settling_s),
            self._stirred_kg,
            self._settling_s,
            self._stirred_ns or 0,
        )
        self._moving_kg_per_s = allowance.over(self._settling_s, time_ns) - at_rest.over(
            self._settling_s, time_ns
        )
        self._moves = self._moving_kg_per_s > at_rest.over(self._settling_s, time_ns)
        return allowance

    def _zero_leak_bound(self) -> float:
        """How much more than expected counts as none: what the board declares, or the doubt about what was measured."""
        declared, calibration = self._model.zero_leak_kg_per_s, self._calibration
        if calibration is None:
            return declared
        zero = calibration.zero_leak
        return max(declared - zero.value, 0.0) + ZERO_SIGMA * zero.sigma

    def _find_jump(self, time_ns: int, kg: float, inventory: Inventory) -> None:
        """What came or went while nobody could see it: no leak can be made of it, and it settles like any other."""
        if not self._judged_ns or time_ns - self._judged_ns < self._gap_ns:
            return
        more_kg = kg - self._judged_kg
        if abs(more_kg) > JUMP_SIGMA * inventory.noise_kg:
            kind = Kind.RISE if more_kg > 0 else Kind.FALL
            self._occurrences.append(Occurrence(kind, self._outputs.inventory, self._judged_ns, abs(more_kg)))
            self._stir(time_ns, HEATING * abs(more_kg))

    def _hear(self, time_ns: int, kg: float) -> None:
        """What the detector took for something else than a leak. Rises in a row are one."""
        row = self._outputs.inventory
        for event in self._detector.take_events():
            if event.kind is not Kind.RISE:
                self._occurrences.append(Occurrence(event.kind, row, event.began_ns, event.kg))
                if event.kind is Kind.FALL:
                    self._stir(time_ns, HEATING * event.kg)
                continue
            self._rise_until_ns = time_ns + STIR_NS
            if self._rise is None:
                self._rise = Occurrence(Kind.RISE, row, event.began_ns, 0.0)
                self._rise_from_kg = kg - event.kg
        rise = self._rise
        if rise is None:
            return
        more_kg = kg - self._rise_from_kg - rise.kg
        if more_kg > 0:
            self._rise = rise = rise._replace(kg=rise.kg + more_kg)
            self._stir(time_ns, HEATING * more_kg)
        if time_ns >= self._rise_until_ns:
            self._occurrences.append(rise)
            self._rise = None

    def _stir(self, time_ns: int, kg: float) -> None:
        """From now on `kg` may come and go as temperatures settle, with what is left of the last time."""
        left_kg = 0.0
        if self._stirred_ns is not None:
            gone = 1 + (time_ns - self._stirred_ns) / NS_PER_S / self._settling_s
            left_kg = self._stirred_kg / (gone * gone)
        self._stirred_kg, self._stirred_ns = left_kg + kg, time_ns
        self._inventory = None  # the detector is to know with the next one, not in a second

    def _tell(
        self, time_ns: int, table: Table, state: State, inventory: Inventory, certainty: float, origin: int
    ) -> None:
        verdict = self._detector.verdict(time_ns)
        if verdict is None:
            measured = self._inputs.temperature is not None
            self._cannot_tell(
                time_ns, table, Finding.LEARNING if measured else Finding.NO_TEMPERATURE, origin
            )
            return
        rows = self._outputs
        rate = self._rate(state, verdict)
        scaled = Measured(rate.value, math.hypot(rate.sigma, rate.value * inventory.scale))
        finding = self._finding(certainty, scaled, verdict.sigma)
        quality = (UNCERTAIN if finding in UNDETERMINED else GOOD) | origin
        time_left = NOTHING_LOST
        if certainty >= CERTAIN:
            time_left = self._model.time_left(state, inventory, rate)
        hole = self._model.hole(state, inventory, scaled)
        table.write(rows.verdict, float(finding), 0.0, time_ns, quality)
        table.write(rows.leak_certainty, certainty, 0.0, time_ns, quality)
        self._put(rows.leak_rate, table, scaled.value, scaled.sigma, time_ns, quality)
        self._put(rows.onset, table, verdict.onset_s, verdict.sigma_onset_s, time_ns, quality)
        self._put(rows.hole, table, hole.value, hole.sigma, time_ns, quality)
        self._put_time(rows.time_to_limit, table, time_left.to_limit_s, time_ns, quality)
        if rows.time_to_empty is not None and time_left.to_empty_s is not None:
            self._put_time(rows.time_to_empty, table, time_left.to_empty_s, time_ns, quality)
        if rows.decay is not None:
            # Volume and fluid cancel: rate / inventory = -dp/dt / p at constant temperature.
            per_kg = state.pressure_pa.value / inventory.kg
            self._put(rows.decay, table, rate.value * per_kg, rate.sigma * per_kg, time_ns, quality)

    def _finding(self, certainty: float, rate: Measured, sigma: float) -> Finding:
        """In a word; what stands against a pass comes before it. `sigma`: of the rate, but for its scale."""
        if certainty >= CERTAIN:
            limit = self._model.leak_limit_kg_per_s
            exceeded = rate.value - EXCEEDED_SIGMA * rate.sigma > limit
            return Finding.EXCEEDED if exceeded else Finding.LEAK
        if self._inputs.temperature is None:
            return Finding.NO_TEMPERATURE
        if not self._detector.known:
            return Finding.LEARNING
        dominant = UNIFORM * self._moving_kg_per_s > DOMINANT * sigma
        return Finding.TRANSIENT if self._moves and dominant else Finding.NO_LEAK

    def _rate(self, state: State, verdict: Verdict) -> Measured:
        """A leak without a date is as old as the window that shows it, or older."""
        span_s = verdict.span_s
        age_s = span_s if math.isnan(verdict.onset_s) else verdict.onset_s
        if abs(age_s - self._age_s) > SAME_TIME * age_s or abs(span_s - self._span_s) > SAME_TIME * span_s:
            self._age_s, self._span_s = age_s, span_s
            self._magnified = self._model.magnified(state, age_s, span_s)
        factor = self._magnified
        rate = verdict.rate / factor.value
        return Measured(rate, math.hypot(verdict.sigma, rate * factor.sigma) / factor.value)

    @staticmethod
    def _put(row: int, table: Table, value: float, sigma: float, time_ns: int, quality: int) -> None:
        known = not math.isnan(value)
        table.write(row, value, sigma, time_ns, quality if known else quality & ~GOOD | UNCERTAIN)

    def _put_time(self, row: int, table: Table, time: Measured, time_ns: int, quality: int) -> None:
        """Anything as long as NEVER_S is that, and without an error."""
        if time.value >= NEVER_S:
            self._put(row, table, NEVER_S, math.nan, time_ns, quality)
        else:
            self._put(row, table, time.value, time.sigma, time_ns, quality)

    def _cannot_tell(self, time_ns: int, table: Table, why: Finding, origin: int) -> None:
        quality = UNCERTAIN | origin
        for row in self._leak_rows:
            table.write(row, math.nan, math.nan, time_ns, quality)
        table.write(self._outputs.leak_certainty, 0.0, math.nan, time_ns, quality)
        table.write(self._outputs.verdict, float(why), 0.0, time_ns, quality)

    def _blind(self, time_ns: int, table: Table, origin: int) -> None:
        self._detector.restart()
        for row in (self._outputs.inventory, self._outputs.leak_certainty, *self._leak_rows):
            table.write(row, math.nan, math.nan, time_ns, BAD | origin)
        table.write(self._outputs.verdict, float(Finding.BLIND), 0.0, time_ns, BAD | origin)


class Series:
    """One channel's recent past: how often it comes, and whether it has frozen."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.value = math.nan
        self.interval_ns = 0
        self.equal = 0  # samples in a row that repeat the one before
        self._moved_ns = 0
        self._moves = 0
        self._ties = 0  # of them the next sample repeated so many

    def push(self, time_ns: int, value: float) -> bool:
        """False for a sample that is known already."""
        if time_ns == self.time_ns:
            return False
        self.interval_ns, self.time_ns = time_ns - self.time_ns, time_ns
        if value == self.value:
            self.equal += 1
            self._ties += self.equal == 1
        else:
            self.value, self._moved_ns, self.equal = value, time_ns, 0
            self._moves += 1
        return True

    def flat(self, span_ns: int) -> bool:
        """Unchanged more often in a row than chance makes it, by its own past; or for at least so long."""
        if self.equal < FLAT_MIN:
            return False
        tie = (self._ties + 1) / (self._moves + 2)
        if self.equal * math.log(tie) < LN_CHANCE:
            return True
        return self.equal >= FLAT_SAMPLES and self.time_ns - self._moved_ns >= span_ns
