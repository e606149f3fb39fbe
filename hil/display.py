"""How numbers are shown to people: SI values in the unit a rig engineer would say, with their error."""

import math
from typing import NamedTuple


class Scale(NamedTuple):
    """shown = value * factor + offset, in `label`."""

    factor: float
    offset: float
    label: str


# unit -> (from this magnitude on, scale); the last that fits is used
_SCALES: dict[str, tuple[tuple[float, Scale], ...]] = {
    "Pa": ((0, Scale(1, 0, "Pa")), (1e3, Scale(1e-3, 0, "kPa"))),
    "K": ((0, Scale(1, -273.15, "°C")),),
    "K/s": ((0, Scale(3600, 0, "K/h")),),
    "m": ((0, Scale(1e3, 0, "mm")),),
    "kg": ((0, Scale(1e3, 0, "g")), (1, Scale(1, 0, "kg"))),
    "kg/s": ((0, Scale(1e6, 0, "mg/s")), (1e-3, Scale(1e3, 0, "g/s"))),
    "s": (
        (0, Scale(1e3, 0, "ms")),
        (1, Scale(1, 0, "s")),
        (180, Scale(1 / 60, 0, "min")),
        (7200, Scale(1 / 3600, 0, "h")),
    ),
}

NEVER_S = 1e9  # the program's word for a time that will not come


def scale(unit: str, typical: float) -> Scale:
    """The scale for values of SI `unit` around `typical`; an unknown unit is shown as it is."""
    chosen = Scale(1, 0, unit)
    for floor, candidate in _SCALES.get(unit, ()):
        if floor == 0 or abs(typical) >= floor:
            chosen = candidate
    return chosen


def number(value: float, unit: str, sigma: float = math.nan) -> str:
    """`value` to four digits with its unit, and its error when `sigma` is known: "0.79 +/- 0.06 mm"."""
    if math.isnan(value):
        return "-"
    if unit == "s" and value >= NEVER_S:
        return "never"
    if math.isinf(value):
        return str(value)
    by = scale(unit, value)
    shown = value * by.factor + by.offset
    label = f" {by.label}" if by.label else ""
    if math.isnan(sigma) or sigma <= 0:
        return f"{shown:.4g}{label}"
    error = sigma * abs(by.factor)
    digits = min(6, max(0, 1 - math.floor(math.log10(error)))) if math.isfinite(error) else 2
    return f"{shown:.{digits}f} +/- {error:.{digits}f}{label}"


def instant(time_ns: int) -> str:
    """An instant of a run: seconds for the first ten minutes, then hours, minutes, seconds."""
    seconds = time_ns / 1e9
    if abs(seconds) < 600:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
