"""A vessel of gas: a rigid volume with holes, its gas exchanging heat with the wall. Ideal gas; leaks
outwards or inwards.
"""

import math
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hil.quantity import Duration, Number, Pressure, TemperatureSpan, Volume
from hil.surroundings import Ambient, Hole, changes_ns, hole_area_m2
from hil.trajectory import Forecast, Slope, State, Trajectory

GASES: dict[
    str, tuple[float, float]
] = {  # Rs in J/(kg K) = 8.314463 / molar mass, and the ratio of heats at 300 K
    "air": (287.05, 1.4),
    "nitrogen": (296.80, 1.4),
    "helium": (2077.1, 5 / 3),
    "argon": (208.13, 5 / 3),
}
_LONGEST_STEP_S = 1.0
_SHORTEST_STEP_S = 0.02  # where inside and outside are nearly even: keeps the rattle about it below 1 Pa


class Options(BaseModel):
    """`{ model = "gas_vessel", volume = "4 L", pressure = "6 bar", leak = [{ at = "20 s", hole = "0.1 mm" }]
    }`.

    `pressure` is what it is at t = 0. `exchange` is the time constant of the gas against the wall: 0 keeps it
    at the wall's temperature; with `fill_rise` the gas begins that much hotter, as after a fast fill.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: Literal["gas_vessel"]
    volume: Volume
    pressure: Pressure
    gas: Literal["air", "nitrogen", "helium", "argon"] = "air"
    ambient: Ambient = Ambient()
    exchange: Duration = 0
    fill_rise: TemperatureSpan = 0.0
    outside: Pressure = 0.0
    cd: Number = Field(default=0.8, gt=0, le=1)
    leak: tuple[Hole, ...] = ()
    limit: Pressure | None = None


class Plant:
    """Its state is (mass of gas, temperature of gas)."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rs, self._gamma = GASES[options.gas]
        self._exchange_s = options.exchange * 1e-9
        rise_k = options.fill_rise if options.exchange else 0.0
        gas_k = options.ambient.at(0.0) + rise_k
        mass_kg = options.pressure * options.volume / (self._rs * gas_k)
        self._trajectory = Trajectory(
            lambda begin_ns, _: self._slope_with(hole_area_m2(options.leak, begin_ns)),
            (mass_kg, gas_k),
            lambda begin_ns, y: self._step_ns(hole_area_m2(options.leak, begin_ns), begin_ns * 1e-9, y),
            changes_ns(options.leak),
        )
        self._forecast = Forecast(self._trajectory)
        self._truths: dict[str, Callable[[], float]] = {
            "pressure": lambda: self._pressure_pa(*self._now()),
            "temperature": lambda: options.ambient.at(self._now()[0]),
            "gas_temperature": lambda: self._gas_k(*self._now()),
            "inventory": lambda: self._trajectory.state[0],
            "leak": lambda: self._leak_kg_per_s(self._area_m2(), *self._now()),
            "hole": lambda: math.sqrt(4 / math.pi * self._area_m2()),
            "time_to_limit": self._time_to_limit_s,
        }

    def advance(self, to_ns: int) -> None:
        """Bring the gas to this instant."""
        self._trajectory.advance(to_ns)

    def truth(self, name: str) -> float:
        """The variable as it is now; KeyError if a vessel of gas has none such."""
        return self._truths[name]()

    def _now(self) -> tuple[float, State]:
        return self._trajectory.now_ns * 1e-9, self._trajectory.state

    def _area_m2(self) -> float:
        return hole_area_m2(self._options.leak, self._trajectory.now_ns)

    def _gas_k(self, t_s: float, state: State) -> float:
        return state[1] if self._exchange_s else self._options.ambient.at(t_s)

    def _pressure_pa(self, t_s: float, state: State) -> float:
        return state[0] * self._rs * self._gas_k(t_s, state) / self._options.volume

    def _leak_kg_per_s(self, area_m2: float, t_s: float, state: State) -> float:
        """Outwards positive; what comes in has the wall's temperature."""
        pressure_pa, outside_pa = self._pressure_pa(t_s, state), self._options.outside
        cd_area_m2 = self._options.cd * area_m2
        if pressure_pa >= outside_pa:
            gas_k = self._gas_k(t_s, state)
            return cd_area_m2 * mass_flux(pressure_pa, outside_pa, gas_k, self._rs, self._gamma)
        wall_k = self._options.ambient.at(t_s)
        return -cd_area_m2 * mass_flux(outside_pa, pressure_pa, wall_k, self._rs, self._gamma)

    def _slope_with(self, area_m2: float) -> Slope:
        return lambda t_s, state: self._slope(area_m2, t_s, state)

    def _slope(self, area_m2: float, t_s: float, state: State) -> State:
        """Energy balance of the gas: m cv dT = m cv (Tw - T)/tau - leak Rs T, incoming gas bringing its
        enthalpy cp Tw.
        """
        leak_kg_per_s = self._leak_kg_per_s(area_m2, t_s, state)
        if not self._exchange_s:
            return (-leak_kg_per_s, 0.0)
        mass_kg, gas_k = state
        wall_k = self._options.ambient.at(t_s)
        slope_k_per_s = (wall_k - gas_k) / self._exchange_s
        if leak_kg_per_s >= 0:
            slope_k_per_s -= (self._gamma - 1) * gas_k * leak_kg_per_s / mass_kg
        else:
            slope_k_per_s -= (self._gamma * wall_k - gas_k) * leak_kg_per_s / mass_kg
        return (-leak_kg_per_s, slope_k_per_s)

    def _step_ns(self, area_m2: float, t_s: float, state: State, longest_s: float = _LONGEST_STEP_S) -> int:
        leak_kg_per_s = abs(self._leak_kg_per_s(area_m2, t_s, state))
        limits_s = [longest_s]
        if leak_kg_per_s:
            pressure_pa = self._pressure_pa(t_s, state)
            uneven = abs(1 - self._options.outside / pressure_pa)
            emptying_s = state[0] / leak_kg_per_s
            limits_s.append(
                max(0.02 * min(1.0, uneven) * emptying_s, min(_SHORTEST_STEP_S, 0.02 * emptying_s))
            )
        if self._exchange_s:
            limits_s.append(0.1 * self._exchange_s)
        return round(min(limits_s) * 1e9)

    def _time_to_limit_s(self) -> float:
        limit_pa, area_m2 = self._options.limit, self._area_m2()
        if limit_pa is None or not area_m2 or limit_pa <= self._options.outside:
            return math.inf
        longest_s = self._options.ambient.period * 1e-9 / 50
        return self._forecast.seconds_until(
            "limit",
            lambda t, y: self._pressure_pa(t, y) - limit_pa,
            lambda *_: self._slope_with(area_m2),
            lambda begin_ns, y: self._step_ns(area_m2, begin_ns * 1e-9, y, longest_s),
        )


def mass_flux(
    pressure_pa: float, outside_pa: float, gas_k: float, rs_j_per_kg_k: float, gamma: float
) -> float:
    """kg/(s m2) of an ideal gas through a nozzle; below the critical ratio of pressures the flow no longer
    grows (choked).

    Saint-Venant and Wantzel; outside_pa <= pressure_pa.
    """
    critical = (2 / (gamma + 1)) ** (gamma / (gamma - 1))
    if pressure_pa <= 0:
        return 0.0
    ratio = max(outside_pa / pressure_pa, critical)
    head = 2 * gamma / (gamma - 1) * (ratio ** (2 / gamma) - ratio ** ((gamma + 1) / gamma))
    return pressure_pa * math.sqrt(max(head, 0.0) / (rs_j_per_kg_k * gas_k))
