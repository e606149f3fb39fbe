"""What a plant is exposed to: holes that open and close, and a temperature that swings."""

import math
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from hil.quantity import Duration, Length, Temperature, TemperatureSpan


class Hole(BaseModel):
    """`{ at = "600 s", hole = "0.8 mm" }`: a round hole of that diameter, open from `at` until `until`
    (default: for ever).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: Duration
    until: Duration | None = None
    hole: Length = Field(gt=0)


class Ambient(BaseModel):
    """`temperature + swing * sin(2 pi t / period)`; an orbit takes 92 min."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    temperature: Temperature = 293.15
    swing: TemperatureSpan = 0.0
    period: Duration = Field(default=92 * 60 * 1_000_000_000, gt=0)

    def at(self, t_s: float) -> float:
        """Kelvin at time `t_s`."""
        return swung_k(self.temperature, self.swing, self.period, t_s)


def swung_k(temperature_k: float, swing_k: float, period_ns: int, t_s: float) -> float:
    """A sine about `temperature_k` that passes it upwards at t = 0."""
    return temperature_k + swing_k * math.sin(2 * math.pi * t_s * 1e9 / period_ns)


def hole_area_m2(holes: Sequence[Hole], t_ns: int) -> float:
    """Of all holes open at `t_ns` together."""
    return sum(
        math.pi / 4 * hole.hole**2
        for hole in holes
        if hole.at <= t_ns and (hole.until is None or t_ns < hole.until)
    )


def changes_ns(holes: Iterable[Hole]) -> list[int]:
    """When holes open or close."""
    return [t for hole in holes for t in (hole.at, hole.until) if t is not None]
