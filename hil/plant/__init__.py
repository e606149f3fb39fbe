"""The plants behind the instruments: physics only. One module a model, found by its name; each has `Options`
and `Plant`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel

UNITS: Mapping[str, str] = {
    "pressure": "Pa",  # absolute
    "temperature": "K",  # where a strap-on sensor sits: the wall, or the main volume of liquid
    "gas_temperature": "K",
    "radiator_temperature": "K",  # loops only
    "mean_temperature": "K",  # loops only: by mass of liquid, what no single sensor sees
    "inventory": "kg",  # gas in a vessel, liquid in a loop
    "liquid_volume": "m^3",  # loops only
    "leak": "kg/s",  # out of the vessel
    "hole": "m",  # diameter of a hole as large as all open ones together
    "time_to_limit": "s",  # until the pressure falls to the plant's `limit`, the holes staying as they are
    "time_to_empty": "s",  # loops only: until the usable liquid is gone, the holes staying as they are
}
"""What a plant can tell of itself, and the SI unit of each."""


class Plant(Protocol):
    """A piece of the world. Its truth depends on time alone, not on how often or when it was asked."""

    def advance(self, to_ns: int) -> None:
        """Bring the state to this instant; an instant already passed changes nothing."""

    def truth(self, name: str) -> float:
        """The variable `name` (a key of UNITS) as it is now; KeyError if this plant has none such. Infinite: never."""


def models() -> list[str]:
    """The names of the models there are."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def options(table: object) -> BaseModel:
    """The validated `Options` of the model that `table["model"]` names; ValueError lists the models there are."""
    if isinstance(table, BaseModel):
        return table
    model = table.get("model") if isinstance(table, Mapping) else None
    if model not in models():
        raise ValueError(f"model {model!r} is none of {', '.join(models())}")
    validated: BaseModel = _module(model).Options.model_validate(table)
    return validated


def build(plant_options: BaseModel) -> Plant:
    """The plant of these options, at t = 0."""
    built: Plant = importlib.import_module(type(plant_options).__module__).Plant(plant_options)
    return built


def reading(plant: Plant, name: str) -> Callable[[int], float]:
    """`now_ns -> value`: advances the plant to `now_ns`, then tells the truth. This is what a sensor is pointed at."""

    def truth_at(now_ns: int) -> float:
        plant.advance(now_ns)
        return plant.truth(name)

    return truth_at


def _module(model: str) -> Any:
    return importlib.import_module(f"{__name__}.{model}")
