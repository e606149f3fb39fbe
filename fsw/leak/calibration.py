"""What a healthy recording says of one vessel: its noise, what temperature leaves in its inventory, what it loses.

Plain numbers in SI, as `fsw calibrate` writes them; how they are found is none of this module's business.
"""

import math

from pydantic import BaseModel, ConfigDict, Field

from fsw.quantity import Measured

UPPER_95 = 1.645  # standard errors: one-sided
SURE = 2.0  # standard errors of a sensitivity that bound it


class Calibration(BaseModel):
    """`[vessels.NAME]` of `<board>.cal.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    samples: int = Field(ge=0, description="inventories that it was learned from")
    interval_s: float = Field(gt=0, description="between two of them")
    noise: float = Field(gt=0, description="standard deviation of one, over what the board declares")
    phi: float = Field(ge=0, le=0.99, description="correlation of neighbours")
    noise_error: float = Field(ge=0, description="relative standard error of the long-run noise")
    kg_per_k: float = Field(default=0.0, description="what is left of the temperature in the inventory")
    kg_per_k_now: float = Field(
        default=0.0,
        description="the same of the temperature as read, without lag: a sensor that leads the fluid leaves both",
    )
    kg_per_k_sigma: float = Field(
        default=0.0,
        ge=0,
        description="standard error of the sum of both; half of what the board declares where it could not be told",
    )
    lag_s: float = Field(default=0.0, ge=0, description="by which the fluid follows its sensor")
    reference_k: float = Field(default=293.15, gt=0, description="at which nothing is left: the mean")
    inventory_kg: float | None = Field(
        default=None, gt=0, description="the mean: what temperature leaves goes with how much is there"
    )
    temperature_span_k: float = Field(default=0.0, ge=0, description="over which this was learned")
    pressure_pa: float | None = Field(default=None, gt=0, description="the mean")
    zero_leak_kg_per_s: float = Field(default=0.0, description="mean loss of the healthy vessel")
    zero_leak_sigma_kg_per_s: float = Field(default=0.0, ge=0)
    drift_kg_per_s: float = Field(
        default=0.0, ge=0, description="bound of a lasting slope that is neither noise nor the mean loss"
    )
    swing_kg: float = Field(
        default=0.0, ge=0, description="bound of a passing change that is neither noise nor a leak"
    )
    notes: tuple[str, ...] = Field(default=(), description="what it cannot promise, and why")

    @property
    def zero_leak(self) -> Measured:
        """The mean loss with its standard error."""
        return Measured(self.zero_leak_kg_per_s, self.zero_leak_sigma_kg_per_s)

    @property
    def kg_per_k_bound(self) -> float:
        """What a kelvin may still leave after `thermal_kg` is subtracted, kg/K."""
        return SURE * self.kg_per_k_sigma

    @property
    def careful_noise(self) -> float:
        """`noise` as far up as it may be after a short calibration, so that stated false alarms are an upper bound."""
        return self.noise * (1 + UPPER_95 * self.noise_error)

    def phi_over(self, interval_s: float) -> float:
        """The correlation of neighbours that are so far apart."""
        return float(self.phi ** (interval_s / self.interval_s))

    def scale(self, kg: float) -> float:
        """By how much more is there than was in the recording, so much more is left by temperatures."""
        return kg / self.inventory_kg if self.inventory_kg else 1.0

    def even_k(self, temperature_k: float) -> float:
        """A temperature on the scale of its logarithm, the same at the reference.

        A gas that lags its sensor is taken for T_gas / T_sensor of itself: a product, and so a sum of these.
        """
        return self.reference_k * (1 + math.log(temperature_k / self.reference_k))

    def thermal_kg(self, even_k: float, lagged_k: float) -> float:
        """What temperature leaves in the mean inventory; `lagged_k`: `even_k` through a low-pass of `lag_s`."""
        return self.kg_per_k * (lagged_k - self.reference_k) + self.kg_per_k_now * (even_k - self.reference_k)

    def corrected_kg(self, kg: float, even_k: float, lagged_k: float) -> float:
        """The inventory without what temperature leaves in it."""
        thermal_kg = self.thermal_kg(even_k, lagged_k)
        return kg * math.exp(-thermal_kg / self.inventory_kg) if self.inventory_kg else kg - thermal_kg
