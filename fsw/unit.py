"""Units as people write them ("kgf/cm^2", "degC") to scale and offset in SI.

The only import of pint, and a late one. pint never sees a number, only a short unit that was checked first:
on a whole string it reads "1 per 30 days" as 2880 s, accepts nan, and hangs on "9**9**9 Pa".
"""

import functools
import math
import re
from typing import Any

ZERO_CELSIUS_K = 273.15  # by definition

_NAME = r"[A-Za-zµμ°%_]+(?:\d[A-Za-z]+)*"  # inH2O has a digit inside
_FACTOR = rf"{_NAME}(?:(?:\^|\*\*)?-?\d)?"
_UNIT = re.compile(rf"(?:1?/)?{_FACTOR}(?:[*/]{_FACTOR}){{0,5}}")
_EXPONENT = re.compile(rf"({_NAME})(?:\^|\*\*)?(-?\d)(?![A-Za-z0-9])")

# A standard cubic centimetre a minute is a throughput, here at 0 degC; at 20 degC it would differ by 7.3 %.
_DEFINITIONS = (
    "sccm = 101325 * pascal * centimeter ** 3 / minute",
    "standard_liter_per_minute = 1000 * sccm = slpm = slm",  # pint's own is one at 1 bar
    "@alias torr = Torr",
)
_OFFSET_UNITS = {  # value_k = scale * value + offset
    "degC": (1.0, ZERO_CELSIUS_K),
    "°C": (1.0, ZERO_CELSIUS_K),
    "degF": (5 / 9, ZERO_CELSIUS_K - 32 * 5 / 9),
    "°F": (5 / 9, ZERO_CELSIUS_K - 32 * 5 / 9),
}


@functools.cache
def _registry() -> Any:
    import pint  # noqa: PLC0415  (a third of a second: only who reads a board file pays)

    registry: Any = pint.UnitRegistry(on_redefinition="ignore")  # a replaced unit would be told on stderr
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@functools.lru_cache(maxsize=512)
def _root(unit: str) -> tuple[float, str]:
    """Factor to root units (g, m, s, K, rad) and their spelling; by dimension a radian is a plain number."""
    if not unit:
        return 1.0, "dimensionless"
    spelled = re.sub(r"(?:^|\s+)per\s+", "/", unit)
    spelled = re.sub(r"\s*([*/])\s*", r"\1", spelled.replace("·", "*").strip())
    spelled = re.sub(r"\s+", "*", spelled)
    if not _UNIT.fullmatch(spelled):
        raise ValueError(f'{unit!r} is not a unit such as "bar", "kgf/cm^2" or "Pa*m^3/s"')
    spelled = _EXPONENT.sub(r"\1**\2", spelled).replace("%", "percent").replace("°", "deg")
    if spelled.startswith("/"):
        spelled = "1" + spelled
    registry = _registry()
    try:
        parsed = registry.parse_units(spelled)
        zero = registry.Quantity(0.0, parsed).to_root_units().magnitude
        factor, root = registry.get_root_units(parsed)
    except Exception as error:  # pint's own errors share no base class
        raise ValueError(f'{unit!r} is not a known unit (case matters: "kPa", "bar", "L")') from error
    if zero != 0.0:
        raise ValueError(
            f"{unit!r} is an offset or logarithmic unit: a temperature difference is written in K"
        )
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"{unit!r} is beyond the range of a float")
    return float(factor), str(root)


def scale(unit: str, si_unit: str, *, difference: bool = False) -> tuple[float, float]:
    """`(scale, offset)` with `si_value = scale * value + offset`; ValueError when the dimensions differ."""
    if has_own_zero(unit) and si_unit == "K":
        if difference:
            raise ValueError(f"{unit!r} has its own zero: a difference is written in K")
        return _OFFSET_UNITS[unit]
    if has_own_zero(unit):
        raise ValueError(f"{unit!r} has another dimension than {si_unit or 'a plain number'}")
    factor, root = _root(unit)
    si_factor, si_root = _root(si_unit)
    if root != si_root:
        given = f"{unit!r}" if unit else "a number without unit"
        raise ValueError(f"{given} has another dimension than {si_unit or 'a plain number'}")
    return factor / si_factor, 0.0


def same_dimension(unit: str, si_unit: str) -> bool:
    """Whether a factor leads from one to the other. ValueError for what is no unit."""
    return not has_own_zero(unit) and _root(unit)[1] == _root(si_unit)[1]


def has_own_zero(unit: str) -> bool:
    """A scale of temperature, as degC."""
    return unit in _OFFSET_UNITS
