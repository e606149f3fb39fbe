"""A liquid loop that a gas-charged accumulator keeps under pressure: the gas says how much liquid is out.

Leaves out: boiling, gas in the liquid, elastic walls, a membrane at its stop, temperatures along the loop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from fsw.leak import orifice
from fsw.leak.fluid import Liquid
from fsw.leak.state import NEVER, PRESSURE, TEMPERATURE, Input, Inventory, Output, State, TimeLeft
from fsw.leak.state import OUTPUTS as COMMON_OUTPUTS
from fsw.quantity import (
    AbsolutePressure,
    Leak,
    LeakDimension,
    LeakQuantity,
    Measured,
    PerKelvin,
    Temperature,
    UncertainDensity,
    UncertainNumber,
    UncertainVolume,
)

INPUTS = (PRESSURE, TEMPERATURE, Input("gas_temperature", "temperature", required=False))
OUTPUTS = (*COMMON_OUTPUTS, Output("time_to_empty", "s", "until the usable liquid is lost"))

EXPONENT_SIGMAS = 2.0  # a bound on what the exponent may hide of a thermal cycle: the band twice over


class Options(BaseModel):
    """`[vessels.NAME]` with `model = "accumulator"`: a coolant loop. Volumes are of the reference state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pressure: str = Field(description="channel of the loop's pressure, as INSTRUMENT.CHANNEL")
    temperature: str = Field(description="channel of the loop's temperature, as near to its mean as there is")
    gas_temperature: str | None = Field(
        default=None,
        description="channel of the accumulator gas's own temperature; then no exponent is needed",
    )
    volume: UncertainVolume = Field(description="liquid in loop and accumulator")
    gas_volume: UncertainVolume = Field(description="gas in the accumulator")
    reference_pressure: AbsolutePressure = Field(description="at which the volumes are stated")
    reference_temperature: Temperature = Field(description="at which volumes and density are stated")
    density: UncertainDensity
    expansion: PerKelvin = Field(description="volumetric, of the liquid")
    wall_expansion: PerKelvin = Field(
        default=0.0, description="linear, of the walls", json_schema_extra={"default": "0/K"}
    )
    exponent: UncertainNumber = Field(
        default=Measured(1.1, 0.15),
        description="polytropic exponent of the gas over minutes: 1 isothermal .. 1.4 adiabatic",
        json_schema_extra={"default": "1.1 +/- 0.15"},
    )
    long_exponent: UncertainNumber = Field(
        default=Measured(1.0, 0.1),
        description="the same over the hours that are extrapolated",
        json_schema_extra={"default": "1.0 +/- 0.1"},
    )
    limit: AbsolutePressure = Field(description="the pressure that time_to_limit counts down to")
    usable: UncertainVolume | None = Field(
        default=None, description="liquid whose loss time_to_empty counts down to; default: all of `volume`"
    )
    outside: AbsolutePressure = Field(
        default=0.0, description="what it leaks into", json_schema_extra={"default": "0 Pa absolute"}
    )
    vapour_pressure: AbsolutePressure = Field(
        default=0.0,
        description="of the liquid: into less, the hole still sees this",
        json_schema_extra={"default": "0 Pa absolute"},
    )
    cd: UncertainNumber = Field(
        default=Measured(0.7, 0.1),
        description="discharge coefficient: 0.61 sharp edge .. 0.8 short tube",
        json_schema_extra={"default": "0.7 +/- 0.1"},
    )
    zero_leak: Leak = Field(
        default=LeakQuantity(0.0, LeakDimension.MASS),
        description="a leak up to this is none: the declared tightness",
        json_schema_extra={"default": "0 kg/s"},
    )


@dataclass(frozen=True, slots=True)
class Model:
    """m = rho(T) (V_L (1 + 3 alpha dT) - (V_g - V_g0)).

    V_g = V_g0 (p0 / p)^(1/k), or V_g0 (p0 / p) (Tg / Tg0) where the temperature of the gas is measured.
    """

    liquid: Liquid
    density_scale: float  # relative standard error
    volume_m3: Measured
    gas_m3: Measured
    reference_pa: float
    wall_expansion_per_k: float
    exponent: Measured
    long_exponent: Measured
    usable_m3: Measured
    cd: Measured
    limit_pa: float
    outside_pa: float
    zero_leak_kg_per_s: float

    def gas_now_m3(self, state: State) -> float:
        """Volume of the accumulator gas."""
        ratio = self.reference_pa / state.pressure_pa.value
        if state.gas_temperature_k is None:
            return float(self.gas_m3.value * ratio ** (1 / self.exponent.value))
        return self.gas_m3.value * ratio * state.gas_temperature_k.value / self.liquid.at_k

    def inventory(self, state: State) -> Inventory:
        """The liquid in loop and accumulator. A pressure that is not above vacuum gives NaN."""
        p, t, gas_t = state
        if p.value <= 0:
            return Inventory(math.nan, math.nan, math.nan, self._scale(state), math.nan, math.nan)
        density = self.liquid.density_at(t.value)
        gas_m3 = self.gas_now_m3(state)
        walls = 1 + 3 * self.wall_expansion_per_k * (t.value - self.liquid.at_k)
        liquid_m3 = self.volume_m3.value * walls - (gas_m3 - self.gas_m3.value)
        kg = density * liquid_m3
        expansion = self.liquid.expansion_per_k - 3 * self.wall_expansion_per_k
        kg_per_k = density * liquid_m3 * abs(expansion)
        gas_kg = (
            density * gas_m3
        )  # what the gas displaces; 1/k of dp/p and all of dTg/Tg of it is taken for liquid
        if gas_t is None:
            k = self.exponent
            noise_kg = math.hypot(gas_kg * p.sigma / (k.value * p.value), kg_per_k * t.sigma)
            # The gas may follow the loop's temperature, or not; and a cycle works the exponent like a leak.
            unseen = gas_kg / t.value + kg_per_k * EXPONENT_SIGMAS * k.sigma / k.value
        else:
            noise_kg = math.hypot(
                gas_kg * p.sigma / p.value, gas_kg * gas_t.sigma / gas_t.value, kg_per_k * t.sigma
            )
            unseen = 0.0
        sigma_kg = math.hypot(
            noise_kg,
            kg * self.density_scale,
            density * self.volume_m3.sigma,
            density * (gas_m3 - self.gas_m3.value) * math.hypot(self._gas_scale, self._exponent_scale(state)),
        )
        return Inventory(kg, sigma_kg, noise_kg, self._scale(state), kg_per_k, unseen)

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter of the equivalent short round hole; `rate_kg_per_s` with its whole error."""
        density = self.liquid.density_at(state.temperature_k.value)
        return orifice.hole_m(
            rate_kg_per_s, self.cd, orifice.liquid_flux(state.pressure_pa.value, self.outside_pa, density)
        )

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """By the present flow, which falls as sqrt(p - p_out) while the gas expands with `long_exponent`.

        Bands: noise of the rate, gas volume (which scales rate and gas alike), both exponents, usable volume.
        """
        rate = rate_kg_per_s
        p = state.pressure_pa.value
        if rate.value <= 0:
            return TimeLeft(NEVER, NEVER)
        density = self.liquid.density_at(state.temperature_k.value)
        flow = rate.value / density
        relative = math.hypot(rate.sigma / rate.value, self._exponent_scale(state))
        gas_m3 = self.gas_now_m3(state)
        lost = self.volume_m3.value - inventory.kg / density
        usable = self.usable_m3

        def to_limit(gas_share: float, k: float, _: float) -> float:
            gas = gas_m3 * gas_share
            volume = orifice.lost_volume_m3(gas, k, p, self.limit_pa)
            return orifice.liquid_time_s(flow * gas_share, volume, gas, k, p, self.outside_pa)

        def to_empty(gas_share: float, k: float, more: float) -> float:
            left = usable.value + more - lost
            return orifice.liquid_time_s(flow * gas_share, left, gas_m3 * gas_share, k, p, self.outside_pa)

        return TimeLeft(self._banded(to_limit, relative), self._banded(to_empty, relative))

    def _banded(self, time_s: Callable[[float, float, float], float], relative: float) -> Measured:
        """The time with its standard error, from one step in each of what it depends on."""
        k = self.long_exponent
        value = time_s(1.0, k.value, 0.0)
        if not math.isfinite(value):
            return Measured(value, math.nan)
        sigma = math.hypot(
            value * relative,
            time_s(1.0 + self._gas_scale, k.value, 0.0) - value,
            time_s(1.0, k.value + k.sigma, 0.0) - value,
            time_s(1.0, k.value, self.usable_m3.sigma) - value,
        )
        return Measured(value, sigma)

    @property
    def _gas_scale(self) -> float:
        return self.gas_m3.sigma / self.gas_m3.value

    def _exponent_scale(self, state: State) -> float:
        return self.exponent.sigma / self.exponent.value if state.gas_temperature_k is None else 0.0

    def _scale(self, state: State) -> float:
        return math.hypot(self.density_scale, self._gas_scale, self._exponent_scale(state))


def model(options: Options) -> Model:
    """The model that a board's table describes; ValueError names the key, what is wrong and what to do."""
    if not 0 < options.cd.value <= 1:
        raise ValueError(f"cd is {options.cd.value:g}: a discharge coefficient is above 0 and at most 1")
    for key in ("exponent", "long_exponent"):
        value = getattr(options, key).value
        if not 1 <= value <= 5 / 3:
            raise ValueError(f"{key} is {value:g}: between 1 (isothermal) and 5/3 (adiabatic, monatomic)")
    if options.reference_pressure <= 0:
        raise ValueError("reference_pressure is 0 Pa: give the pressure at which gas_volume was measured")
    leak = options.zero_leak
    match leak.dimension:
        case LeakDimension.MASS:
            zero_leak = leak.value
        case LeakDimension.VOLUME:
            zero_leak = leak.value * options.density.value
        case _:
            raise ValueError(
                'zero_leak is a throughput, which is for gases: a liquid leak is "2 g/h" or "3 mL/day"'
            )
    return Model(
        liquid=Liquid(options.density.value, options.expansion, options.reference_temperature),
        density_scale=options.density.sigma / options.density.value,
        volume_m3=options.volume,
        gas_m3=options.gas_volume,
        reference_pa=options.reference_pressure,
        wall_expansion_per_k=options.wall_expansion,
        exponent=options.exponent,
        long_exponent=options.long_exponent,
        usable_m3=options.usable or options.volume,
        cd=options.cd,
        limit_pa=options.limit,
        outside_pa=max(options.outside, options.vapour_pressure),
        zero_leak_kg_per_s=zero_leak,
    )
