"""A closed volume of ideal gas: inventory from pressure and temperature, hole and time left from the leak."""

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from fsw.leak import orifice
from fsw.leak.fluid import GASES, MOLAR_GAS_CONSTANT, ZERO_CELSIUS_K, Gas, GasName
from fsw.leak.state import EXACT, NEVER, PRESSURE, Input, Inventory, Output, State, TimeLeft
from fsw.leak.state import OUTPUTS as COMMON_OUTPUTS
from fsw.quantity import (
    AbsolutePressure,
    Leak,
    LeakDimension,
    LeakQuantity,
    Measured,
    Temperature,
    UncertainNumber,
    UncertainTemperature,
    UncertainVolume,
)

__all__ = ["INPUTS", "OUTPUTS", "Model", "Options", "model"]

INPUTS = (PRESSURE, Input("temperature", "temperature", required=False))
OUTPUTS = (*COMMON_OUTPUTS, Output("decay", "Pa/s", "the leak as fall of pressure at constant temperature"))
NO_TEMPERATURE = Measured(math.nan, math.nan)


class Options(BaseModel):
    """`[vessels.NAME]` with `model = "gas"`: a tank, a cabin, a test volume."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pressure: str = Field(description="channel of its pressure, as INSTRUMENT.CHANNEL")
    temperature: str | None = Field(default=None, description="channel of its temperature")
    assumed_temperature: UncertainTemperature | None = Field(
        default=None, description="where no channel measures it; then only a gross leak can be told"
    )
    volume: UncertainVolume
    fluid: GasName = Field(description="the gas inside")
    limit: AbsolutePressure = Field(description="the pressure that time_to_limit counts down to")
    outside: AbsolutePressure = Field(
        default=0.0, description="what it leaks into", json_schema_extra={"default": "0 Pa absolute"}
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
    throughput_at: Temperature = Field(
        default=ZERO_CELSIUS_K,
        description="reference temperature of a zero_leak in Pa m3/s; sccm and slm are at 0 degC",
        json_schema_extra={"default": "0 degC"},
    )


@dataclass(frozen=True, slots=True)
class Model:
    """m = p V M / (R T)."""

    gas: Gas
    volume_m3: Measured
    cd: Measured
    limit_pa: float
    outside_pa: float
    zero_leak_kg_per_s: float
    leak_limit_kg_per_s: float
    assumed_temperature_k: Measured

    def kg(self, pressure_pa: float, temperature_k: float, gas_temperature_k: float | None) -> float:
        """The gas of the volume."""
        return pressure_pa * self.volume_m3.value / (self.gas.specific_constant * temperature_k)

    def inventory(self, state: State) -> Inventory:
        """The gas of the volume."""
        p, t = state.pressure_pa, state.temperature_k
        kg = self.kg(p.value, t.value, None)
        assumed = self.assumed_temperature_k.sigma / t.value if t is self.assumed_temperature_k else 0.0
        scale = math.hypot(self.volume_m3.sigma / self.volume_m3.value, assumed)
        noise_t = 0.0 if assumed else t.sigma / t.value
        noise_kg = abs(kg) * math.hypot(p.sigma / p.value, noise_t) if p.value else math.nan
        fading = orifice.gas_fading(p.value, self.outside_pa, self.gas) / kg if kg > 0 else 0.0
        return Inventory(kg, math.hypot(noise_kg, kg * scale), noise_kg, scale, kg / t.value, 0.0, fading)

    def magnified(self, state: State, age_s: float, span_s: float) -> Measured:
        """The temperature of the gas is measured: a change is what it seems."""
        return EXACT

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter of the equivalent short round hole."""
        flux = orifice.gas_flux(state.pressure_pa.value, self.outside_pa, state.temperature_k.value, self.gas)
        return orifice.hole_m(rate_kg_per_s, self.cd, flux)

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """Isothermal decay through a constant hole. m / mdot does not know the volume, nor does its error."""
        rate = rate_kg_per_s
        if rate.value <= 0:
            return TimeLeft(NEVER)
        tau_s = inventory.kg / rate.value
        time_s = orifice.gas_time_s(tau_s, state.pressure_pa.value, self.limit_pa, self.outside_pa, self.gas)
        return TimeLeft(Measured(time_s, time_s * rate.sigma / rate.value))


def model(options: Options) -> Model:
    """The model that a board's table describes; ValueError names the key."""
    gas = GASES[options.fluid]
    if not 0 < options.cd.value <= 1:
        raise ValueError(f"cd is {options.cd.value:g}: a discharge coefficient is above 0 and at most 1")
    if (options.temperature is None) is (options.assumed_temperature is None):
        raise ValueError(
            'needs temperature, a channel, or assumed_temperature, as "20 degC +/- 5 K", where there is none; not both'
        )
    limit = options.leak_limit
    return Model(
        gas,
        options.volume,
        options.cd,
        options.limit,
        options.outside,
        _mass_rate("zero_leak", options.zero_leak, options.throughput_at, gas),
        math.inf if limit is None else _mass_rate("leak_limit", limit, options.throughput_at, gas),
        options.assumed_temperature or NO_TEMPERATURE,
    )


def _mass_rate(key: str, leak: LeakQuantity, at_k: float, gas: Gas) -> float:
    match leak.dimension:
        case LeakDimension.MASS:
            return leak.value
        case LeakDimension.THROUGHPUT:
            return kg_per_s(leak.value, at_k, gas)
        case _:
            raise ValueError(
                f'{key} is a volume rate, which says nothing of a gas without its pressure: "1 sccm", "2 g/h"'
            )


def kg_per_s(throughput: float, at_k: float, gas: Gas) -> float:
    """Mass rate of a throughput in Pa m3/s that is stated at the temperature `at_k`: Q M / (R T0)."""
    return throughput / (gas.specific_constant * at_k)


def throughput(rate_kg_per_s: float, at_k: float, gas: Gas) -> float:
    """The way back, Pa m3/s."""
    return rate_kg_per_s * gas.specific_constant * at_k


def two_point_mol_per_s(
    volume_m3: float,
    first: tuple[float, float],
    last: tuple[float, float],
    span_s: float,
    molar_gas_constant: float = MOLAR_GAS_CONSTANT,
) -> float:
    """Mean leak between two (pressure_pa, temperature_k), positive out: (V / R) (p1 / T1 - p2 / T2) / dt."""
    return volume_m3 / molar_gas_constant * (first[0] / first[1] - last[0] / last[1]) / span_s
