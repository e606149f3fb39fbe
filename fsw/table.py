"""The parameter table: every number that can be monitored, shown, recorded or limited, in one place in C memory."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from fsw._core import ffi
from fsw.sample import Quality


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number: `id` is locked for ever (u16), `unit` is SI as pint spells it ("" for a count or a code)."""

    id: int
    name: str
    unit: str
    text: str = ""


class Reading(NamedTuple):
    """One row of the table."""

    value: float
    sigma: float
    time_ns: int
    quality: int


class Table:
    """Columns `value`, `sigma` (f64), `time_ns` (i64), `quality` (u8), one row a parameter, as cffi arrays.

    A row that was never written reads NaN, NaN, 0, STALE.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.rows = {parameter.name: row for row, parameter in enumerate(self.parameters)}
        if len(self.rows) != len(self.parameters):
            raise ValueError("two parameters have the same name")
        size = len(self.parameters)
        self.value: Any = ffi.new("double[]", [math.nan] * size)
        self.sigma: Any = ffi.new("double[]", [math.nan] * size)
        self.time_ns: Any = ffi.new("int64_t[]", size)
        self.quality: Any = ffi.new("uint8_t[]", [int(Quality.STALE)] * size)

    def __len__(self) -> int:
        return len(self.parameters)

    def read(self, row: int) -> Reading:
        """The row as it stands."""
        return Reading(self.value[row], self.sigma[row], self.time_ns[row], self.quality[row])

    def write(self, row: int, value: float, sigma: float, time_ns: int, quality: int) -> None:
        """Replace the row."""
        self.value[row] = value
        self.sigma[row] = sigma
        self.time_ns[row] = time_ns
        self.quality[row] = quality
