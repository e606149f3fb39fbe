"""One vessel, tick by tick: readings -> inventory -> evidence -> what it means, from the table back into it.

How sure a leak is, is told with each new pressure; rate, onset, hole and time left once a second, and when it becomes
sure. Quality of what it writes: UNCERTAIN while it cannot be told (`verdict` says why); BAD once the vessel is blind
(an input stale, or bad three times in a row). Once it can be told, all is GOOD, and the standard error says how well.
Without a certain leak the times are NEVER_S, the onset is NaN and UNCERTAIN, and the hole with its standard error is
what a leak lost in the noise could be at most.
"""

import math
from collections.abc import Mapping

from fsw.leak.calibration import Calibration
from fsw.leak.detector import CERTAIN, UNIFORM, Detector, Verdict
from fsw.leak.outputs import Outputs, put, put_time
from fsw.leak.readings import FLAT_MIN, Inputs, Readings
from fsw.leak.state import EXACT, NEVER, Finding, Inventory, Model, State, TimeLeft
from fsw.leak.thermal import NS_PER_S, Thermal
from fsw.leak.unrest import Unrest
from fsw.occurrence import Kind, Occurrence
from fsw.quantity import Measured
from fsw.sample import Quality
from fsw.table import Table

__all__ = ["Inputs", "Model", "Outputs", "Vessel"]

BAD_IN_A_ROW = 3
SAME_TIME = 0.01  # an age or a span that has changed by less means the same
SECOND_NS = NS_PER_S  # what costs more than evidence is worked out so often,
TELL_SAMPLES, TELL_NS = 10, 10 * NS_PER_S  # but for slow instruments: after so many inventories, or so long
DOMINANT = 0.5  # share of the error that comes of temperatures on the move: the verdict says so
EXCEEDED_SIGMA = 3.0
UNDETERMINED = frozenset({Finding.LEARNING, Finding.NO_TEMPERATURE})
# Of a sudden change: gas that is compressed heats up by (gamma - 1) / gamma of dp/p, and cools again.
HEATING = 0.3
JUMP_SIGMA = 10.0  # of a change behind a gap
STIR_NS = 10 * NS_PER_S  # rises that follow so soon are one refill
GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)
STALE = int(Quality.STALE)
NOTHING_DECLARED: Mapping[int, float] = {}
NOTHING_LOST = TimeLeft(NEVER, NEVER)
TRUST = 0x0F  # the four bits of Quality that say how far; the others say where from


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
        self._readings = Readings(inputs, model.assumed_temperature_k, calibration, flat_ns, declared)
        self._unrest = Unrest(thermal, calibration, model.zero_leak_kg_per_s)
        self._start_k = thermal.start
        self._gap_ns, self._flat_ns = gap_ns, flat_ns
        self._inputs = inputs
        self._outputs = outputs
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
        self._age_s = self._span_s = math.inf
        self._magnified = EXACT

    def step(self, now_ns: int, table: Table) -> None:
        """Read, judge, write: once for each new pressure sample, and on every tick that an input is stale."""
        readings = self._readings
        quality = readings.take(table)
        if quality & STALE:
            self._blind(now_ns, table, quality & ~TRUST)
            return
        time_ns = table.time_ns[self._inputs.pressure]
        if time_ns == readings.pressure.time_ns:
            return
        if not quality & BAD:
            self._bad = 0
            self._judge(time_ns, table, quality)
            return
        readings.pressure.time_ns = time_ns
        self._bad += 1
        origin = quality & ~TRUST
        table.write(self._outputs.inventory, math.nan, math.nan, time_ns, BAD | origin)
        if self._bad >= BAD_IN_A_ROW:
            self._blind(time_ns, table, origin)

    def suspend(self, now_ns: int) -> None:
        """From now on no leak can be told: a phase of the test. The inventory is written on."""
        self._suspended = True

    def resume(self, now_ns: int) -> None:
        """Judge again, and forget what was before."""
        self._suspended = False
        self._rise = None
        self._detector.restart()
        self._unrest.forget()

    def take_occurrences(self) -> list[Occurrence]:
        """What happened since they were taken last."""
        taken, self._occurrences = self._occurrences, []
        return taken

    def _judge(self, time_ns: int, table: Table, quality: int) -> None:
        inputs, value, model = self._inputs, table.value, self._model
        pressure, origin = self._readings.pressure, quality & ~TRUST
        pressure_pa, gas_k = value[inputs.pressure], None
        pressure.push(time_ns, pressure_pa)
        row = inputs.temperature
        temperature_k = model.assumed_temperature_k.value if row is None else value[row]
        if inputs.gas_temperature is not None:
            gas_k = value[inputs.gas_temperature]
        kg = model.kg(pressure_pa, temperature_k, gas_k)
        inventory = self._inventory
        since_ns = time_ns - self._told_ns
        self._untold += 1
        due = inventory is None or (
            since_ns >= SECOND_NS and (self._untold >= TELL_SAMPLES or since_ns >= TELL_NS)
        )
        if due or inventory is None:
            self._state = self._readings.state(table)
            self._inventory = inventory = model.inventory(self._state)
        alive = pressure.equal < FLAT_MIN or not pressure.flat(self._flat_ns)
        good = alive and not quality & UNCERTAIN and math.isfinite(kg)
        table.write(
            self._outputs.inventory, kg, inventory.sigma_kg, time_ns, (GOOD if good else UNCERTAIN) | origin
        )
        if self._suspended:
            self._outputs.cannot_tell(table, time_ns, Finding.SUSPENDED, origin)
            return
        silent = time_ns - self._judged_ns >= self._gap_ns
        if not good:
            self._inventory = None
            if silent:
                why = Finding.UNCERTAIN_INPUT if alive else Finding.FLAT
                self._outputs.cannot_tell(table, time_ns, why, origin)
            return
        if silent and self._judged_ns:
            self._find_jump(time_ns, kg, inventory)
        self._judged_ns, self._judged_kg = time_ns, kg
        detector = self._detector
        if due:
            if not self._unrest.begun:
                self._stir(time_ns, self._start_k * inventory.kg_per_k)
            allowance = self._unrest.allowance(time_ns, inventory, self._readings)
            detector.expect(inventory.noise_kg, inventory.fading_per_kg, allowance)
        kg = self._readings.corrected_kg(kg)
        certainty = detector.push(time_ns, kg)
        if detector.events or self._rise is not None:
            self._hear(time_ns, kg)
        certain = certainty >= CERTAIN
        if due or certain is not self._told_certain:
            self._told_ns, self._told_certain, self._untold = time_ns, certain, 0
            self._tell(time_ns, table, inventory, certainty, origin)
        else:
            value[self._outputs.leak_certainty] = certainty
            table.time_ns[self._outputs.leak_certainty] = time_ns

    def _find_jump(self, time_ns: int, kg: float, inventory: Inventory) -> None:
        """What came or went while nobody could see it: no leak can be made of it, and it settles like any other."""
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
        self._unrest.stir(time_ns, kg)
        self._inventory = None  # the detector is to know with the next one, not in a second

    def _tell(self, time_ns: int, table: Table, inventory: Inventory, certainty: float, origin: int) -> None:
        verdict = self._detector.verdict(time_ns)
        if verdict is None:
            measured = self._inputs.temperature is not None
            self._outputs.cannot_tell(
                table, time_ns, Finding.LEARNING if measured else Finding.NO_TEMPERATURE, origin
            )
            return
        rows, state = self._outputs, self._state
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
        put(table, rows.leak_rate, scaled.value, scaled.sigma, time_ns, quality)
        put(table, rows.onset, verdict.onset_s, verdict.sigma_onset_s, time_ns, quality)
        put(table, rows.hole, hole.value, hole.sigma, time_ns, quality)
        put_time(table, rows.time_to_limit, time_left.to_limit_s, time_ns, quality)
        if rows.time_to_empty is not None and time_left.to_empty_s is not None:
            put_time(table, rows.time_to_empty, time_left.to_empty_s, time_ns, quality)
        if rows.decay is not None:
            # Volume and fluid cancel: rate / inventory = -dp/dt / p at constant temperature.
            per_kg = state.pressure_pa.value / inventory.kg
            put(table, rows.decay, rate.value * per_kg, rate.sigma * per_kg, time_ns, quality)

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
        dominant = UNIFORM * self._unrest.moving_kg_per_s > DOMINANT * sigma
        return Finding.TRANSIENT if self._unrest.moves and dominant else Finding.NO_LEAK

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

    def _blind(self, time_ns: int, table: Table, origin: int) -> None:
        self._detector.restart()
        self._outputs.blind(table, time_ns, origin)
