"""What a vessel's instruments bring: how far it can be trusted, the state that they see, whether one has frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fsw.leak.calibration import Calibration
from fsw.leak.state import State
from fsw.leak.thermal import Lagged, Restlessness
from fsw.quantity import Measured
from fsw.sample import Quality
from fsw.table import Table

FLAT_SAMPLES = 20  # fewer equal samples in a row are chance, whatever the instrument is like
FLAT_MIN = 3  # fewer never tell
LN_CHANCE = math.log(1e-6)  # once in so many samples chance freezes a live instrument
NOT_FOLLOWED = int(Quality.UNCERTAIN | Quality.BAD | Quality.STALE)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of the table that are read."""

    pressure: int
    temperature: int | None = None
    gas_temperature: int | None = None


class Readings:
    """The inputs of one vessel. The temperature goes on while there is no pressure, and what lags behind it too."""

    def __init__(
        self,
        inputs: Inputs,
        assumed_temperature_k: Measured,
        calibration: Calibration | None,
        flat_ns: int,
        declared: Mapping[int, float],
    ) -> None:
        """`declared`: the noise of input rows by the board's word; that of others is what the table says."""
        self.inputs = inputs
        self.pressure = Series()
        self._rows = [
            row for row in (inputs.pressure, inputs.temperature, inputs.gas_temperature) if row is not None
        ]
        self._assumed_temperature_k = assumed_temperature_k
        self._calibration = calibration
        self._flat_ns = flat_ns
        self._declared = declared
        self._temperature = Series()
        self._restlessness = Restlessness()
        self._even_k = math.nan
        self._lagged = Lagged(calibration.lag_s if calibration else 0.0)

    @property
    def k_per_s(self) -> float:
        """The fastest change of the temperature in recent hours."""
        return self._restlessness.k_per_s

    @property
    def is_stuck(self) -> bool:
        """The temperature does not move by a bit."""
        return self._temperature.flat(self._flat_ns)

    def take(self, table: Table) -> int:
        """The quality of all of them together."""
        quality, qualities, row = 0, table.quality, self.inputs.temperature
        for each in self._rows:
            quality |= qualities[each]
        if row is not None and not qualities[row] & NOT_FOLLOWED:
            time_ns = table.time_ns[row]
            if time_ns != self._temperature.time_ns:
                self._follow(time_ns, table.value[row])
        return quality

    def corrected_kg(self, kg: float) -> float:
        """An inventory without what temperature leaves in it, as far as a calibration knows."""
        if self._calibration is None:
            return kg
        return self._calibration.corrected_kg(kg, self._even_k, self._lagged.k)

    def state(self, table: Table) -> State:
        """What the instruments say, with their noise."""

        # Not what the despiking filter makes of its window: in a gross leak that is the fall, and would hide it.
        def noise(row: int) -> float:
            return self._declared.get(row, table.sigma[row])

        inputs, value = self.inputs, table.value
        pressure = Measured(value[inputs.pressure], noise(inputs.pressure))
        if inputs.temperature is None:
            return State(pressure, self._assumed_temperature_k)
        # Asked less often, a temperature is the same in several inventories: its noise averages away less.
        ratio = self._temperature.interval_ns / (self.pressure.interval_ns or 1)
        repeats = math.sqrt(ratio) if ratio > 1 else 1.0
        gas = inputs.gas_temperature
        return State(
            pressure,
            Measured(value[inputs.temperature], noise(inputs.temperature) * repeats),
            None if gas is None else Measured(value[gas], noise(gas) * repeats),
        )

    def _follow(self, time_ns: int, kelvin: float) -> None:
        self._temperature.push(time_ns, kelvin)
        self._restlessness.push(time_ns, kelvin)
        if self._calibration is not None:
            self._even_k = self._calibration.even_k(kelvin)
            self._lagged.push(time_ns, self._even_k)


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

    def push(self, time_ns: int, value: float) -> None:
        """Take a sample, of another time than the last."""
        self.interval_ns, self.time_ns = time_ns - self.time_ns, time_ns
        if value == self.value:
            self.equal += 1
            self._ties += self.equal == 1
        else:
            self.value, self._moved_ns, self.equal = value, time_ns, 0
            self._moves += 1

    def flat(self, span_ns: int) -> bool:
        """Unchanged more often in a row than chance makes it, by its own past; or for at least so long."""
        if self.equal < FLAT_MIN:
            return False
        tie = (self._ties + 1) / (self._moves + 2)
        if self.equal * math.log(tie) < LN_CHANCE:
            return True
        return self.equal >= FLAT_SAMPLES and self.time_ns - self._moved_ns >= span_ns
