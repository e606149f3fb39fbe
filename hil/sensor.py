"""What an instrument makes of the truth: lag, offset and drift, noise white and correlated, range,
resolution; in that order.
"""

import math
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from hil.plant import UNITS
from hil.quantity import Duration, si, span

_NS_PER_HOUR = 3600e9


class Options(BaseModel):
    """One measuring channel: what it reads and how badly. Quantities in the unit's dimension ("100 Pa", "0.05
    K") or SI numbers.

    Dialects add what they need to send the channel (register, unit...), so that in a scenario all of it
    stands together: `{ reads = "loop_a.pressure", noise = "100 Pa", register = 2, unit = "bar" }`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    reads: str  # "<plant>.<variable>"
    noise: str | float = 0.0  # white, 1 sigma
    wander: str | float = 0.0  # AR(1) noise, 1 sigma ...
    wander_time: Duration = (
        1_000_000_000  # ... and correlation time; phi at a sampling period dt is exp(-dt / wander_time)
    )
    lag: Duration = 0  # first-order time constant
    offset: str | float = 0.0
    drift_per_hour: str | float = 0.0
    resolution: str | float = 0.0
    range: tuple[str | float, str | float] | None = None  # saturates at these levels

    @field_validator("reads")
    @classmethod
    def _knows_what_it_reads(cls, reads: str) -> str:
        plant, dot, variable = reads.partition(".")
        if not (plant and dot and variable in UNITS):
            raise ValueError(f"{reads!r} is not <plant>.<variable> with a variable of {', '.join(UNITS)}")
        return reads

    @model_validator(mode="after")
    def _has_the_right_dimensions(self) -> "Options":
        for key in ("noise", "wander", "offset", "drift_per_hour", "resolution"):
            span(getattr(self, key), self.si_unit)
        for level in self.range or ():
            si(level, self.si_unit)
        return self

    @property
    def si_unit(self) -> str:
        """Of what it reads."""
        return UNITS[self.reads.partition(".")[2]]


class Sensor:
    """Reads `truth(now_ns)` (SI) as `options` say; `unit` is the truth's SI unit; all randomness comes from
    `rng`.

    Asked twice at one instant it says the same twice. Between two readings the truth is taken to move on a
    straight line.
    """

    def __init__(
        self, options: Options, truth: Callable[[int], float], unit: str, rng: np.random.Generator
    ) -> None:
        self._truth = truth
        self._rng = rng
        self._noise = span(options.noise, unit)
        self._wander = span(options.wander, unit)
        self._wander_time_ns = options.wander_time
        self._lag_ns = options.lag
        self._offset = span(options.offset, unit)
        self._drift_per_ns = span(options.drift_per_hour, unit) / _NS_PER_HOUR
        self._resolution = span(options.resolution, unit)
        self._low, self._high = (
            (si(level, unit) for level in options.range) if options.range else (-math.inf, math.inf)
        )
        self._read_ns: int | None = None
        self._last_truth = self._lagged = self._wandered = self._reading = math.nan

    def __call__(self, now_ns: int) -> float:
        """The reading at `now_ns`, SI. `now_ns` never goes back."""
        if now_ns == self._read_ns:
            return self._reading
        truth = self._truth(now_ns)
        reading = self._follow(truth, now_ns) + self._offset + self._drift_per_ns * now_ns
        if self._noise:
            reading += self._noise * self._rng.standard_normal()
        if self._wander:
            reading += self._walk(now_ns)
        reading = min(max(reading, self._low), self._high)
        if self._resolution:
            reading = self._resolution * round(reading / self._resolution)
        self._read_ns, self._last_truth, self._reading = now_ns, truth, reading
        return reading

    def _follow(self, truth: float, now_ns: int) -> float:
        """A first-order lag's exact answer to a ramp; it begins settled."""
        if self._read_ns is None or not self._lag_ns:
            self._lagged = truth
        else:
            elapsed_ns = now_ns - self._read_ns
            behind = (truth - self._last_truth) / elapsed_ns * self._lag_ns
            decay = math.exp(-elapsed_ns / self._lag_ns)
            self._lagged = truth - behind + (self._lagged - self._last_truth + behind) * decay
        return self._lagged

    def _walk(self, now_ns: int) -> float:
        """An Ornstein-Uhlenbeck process: AR(1) at any spacing of the readings; it begins stationary."""
        shock = self._wander * self._rng.standard_normal()
        if self._read_ns is None:
            self._wandered = shock
        else:
            phi = math.exp(-(now_ns - self._read_ns) / self._wander_time_ns) if self._wander_time_ns else 0.0
            self._wandered = phi * self._wandered + math.sqrt(1 - phi * phi) * shock
        return self._wandered
