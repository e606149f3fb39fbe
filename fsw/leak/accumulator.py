"""A liquid loop that a gas-charged accumulator keeps under pressure: the gas says how much liquid is out.

Leaves out: boiling, gas in the liquid, elastic walls, a membrane at its stop, temperatures along the loop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from fsw.leak import orifice
from fsw.leak.cushion import Cushion
from fsw.leak.fluid import Liquid
from fsw.leak.state import EXACT, NEVER, PRESSURE, TEMPERATURE, Input, Inventory, Output, State, TimeLeft
from fsw.leak.state import OUTPUTS as COMMON_OUTPUTS
from fsw.quantity import (
    AbsolutePressure,
    Duration,
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

NS_PER_S = 1_000_000_000
CYCLE_S = 120.0  # changes of temperature are measured over this: see Restlessness
HEAD_MIN = 1e-3  # of the pressure; where nothing flows any more there is nothing to extrapolate
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
        default=Measured(1.3, 0.15),
        description="polytropic exponent of the gas in changes faster than `exchange`: 1.4 adiabatic (air, nitrogen)",
        json_schema_extra={"default": "1.3 +/- 0.15"},
    )
    long_exponent: UncertainNumber = Field(
        default=Measured(1.0, 0.05),
        description="the same in slower changes, and over the hours that are extrapolated: 1 isothermal",
        json_schema_extra={"default": "1.0 +/- 0.05"},
    )
    exchange: tuple[Duration, Duration] = Field(
        default=(10 * NS_PER_S, 300 * NS_PER_S),
        description="shortest and longest time in which the gas may take the temperature of wall and liquid",
        json_schema_extra={"default": ["10 s", "5 min"]},
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
    leak_limit: Leak | None = Field(
        default=None,
        description="a leak surely above this is an alarm of its own: the largest that is allowed",
    )


@dataclass(frozen=True, slots=True)
class Model:
    """m = rho(T) (V_L (1 + 3 alpha dT) - (V_g - V_g0)).

    V_g = V_g0 (p0 / p)^(1/k) with the long exponent k: what has been lost since the reference state is a matter of
    hours. A change that is younger shows too large in it, see `exponent`. V_g0 (p0 / p) (Tg / Tg0) where the
    temperature of the gas is measured.
    """

    liquid: Liquid
    density_scale: float  # relative standard errors: of the density, of the gas volume, of both
    gas_scale: float
    scale: float
    volume_m3: Measured
    gas_m3: Measured
    reference_pa: float
    wall_expansion_per_k: float
    cushion: Cushion
    usable_m3: Measured
    cd: Measured
    limit_pa: float
    outside_pa: float
    zero_leak_kg_per_s: float
    leak_limit_kg_per_s: float
    cycle_share: float  # bound on what a thermal cycle does by the exponent, as a share of its volume

    @property
    def assumed_temperature_k(self) -> Measured:
        """Never needed: the loop has a channel for it."""
        return Measured(math.nan, math.nan)

    def gas_now_m3(self, state: State) -> float:
        """Volume of the accumulator gas."""
        return self._gas_m3_with(state, self.cushion.slow.value)

    def _gas_m3_with(self, state: State, exponent: float) -> float:
        gas = state.gas_temperature_k
        return self._gas_m3(state.pressure_pa.value, None if gas is None else gas.value, exponent)

    def _gas_m3(self, pressure_pa: float, gas_temperature_k: float | None, exponent: float) -> float:
        ratio = self.reference_pa / pressure_pa
        if gas_temperature_k is None:
            return float(self.gas_m3.value * ratio ** (1 / exponent))
        return self.gas_m3.value * ratio * gas_temperature_k / self.liquid.at_k

    def kg(self, pressure_pa: float, temperature_k: float, gas_temperature_k: float | None) -> float:
        """The liquid in loop and accumulator. A pressure that is not above vacuum gives NaN."""
        if pressure_pa <= 0:
            return math.nan
        warmer_k = temperature_k - self.liquid.at_k
        gas_m3 = self._gas_m3(pressure_pa, gas_temperature_k, self.cushion.slow.value)
        liquid_m3 = (
            self.volume_m3.value * (1 + 3 * self.wall_expansion_per_k * warmer_k) - gas_m3 + self.gas_m3.value
        )
        return self.liquid.density_at(temperature_k) * liquid_m3

    def inventory(self, state: State) -> Inventory:
        """The liquid in loop and accumulator. A pressure that is not above vacuum gives NaN."""
        p, t, gas_t = state
        if p.value <= 0:
            return Inventory(math.nan, math.nan, math.nan, self.scale, math.nan, math.nan)
        density = self.liquid.density_at(t.value)
        gas_m3 = self.gas_now_m3(state)
        kg = self.kg(p.value, t.value, None if gas_t is None else gas_t.value)
        expansion = self.liquid.expansion_per_k - 3 * self.wall_expansion_per_k
        kg_per_k = kg * abs(expansion)
        gas_kg = (
            density * gas_m3
        )  # what the gas displaces; 1/k of dp/p, all of dTg/Tg of it is taken for liquid
        exponent = 1.0 if gas_t is not None else self.cushion.slow.value
        noise_kg = math.hypot(gas_kg * p.sigma / (exponent * p.value), kg_per_k * t.sigma)
        if gas_t is None:
            # The gas may follow the loop's temperature, or not; and a cycle works the exponent like a leak.
            unseen = gas_kg / t.value + kg_per_k * self.cycle_share
        else:
            noise_kg = math.hypot(noise_kg, gas_kg * gas_t.sigma / gas_t.value)
            unseen = 0.0
        sigma_kg = math.hypot(
            noise_kg,
            kg * self.density_scale,
            density * self.volume_m3.sigma,
            density * self._change_sigma_m3(gas_m3, exact=gas_t is not None),
        )
        # The flow goes with sqrt(p - p_out), and p with 1 / V_g.
        head = max(1 - self.outside_pa / p.value, HEAD_MIN)
        return Inventory(kg, sigma_kg, noise_kg, self.scale, kg_per_k, unseen, exponent / (2 * gas_kg * head))

    def magnified(self, state: State, age_s: float, span_s: float) -> Measured:
        """A young change of the gas shows larger than it is, for its temperature changes too: see Cushion."""
        if state.gas_temperature_k is not None:
            return EXACT
        seen, read = self.cushion.exponent(age_s, span_s), self.cushion.slow.value
        return Measured(seen.value / read, seen.sigma / read)

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter of the equivalent short round hole; `rate_kg_per_s` with its whole error."""
        density = self.liquid.density_at(state.temperature_k.value)
        return orifice.hole_m(
            rate_kg_per_s, self.cd, orifice.liquid_flux(state.pressure_pa.value, self.outside_pa, density)
        )

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """By the present flow, which falls as sqrt(p - p_out) while the gas expands with `long_exponent`.

        Bands: that of the rate, gas volume (which scales rate, gas and what was lost alike), long exponent, usable
        volume.
        """
        rate = rate_kg_per_s
        p = state.pressure_pa.value
        if rate.value <= 0:
            return TimeLeft(NEVER, NEVER)
        density = self.liquid.density_at(state.temperature_k.value)
        flow = rate.value / density
        relative = rate.sigma / rate.value
        nominal_m3 = self.gas_now_m3(state)
        # What is lost and not in the gas: the walls.
        walls_m3 = self.volume_m3.value - inventory.kg / density - (nominal_m3 - self.gas_m3.value)

        def to_limit(gas_share: float, k: float, _: float) -> float:
            gas = gas_share * self._gas_m3_with(state, k)
            volume = orifice.lost_volume_m3(gas, k, p, self.limit_pa)
            return orifice.liquid_time_s(flow * gas_share, volume, gas, k, p, self.outside_pa)

        def to_empty(gas_share: float, k: float, more: float) -> float:
            gas = gas_share * self._gas_m3_with(state, k)
            left = self.usable_m3.value + more - walls_m3 - (gas - gas_share * self.gas_m3.value)
            return orifice.liquid_time_s(flow * gas_share, left, gas, k, p, self.outside_pa)

        return TimeLeft(self._banded(to_limit, relative), self._banded(to_empty, relative))

    def _banded(self, time_s: Callable[[float, float, float], float], relative: float) -> Measured:
        """The time with its standard error, from one step in each of what it depends on."""
        k = self.cushion.slow
        value = time_s(1.0, k.value, 0.0)
        if not math.isfinite(value):
            return Measured(value, math.nan)
        sigma = math.hypot(
            value * relative,
            time_s(1.0 + self.gas_scale, k.value, 0.0) - value,
            time_s(1.0, k.value + k.sigma, 0.0) - value,
            time_s(1.0, k.value, self.usable_m3.sigma) - value,
        )
        return Measured(value, sigma)

    def _change_sigma_m3(self, gas_m3: float, *, exact: bool) -> float:
        """Of the change of the gas since the reference state; `exact`: its temperature is measured."""
        k = self.cushion.slow
        by_exponent = 0.0 if exact else gas_m3 * math.log(gas_m3 / self.gas_m3.value) * k.sigma / k.value
        return math.hypot(self.gas_scale * (gas_m3 - self.gas_m3.value), by_exponent)


def model(options: Options) -> Model:
    """The model that a board's table describes; ValueError names the key, what is wrong and what to do."""
    if not 0 < options.cd.value <= 1:
        raise ValueError(f"cd is {options.cd.value:g}: a discharge coefficient is above 0 and at most 1")
    for key in ("exponent", "long_exponent"):
        value = getattr(options, key).value
        if not 1 <= value <= 5 / 3:
            raise ValueError(f"{key} is {value:g}: between 1 (isothermal) and 5/3 (adiabatic, monatomic)")
    shortest_ns, longest_ns = options.exchange
    if not 0 < shortest_ns <= longest_ns:
        raise ValueError(
            f"exchange is [{shortest_ns / NS_PER_S:g} s, {longest_ns / NS_PER_S:g} s]: the shortest time, above 0, "
            'then the longest, as ["10 s", "5 min"]'
        )
    if options.reference_pressure <= 0:
        raise ValueError("reference_pressure is 0 Pa: give the pressure at which gas_volume was measured")
    cushion = Cushion(options.exponent, options.long_exponent, shortest_ns / NS_PER_S, longest_ns / NS_PER_S)
    cycle = cushion.exponent(CYCLE_S, CYCLE_S)
    density_scale = options.density.sigma / options.density.value
    gas_scale = options.gas_volume.sigma / options.gas_volume.value
    return Model(
        liquid=Liquid(options.density.value, options.expansion, options.reference_temperature),
        density_scale=density_scale,
        gas_scale=gas_scale,
        scale=math.hypot(density_scale, gas_scale),
        volume_m3=options.volume,
        gas_m3=options.gas_volume,
        reference_pa=options.reference_pressure,
        wall_expansion_per_k=options.wall_expansion,
        cushion=cushion,
        usable_m3=options.usable or options.volume,
        cd=options.cd,
        limit_pa=options.limit,
        outside_pa=max(options.outside, options.vapour_pressure),
        zero_leak_kg_per_s=_mass_rate("zero_leak", options.zero_leak, options.density.value),
        leak_limit_kg_per_s=math.inf
        if options.leak_limit is None
        else _mass_rate("leak_limit", options.leak_limit, options.density.value),
        cycle_share=cycle.value / cushion.slow.value - 1 + EXPONENT_SIGMAS * cycle.sigma,
    )


def _mass_rate(key: str, leak: LeakQuantity, density: float) -> float:
    match leak.dimension:
        case LeakDimension.MASS:
            return leak.value
        case LeakDimension.VOLUME:
            return leak.value * density
        case _:
            raise ValueError(
                f'{key} is a throughput, which is for gases: a liquid leak is "2 g/h" or "3 mL/day"'
            )
