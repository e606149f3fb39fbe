"""A liquid coolant loop with a gas-charged accumulator: what leaks away, and what thermal expansion moves,
the gas makes room for.

The liquid is the main volume and a radiator that cycles with the orbit; the main volume follows it by mixing,
so that no one sensor sees the mean. The accumulator's gas exchanges heat with the main volume: isothermal in
the long run, adiabatic in the short.
"""

import math
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hil.quantity import Density, Duration, Number, PerKelvin, Pressure, Temperature, TemperatureSpan, Volume
from hil.surroundings import Hole, changes_ns, hole_area_m2, swung_k
from hil.trajectory import Forecast, Slope, State, Trajectory

_LONGEST_STEP_S = 1.0
_SHORTEST_STEP_S = 0.001
_LONGEST_LOOK_AHEAD_S = 600.0


class Radiator(BaseModel):
    """`share` of the liquid's mass is in it; it swings by `swing` about the loop's temperature; the main
    volume follows in `mixing`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    share: Number = Field(ge=0, le=1)
    swing: TemperatureSpan
    period: Duration = Field(default=92 * 60 * 1_000_000_000, gt=0)
    mixing: Duration = Field(default=600 * 1_000_000_000, gt=0)


class Options(BaseModel):
    """Volumes, pressure and density are those at `temperature` and before any leak, which is the state at t =
    0.

    `exchange` is the time constant of the accumulator's gas against the liquid (0: isothermal). The hole
    opens to `outside`, or to the liquid's own vapour if that is more. `usable` liquid (default: all) counts
    for time_to_empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: Literal["coolant_loop"]
    liquid_volume: Volume = Field(gt=0)
    density: Density = Field(gt=0)
    expansion: PerKelvin = 0.0
    gas_volume: Volume = Field(gt=0)
    pressure: Pressure = Field(gt=0)
    temperature: Temperature = 293.15
    gamma: Number = Field(default=1.4, gt=1)
    exchange: Duration = 0
    radiator: Radiator | None = None
    outside: Pressure = 0.0
    vapour_pressure: Pressure = 0.0
    cd: Number = Field(default=0.61, gt=0, le=1)
    leak: tuple[Hole, ...] = ()
    usable: Volume | None = None
    limit: Pressure | None = None


class Plant:
    """Its state is (mass of liquid, temperature of the main volume, Tg Vg^(gamma-1): what an adiabatic change
    of the gas keeps).
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._exchange_s = options.exchange * 1e-9
        self._downstream_pa = max(options.outside, options.vapour_pressure)
        self._share = options.radiator.share if options.radiator else 0.0
        self._mixing_s = options.radiator.mixing * 1e-9 if options.radiator else math.inf
        start = (
            options.density * options.liquid_volume,
            options.temperature,
            options.temperature * options.gas_volume ** (options.gamma - 1),
        )
        self._trajectory = Trajectory(
            lambda begin_ns, begin: self._slope_with(hole_area_m2(options.leak, begin_ns), begin),
            start,
            lambda begin_ns, y: self._step_ns(hole_area_m2(options.leak, begin_ns), begin_ns * 1e-9, y),
            changes_ns(options.leak),
        )
        self._forecast = Forecast(self._trajectory)
        self._truths: dict[str, Callable[[], float]] = {
            "pressure": lambda: self._pressure_pa(*self._now()),
            "temperature": lambda: self._trajectory.state[1],
            "radiator_temperature": lambda: self._radiator_k(self._now()[0]),
            "mean_temperature": lambda: self._mean_k(*self._now()),
            "gas_temperature": lambda: self._gas_k(*self._now()),
            "inventory": lambda: max(self._trajectory.state[0], 0.0),
            "liquid_volume": lambda: self._liquid_m3(*self._now()),
            "leak": self._told_leak_kg_per_s,
            "hole": lambda: math.sqrt(4 / math.pi * self._area_m2()),
            "time_to_limit": self._time_to_limit_s,
            "time_to_empty": self._time_to_empty_s,
        }

    def advance(self, to_ns: int) -> None:
        """Bring the loop to this instant."""
        self._trajectory.advance(to_ns)

    def truth(self, name: str) -> float:
        """The variable as it is now; KeyError if a loop has none such."""
        return self._truths[name]()

    def _now(self) -> tuple[float, State]:
        return self._trajectory.now_ns * 1e-9, self._trajectory.state

    def _area_m2(self) -> float:
        return hole_area_m2(self._options.leak, self._trajectory.now_ns)

    def _told_leak_kg_per_s(self) -> float:
        t_s, state = self._now()
        return self._leak_kg_per_s(self._area_m2(), t_s, state) if state[0] > 0 else 0.0

    def _radiator_k(self, t_s: float) -> float:
        radiator, mean_k = self._options.radiator, self._options.temperature
        return swung_k(mean_k, radiator.swing, radiator.period, t_s) if radiator else mean_k

    def _mean_k(self, t_s: float, state: State) -> float:
        return (1 - self._share) * state[1] + self._share * self._radiator_k(t_s)

    def _liquid_m3(self, t_s: float, state: State) -> float:
        warmer_k = self._mean_k(t_s, state) - self._options.temperature
        return state[0] / self._options.density * (1 + self._options.expansion * warmer_k)

    def _gas_m3(self, t_s: float, state: State) -> float:
        return self._options.liquid_volume + self._options.gas_volume - self._liquid_m3(t_s, state)

    def _gas_k(self, t_s: float, state: State) -> float:
        if not self._exchange_s:
            return state[1]
        return float(state[2] / self._gas_m3(t_s, state) ** (self._options.gamma - 1))

    def _pressure_pa(self, t_s: float, state: State) -> float:
        charge_j_per_k = self._options.pressure * self._options.gas_volume / self._options.temperature
        return charge_j_per_k * self._gas_k(t_s, state) / self._gas_m3(t_s, state)

    def _leak_kg_per_s(self, area_m2: float, t_s: float, state: State) -> float:
        """Torricelli with a coefficient of discharge: mdot = Cd A sqrt(2 rho dp). Nothing comes back in."""
        head_pa = self._pressure_pa(t_s, state) - self._downstream_pa
        if head_pa <= 0:
            return 0.0
        density = self._options.density / (
            1 + self._options.expansion * (state[1] - self._options.temperature)
        )
        return self._options.cd * area_m2 * math.sqrt(2 * density * head_pa)

    def _slope_with(self, area_m2: float, begin: State) -> Slope:
        open_m2 = area_m2 if begin[0] > 0 else 0.0
        return lambda t_s, state: self._slope(open_m2, t_s, state)

    def _slope(self, area_m2: float, t_s: float, state: State) -> State:
        main_k_per_s = (self._radiator_k(t_s) - state[1]) / self._mixing_s
        invariant_per_s = 0.0
        if self._exchange_s:
            behind_k = state[1] - self._gas_k(t_s, state)
            invariant_per_s = (
                self._gas_m3(t_s, state) ** (self._options.gamma - 1) * behind_k / self._exchange_s
            )
        return (-self._leak_kg_per_s(area_m2, t_s, state), main_k_per_s, invariant_per_s)

    def _step_ns(self, area_m2: float, t_s: float, state: State, longest_s: float = _LONGEST_STEP_S) -> int:
        leak_kg_per_s = self._leak_kg_per_s(area_m2, t_s, state)
        limits_s = [longest_s, 0.1 * self._mixing_s]
        if leak_kg_per_s and state[0] > 0:
            # The last step ends where the liquid does; the next one then begins dry.
            limits_s.append(max(state[0] / leak_kg_per_s, _SHORTEST_STEP_S))
            # The gas, not the liquid, is the stiffer of the two: its volume must not grow by much within a
            # step.
            limits_s.append(0.02 * self._gas_m3(t_s, state) * self._options.density / leak_kg_per_s)
        if self._exchange_s:
            limits_s.append(0.1 * self._exchange_s)
        return round(min(limits_s) * 1e9)

    def _time_to_limit_s(self) -> float:
        limit_pa = self._options.limit
        if limit_pa is None:
            return math.inf
        return self._seconds_until("limit", lambda t, y: self._pressure_pa(t, y) - limit_pa)

    def _time_to_empty_s(self) -> float:
        options = self._options
        usable_m3 = options.liquid_volume if options.usable is None else options.usable
        left_over_kg = options.density * (options.liquid_volume - usable_m3)
        return self._seconds_until("empty", lambda _, y: y[0] - left_over_kg)

    def _seconds_until(self, what: str, margin: Callable[[float, State], float]) -> float:
        """With the holes as they are now; infinite without any."""
        area_m2 = self._area_m2()
        if not area_m2:
            return math.inf
        radiator = self._options.radiator
        longest_s = radiator.period * 1e-9 / 50 if radiator else _LONGEST_LOOK_AHEAD_S
        return self._forecast.seconds_until(
            what,
            margin,
            lambda _, begin: self._slope_with(area_m2, begin),
            lambda begin_ns, y: self._step_ns(area_m2, begin_ns * 1e-9, y, longest_s),
        )
