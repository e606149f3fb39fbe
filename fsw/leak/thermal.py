"""What one temperature sensor cannot say of the mean temperature of a fluid."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fsw.leak.window import Window
from fsw.quantity import Duration, Fraction, Quantity, parse

NS_PER_S = 1_000_000_000
K_PER_HOUR = 1 / 3600

SLOPE_NS = 120 * NS_PER_S  # long enough that 0.05 K of noise at 10 Hz leaves 0.15 K/h
SLOPE_SAMPLES = 128
MEAN_NS = NS_PER_S  # samples are averaged over this before they cost anything
MEMORY_S = 7200.0  # longer than an orbit: a cycle at rest for a moment is still a cycle
SURE_SIGMA = 5.0  # a slope below this is noise, and noise must not widen the allowance


def _temperature_rate(value: object, example: str) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit: write it as {example!r}")  # noqa: TRY004  (pydantic collects ValueErrors)
    rate = parse(value, "K/s", difference=True)
    if rate < 0:
        raise ValueError(f"{value!r} is out of bounds: a rate of change is 0 or more, as {example!r}")
    return rate


def _temperature_difference(value: object, example: str) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit: write it as {example!r}")  # noqa: TRY004  (pydantic collects ValueErrors)
    difference = parse(value, "K", difference=True)
    if difference < 0:
        raise ValueError(f"{value!r} is out of bounds: a bound of a temperature is 0 or more, as {example!r}")
    return difference


TemperatureRate = Annotated[float, Quantity(_temperature_rate, "1 K/h", "K/s")]
TemperatureDifference = Annotated[float, Quantity(_temperature_difference, "3 K", "K")]


class Thermal(BaseModel):
    """`[vessels.NAME.thermal]`: how well the sensor knows the fluid's mean temperature. Bounds, not sigmas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mismatch: Fraction = Field(
        default=0.1,
        description="share of a temperature change that the sensor shows wrongly, for it is not the mean",
    )
    unseen_drift: TemperatureRate = Field(
        default=K_PER_HOUR,
        description="lasting drift of the mean that the sensor never shows",
        json_schema_extra={"default": "1 K/h"},
    )
    lag: Duration = Field(
        default=60 * NS_PER_S,
        description="how long a change of the mean may go before the sensor shows it",
        json_schema_extra={"default": "60 s"},
    )
    fastest: TemperatureRate = Field(
        default=6 * K_PER_HOUR,
        description="fastest change of the mean during that time",
        json_schema_extra={"default": "0.1 K/min"},
    )
    start: TemperatureDifference = Field(
        default=1.0,
        description="error of the sensor's mean when the monitor starts, as after a fill; it fades with `lag`",
        json_schema_extra={"default": "1 K"},
    )
    unmeasured: TemperatureRate = Field(
        default=120 * K_PER_HOUR,
        description="fastest change of a temperature that no channel measures",
        json_schema_extra={"default": "2 K/min"},
    )


class Restlessness:
    """The fastest change of a temperature in recent hours: |dT/dt| over two minutes, held, fading in two hours."""

    def __init__(self) -> None:
        self._slope = Window(SLOPE_NS, SLOPE_SAMPLES)
        self._sum, self._count = 0.0, 0
        self._due_ns = 0
        self._time_ns = 0
        self.k_per_s = 0.0

    def push(self, time_ns: int, temperature_k: float) -> None:
        """Take a good sample."""
        self._sum += temperature_k
        self._count += 1
        if time_ns < self._due_ns:
            return
        self._due_ns = time_ns + MEAN_NS
        mean_k = self._sum / self._count
        self._sum, self._count = 0.0, 0
        elapsed_s = (time_ns - self._time_ns) / NS_PER_S
        self._time_ns = time_ns
        self.k_per_s *= math.exp(-elapsed_s / MEMORY_S)
        slope = self._slope
        if slope.push(time_ns, mean_k) and slope.fit is not None:
            self.k_per_s = max(self.k_per_s, abs(slope.fit.slope) - SURE_SIGMA * slope.fit.sigma)


class Lagged:
    """A temperature as a mass behind a thermal resistance follows it: first order, time constant `lag_s`."""

    def __init__(self, lag_s: float) -> None:
        self._lag_s = lag_s
        self._time_ns = 0
        self.k = math.nan

    def push(self, time_ns: int, temperature_k: float) -> float:
        """Take a good sample; what the mass has now."""
        elapsed_s = (time_ns - self._time_ns) / NS_PER_S
        self._time_ns = time_ns
        if math.isnan(self.k) or self._lag_s == 0:
            self.k = temperature_k
        else:
            self.k += (temperature_k - self.k) * -math.expm1(-elapsed_s / self._lag_s)
        return self.k
