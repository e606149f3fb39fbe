"""Faults of what a sensor reads, and the wrapper that puts them there."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from hil.faults.fault import Fault, Gate
from hil.instruments import Source
from hil.quantity import BaseSI, BaseSpan


@dataclass(frozen=True, slots=True)
class Reading:
    """What the sensor reads now, what it read last before the fault struck, and how long the fault has been there."""

    value: float
    held: float
    since_s: float


class ValueFault(Fault):
    """A fault of readings; quantities are taken in SI whatever the channel measures."""

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """The reading in its place, SI."""
        raise NotImplementedError


class Stuck(ValueFault):
    """The last reading before it, for ever the same to the last bit."""

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Held."""
        return reading.held


class Offset(ValueFault):
    """`height` off: with a `count` or a `probability` a spike, without a step."""

    height: BaseSpan

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Higher."""
        return reading.value + self.height


class Drift(ValueFault):
    """Off by `rate` ("10 Pa/s") times the time since it began."""

    rate: BaseSpan

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Further and further off."""
        return reading.value + self.rate * reading.since_s


class NoiseUp(ValueFault):
    """White noise of 1 sigma `noise` on top."""

    noise: BaseSpan

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Noisier."""
        return reading.value + self.noise * float(rng.standard_normal())


class Quantise(ValueFault):
    """In steps of `resolution`."""

    resolution: BaseSpan = Field(gt=0)

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """The nearest step."""
        return self.resolution * round(reading.value / self.resolution)


class NaN(ValueFault):
    """Not a number."""

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """NaN."""
        return math.nan


class Inf(ValueFault):
    """Infinite; `negative`: the other way."""

    negative: bool = False

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Over or under range, as Keller transmitters say it."""
        return -math.inf if self.negative else math.inf


class Saturate(ValueFault):
    """Never below `low` nor above `high`."""

    low: BaseSI = -math.inf
    high: BaseSI = math.inf

    @model_validator(mode="after")
    def _does_something(self) -> "Saturate":
        if not -math.inf < self.low < self.high and not self.low < self.high < math.inf:
            raise ValueError(f"low {self.low}, high {self.high}: give at least one, low below high")
        return self

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Clipped."""
        return min(max(reading.value, self.low), self.high)


class Sentinel(ValueFault):
    """Always `value`, as an instrument that sends a number for "no reading"."""

    value: BaseSI

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """The same number."""
        return self.value


class UnitChange(ValueFault):
    """`factor` times the reading, as when somebody set another unit."""

    factor: float

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Scaled."""
        return reading.value * self.factor


class Garbage(ValueFault):
    """The bad data relay: sound frames with random values, from `low` to `high` or else from 0 to twice the reading."""

    low: BaseSI | None = None
    high: BaseSI | None = None

    def spoil(self, reading: Reading, rng: np.random.Generator) -> float:
        """Uniform."""
        low = 0.0 if self.low is None else self.low
        high = 2 * reading.value if self.high is None else self.high
        return low + (high - low) * float(rng.random())


class FaultySource:
    """A Source whose readings suffer `faults`, each on what the one before left. Asked twice at one instant
    it says the same twice.
    """

    def __init__(self, source: Source, faults: Iterable[Fault], rng: np.random.Generator) -> None:
        self._source = source
        self._rng = rng
        self._faults = [(fault, Gate(fault, rng)) for fault in faults if isinstance(fault, ValueFault)]
        self._held: dict[int, float] = {}
        self._read_ns: int | None = None
        self._value = math.nan

    def __call__(self, now_ns: int) -> float:
        """The reading at `now_ns`, SI."""
        if now_ns != self._read_ns:
            self._read_ns, self._value = now_ns, self._read(now_ns)
        return self._value

    def _read(self, now_ns: int) -> float:
        value = self._source(now_ns)
        for index, (fault, gate) in enumerate(self._faults):
            if gate.strikes(now_ns):
                held = self._held.setdefault(index, value)
                value = fault.spoil(Reading(value, held, (now_ns - fault.at) * 1e-9), self._rng)
            else:
                self._held[index] = value
        return value
