"""The far ends of the dialects, from the data sheets. One module a dialect, found by its name; each has
`Options` and `build`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from hil import sensor

Source = Callable[[int], float]
"""now_ns -> the reading in SI (a `sensor.Sensor`, or a fault round one)."""

Forgery = Callable[[bytes, int], bytes]
"""(a true reply, a number) -> a false one that its sender would have sealed as well."""


class Instrument(Protocol):
    """One instrument on a line. It hears everything on the line but itself; it has no clock and touches no port."""

    @property
    def next_wake_ns(self) -> int | None:
        """When `wake` must be called next; None: only bytes can wake it."""

    @property
    def forgeries(self) -> Mapping[str, Forgery]:
        """The false replies this dialect can give, for the faults of that name."""

    def received(self, data: bytes, now_ns: int) -> None:
        """These bytes passed on the line back to back, the last one ending at `now_ns`. Any split, any rubbish."""

    def wake(self, now_ns: int) -> bytes:
        """What it begins to send at `now_ns` (b"": nothing)."""


def kinds() -> list[str]:
    """The names of the dialects there are."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def options(table: object) -> BaseModel:
    """The validated `Options` of the dialect that `table["kind"]` names; ValueError lists the dialects there are."""
    if isinstance(table, BaseModel):
        return table
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if kind not in kinds():
        raise ValueError(f"kind {kind!r} is none of {', '.join(kinds())}")
    validated: BaseModel = _module(f"{__name__}.{kind}").Options.model_validate(table)
    return validated


def build(instrument: BaseModel, source: Callable[[sensor.Options], Source], byte_ns: int) -> Instrument:
    """The instrument of these options on a line of `byte_ns` a byte.

    `source` is called once for each of its channels and gives what to read for it: here the bench puts a
    Sensor, the plant behind it, and the faults round it.
    """
    built: Instrument = _module(type(instrument).__module__).build(instrument, source, byte_ns)
    return built


def _module(name: str) -> Any:
    return importlib.import_module(name)
