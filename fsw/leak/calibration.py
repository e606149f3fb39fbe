"""What a healthy recording says of one vessel: its noise, what temperature leaves in its inventory, what it loses.

Plain numbers in SI, as `fsw calibrate` writes them; how they are found is none of this module's business.
"""

from pydantic import BaseModel, ConfigDict, Field

from fsw.quantity import Measured


class Calibration(BaseModel):
    """`[vessels.NAME]` of `<board>.cal.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    samples: int = Field(ge=0, description="inventories that it was learned from")
    interval_s: float = Field(gt=0, description="between two of them")
    noise: float = Field(gt=0, description="standard deviation of one, over what the board declares")
    phi: float = Field(ge=0, le=0.99, description="correlation of neighbours")
    noise_error: float = Field(ge=0, description="relative standard error of the long-run noise")
    kg_per_k: float = Field(default=0.0, description="what is left of the temperature in the inventory")
    kg_per_k_sigma: float = Field(default=0.0, ge=0)
    lag_s: float = Field(default=0.0, ge=0, description="by which the fluid follows its sensor")
    reference_k: float = Field(default=293.15, gt=0, description="at which nothing is left")
    zero_leak_kg_per_s: float = Field(default=0.0, description="mean loss of the healthy vessel")
    zero_leak_sigma_kg_per_s: float = Field(default=0.0, ge=0)
    drift_kg_per_s: float = Field(
        default=0.0, ge=0, description="bound of a lasting slope that is neither noise nor the mean loss"
    )
    swing_kg: float = Field(
        default=0.0, ge=0, description="bound of a passing change that is neither noise nor a leak"
    )

    @property
    def zero_leak(self) -> Measured:
        """The mean loss with its standard error."""
        return Measured(self.zero_leak_kg_per_s, self.zero_leak_sigma_kg_per_s)
