"""What leaks: gases by name (ideal), and a liquid with constant expansion as a board states it."""

import enum
import math
from dataclasses import dataclass

MOLAR_GAS_CONSTANT = 8.31446261815324  # J/(mol K), exact since the SI of 2019
ZERO_CELSIUS_K = 273.15


@dataclass(frozen=True, slots=True)
class Gas:
    """An ideal gas: molar mass and ratio of specific heats."""

    molar_mass_kg: float
    gamma: float

    @property
    def specific_constant(self) -> float:
        """R / M in J/(kg K)."""
        return MOLAR_GAS_CONSTANT / self.molar_mass_kg


class GasName(enum.StrEnum):
    """Gases that a board may name."""

    AIR = "air"
    NITROGEN = "nitrogen"
    OXYGEN = "oxygen"
    HELIUM = "helium"
    ARGON = "argon"
    XENON = "xenon"
    CARBON_DIOXIDE = "carbon dioxide"


# Molar masses: IUPAC atomic weights; dry air CIPM-2007. Gamma near 20 degC and 1 atm: White, Fluid Mechanics. psi
# moves by 0.2 % for 0.01 of gamma, far below the uncertainty of any discharge coefficient.
GASES = {
    GasName.AIR: Gas(28.96546e-3, 1.40),
    GasName.NITROGEN: Gas(28.0134e-3, 1.40),
    GasName.OXYGEN: Gas(31.9988e-3, 1.40),
    GasName.HELIUM: Gas(4.002602e-3, 5 / 3),
    GasName.ARGON: Gas(39.948e-3, 5 / 3),
    GasName.XENON: Gas(131.293e-3, 5 / 3),
    GasName.CARBON_DIOXIDE: Gas(44.0095e-3, 1.30),
}


@dataclass(frozen=True, slots=True)
class Liquid:
    """A liquid whose density is `density` at `at_k` and falls exponentially with `expansion_per_k`."""

    density: float
    expansion_per_k: float
    at_k: float

    def density_at(self, temperature_k: float) -> float:
        """kg/m3."""
        return self.density * math.exp(-self.expansion_per_k * (temperature_k - self.at_k))
