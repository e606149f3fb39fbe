"""A healthy gas vessel day after day, and what disturbs it: simulated in numpy, apart from all that judges it.

It swings by +/-10 K each orbit, is refilled, has a pump that starts and stops, an instrument that drops out, spikes,
sticks and changes its unit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import lfilter

from fsw.arrivals import Arrivals, Columns
from fsw.sample import Quality

NS = 1_000_000_000
DAY_S = 86_400
ORBIT_S, SWING_K, MEAN_K = 5520.0, 10.0, 295.0
LAG_S = 120.0  # by which the gas follows the sensor on its wall
NOISE_PA, NOISE_K, PHI = 100.0, 0.02, 0.3
VOLUME_M3, NITROGEN = 0.004, 296.8
FULL_PA = 6e5
REFILL_PA, HEATING, SETTLING_S = 4e4, 0.286, 60.0
PUMP_PA = 3e3
UNIT = 14.5037738  # bar read as psi
PER_DAY = {"pump": 24, "refill": 1, "drop_out": 6, "spike": 24, "stuck": 2, "unit": 1}

BOARD = """
[board]
name = "campaign"
rate = "1 Hz"
apid = 77
heartbeat = "1 day"
housekeeping = "1 day"
false_alarms = "{false_alarms}"

[lines.bus]
device = "/dev/null"

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40001
type = "f32"
noise = "100 Pa"
range = ["0 bar absolute", "100 bar absolute"]
max_rate = "1 bar/s"
stale_after = "5 s"
stuck_after = "30 s"

[instruments.tt]
line = "bus"
dialect = "modbus_rtu"
address = 2
[instruments.tt.channels.temperature]
quantity = "temperature"
unit = "degC"
register = 40001
type = "f32"
noise = "0.02 K"
range = ["-40 degC", "125 degC"]
max_rate = "10 K/s"
stale_after = "5 s"

[vessels.rig]
model = "gas"
pressure = "pt.pressure"
temperature = "tt.temperature"
volume = "4 L +/- 2 %"
fluid = "nitrogen"
limit = "1 bar absolute"

[vessels.rig.thermal]
lag = "120 s"
"""


class Fault(NamedTuple):
    """What the pressure instrument did wrong, from sample `first` of all up to `end`."""

    kind: str
    first: int
    end: int


@dataclass
class Day:
    """One day of samples at 1 Hz; NaN is a sample that never came."""

    pressure_pa: Any
    temperature_k: Any
    disturbed: list[tuple[float, str]]  # when, and by what
    faults: list[Fault]


@dataclass
class Rig:
    """The truth, day after day."""

    rng: np.random.Generator
    disturbances: bool = True
    level_pa: float = FULL_PA
    pump_on: bool = False
    leak_pa_per_s: float = 0.0
    _gas_k: float = MEAN_K
    _noise_pa: float = 0.0
    _settle: list[tuple[float, float]] = field(default_factory=list)  # when, kelvin

    def day(self, number: int) -> Day:
        """The samples of one day."""
        rng = self.rng
        t = number * DAY_S + np.arange(DAY_S, dtype=float)
        wall = MEAN_K + SWING_K * np.sin(2 * math.pi * t / ORBIT_S)
        keep = math.exp(-1 / LAG_S)
        gas, _ = lfilter([1 - keep], [1, -keep], wall, zi=[keep * self._gas_k])
        self._gas_k = float(gas[-1])
        amount = np.full(DAY_S, self.level_pa) - self.leak_pa_per_s * np.arange(DAY_S)
        pump = np.zeros(DAY_S)
        heat = np.zeros(DAY_S)
        found: list[tuple[float, str]] = []
        if self.disturbances:
            for place in np.sort(rng.integers(0, DAY_S, PER_DAY["pump"])):
                self.pump_on = not self.pump_on
                pump[place:] = PUMP_PA * self.pump_on
                found.append((float(t[place]), "pump"))
            for place in rng.integers(0, DAY_S - 600, PER_DAY["refill"]):
                # What it gains is let out by hand at midnight now and then, and written down as a vent.
                takes = int(rng.integers(2, 60))
                rise = np.minimum(np.maximum(np.arange(DAY_S) - place, 0) / takes, 1.0) * REFILL_PA
                amount += rise
                hot = MEAN_K * HEATING * REFILL_PA / self.level_pa
                since = np.maximum(np.arange(DAY_S) - place, 0)
                heat += (
                    hot * np.minimum(since / takes, 1.0) * np.exp(-np.maximum(since - takes, 0) / SETTLING_S)
                )
                found.append((float(t[place]), "refill"))
        self.level_pa = float(amount[-1])
        clean = (amount + pump) * (gas + heat) / MEAN_K
        white = rng.standard_normal(DAY_S) * NOISE_PA * math.sqrt(1 - PHI * PHI)
        noise, _ = lfilter([1], [1, -PHI], white, zi=[PHI * self._noise_pa])
        self._noise_pa = float(noise[-1])
        pressure = clean + noise
        temperature = wall + rng.standard_normal(DAY_S) * NOISE_K
        faults = list(self._corrupt(pressure)) if self.disturbances else []
        found += [(float(t[fault.first]), fault.kind) for fault in faults]
        begins = number * DAY_S
        moved = [fault._replace(first=fault.first + begins, end=fault.end + begins) for fault in faults]
        return Day(pressure, temperature, sorted(found), moved)

    def _corrupt(self, pressure: Any) -> Iterator[Fault]:
        rng = self.rng
        for place in rng.integers(0, DAY_S, PER_DAY["spike"]):
            pressure[place] += float(rng.choice([-1, 1])) * NOISE_PA * 10 ** rng.uniform(1, 3)
            yield Fault("spike", int(place), int(place) + 1)
        for kind, longest in (("drop_out", 60), ("stuck", 300), ("unit", 300)):
            for place in rng.integers(0, DAY_S - longest, PER_DAY[kind]):
                end = place + int(rng.integers(1 if kind == "drop_out" else 40, longest))
                if kind == "drop_out":
                    pressure[place:end] = np.nan
                elif kind == "stuck":
                    pressure[place:end] = pressure[place]
                else:
                    pressure[place:end] *= UNIT
                yield Fault(kind, int(place), int(end))


def ticks(day: Day, number: int, rows: tuple[int, int]) -> Iterator[tuple[int, Arrivals]]:
    """Each second's samples, for `Monitor.step`."""
    times = (number * DAY_S + np.arange(DAY_S, dtype=np.int64) + 1) * NS
    both = np.stack([day.pressure_pa, day.temperature_k], axis=1)
    came = ~np.isnan(both)
    ends = np.cumsum(came.sum(axis=1))
    taken = came.ravel()
    columns = Columns(
        np.tile(np.array(rows, np.uint32), DAY_S)[taken],
        np.repeat(times, 2)[taken],
        np.ascontiguousarray(both.ravel()[taken]),
        np.full(int(ends[-1]), int(Quality.GOOD), np.uint8),
    )
    first = 0
    for now_ns, end in zip(times.tolist(), ends.tolist(), strict=True):
        yield now_ns, Arrivals(columns, first, end)
        first = end
