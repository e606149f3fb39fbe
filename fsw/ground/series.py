"""What a calibration is made from: the inventories of a healthy vessel, and what its board says of them."""

from dataclasses import dataclass
from typing import Any

from fsw.leak.thermal import Thermal


class NotHealthyError(ValueError):
    """Nothing can be learned from this; the text says why and what to do. `at_s`: where, if it is somewhere."""

    def __init__(self, text: str, at_s: float | None = None) -> None:
        super().__init__(text)
        self.at_s = at_s


@dataclass(frozen=True, slots=True)
class Series:
    """One vessel's good inventories. `level`: a number that changes where the vessel was refilled or vented."""

    time_s: Any
    kg: Any
    temperature_k: Any
    level: Any


@dataclass(frozen=True, slots=True)
class Declared:
    """What the board says of the same."""

    noise_kg: float  # of one inventory
    kg_per_k: float  # what a kelvin that is not measured looks like
    thermal: Thermal
    zero_leak_kg_per_s: float
    pressure_pa: float  # the mean
