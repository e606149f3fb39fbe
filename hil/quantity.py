"""Quantities as scenarios spell them ("0.8 mm", "92 min", "2 bar", "22 degC") to SI numbers: the bench's own
small parser.
"""

import functools
import math
import re
from typing import Annotated

import pint
from pydantic import BeforeValidator

_UNITS: pint.UnitRegistry[float] = pint.UnitRegistry()
LONGEST_S = 1e9  # 31 years; int64 nanoseconds end at 292
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")
_FACTOR = r"[A-Za-zµ%°][A-Za-z0-9_]{0,20}(\^-?\d)?"
# Names with one-digit powers and nothing for pint to compute with: "9**9**9" would never end.
_UNIT = re.compile(rf"(1\s*/\s*)?{_FACTOR}(\s*[ */]\s*{_FACTOR}){{0,4}}")
_OFFSET_UNITS = ("degC", "degF", "celsius", "fahrenheit", "°C", "°F")


def si(value: object, unit: str) -> float:
    """`value` ("2 bar", "2 bar absolute", or a number that is SI already) in `unit`, an SI unit.

    ValueError says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueErrors only
            f"{value!r} is no quantity: write a number with a unit of {_describe(unit)}"
        )
    if isinstance(value, int | float):
        return _finite(float(value), value)
    number = _NUMBER.match(value)
    if not number:
        raise ValueError(f"{value!r} does not begin with a number; expected a unit of {_describe(unit)}")
    name = value[number.end() :].strip().removesuffix("absolute").strip()
    low, high = _si_at_0_and_1(name, unit, value)
    return _finite(low + float(number[1]) * (high - low), value)


def span(value: object, unit: str) -> float:
    """The same for a difference (noise, swing, offset): "10 K", never "10 degC"."""
    return si(_no_level(value), unit)


def base_si(value: object) -> float:
    """`value` in the SI base unit of whatever it measures: "1 bar" and "100 kPa" are 1e5. For what fits any channel."""
    if not isinstance(value, str):
        return si(value, "")
    number = _NUMBER.match(value)
    name = value[number.end() :].strip() if number else ""
    if name and not _UNIT.fullmatch(name):
        raise ValueError(f"{value!r}: {name!r} is no unit")
    try:
        base = str(_UNITS.get_base_units(name, check_nonmult=False)[1]) if name else ""
    except (pint.PintError, AttributeError) as error:
        raise ValueError(f"{value!r}: {error}") from error
    return si(value, base)


def duration_ns(value: object) -> int:
    """Whole nanoseconds of "100 ms"; a plain number is seconds. Never negative."""
    seconds = si(value, "s")
    if seconds < 0:
        raise ValueError(f"{value!r} is a negative time")
    if seconds > LONGEST_S:
        raise ValueError(f"{value!r} is longer than {LONGEST_S:g} s")
    return round(seconds * 1e9)


@functools.cache
def from_si(unit: str, si_unit: str) -> tuple[float, float]:
    """(factor, shift): `si_value * factor + shift` is what an instrument sends that measures in `unit`
    ("bar", "degC", "psi").
    """
    low, high = _si_at_0_and_1(unit, si_unit, unit)
    factor = 1 / (high - low)
    return factor, -low * factor


@functools.cache
def _si_at_0_and_1(name: str, unit: str, text: str) -> tuple[float, float]:
    if name and not _UNIT.fullmatch(name):
        raise ValueError(f"{text!r}: {name!r} is no unit; expected one of {_describe(unit)}")
    try:
        parsed = _UNITS.parse_units(name)
        low, high = (float(_UNITS.Quantity(x, parsed).to(unit).magnitude) for x in (0.0, 1.0))
    except (pint.PintError, AttributeError, ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{text!r} is not in a unit of {_describe(unit)} ({error})") from error
    return low, high


def _no_level(value: object) -> object:
    if isinstance(value, str) and value.rstrip().endswith(_OFFSET_UNITS):
        raise ValueError(f"{value!r} is a level where a difference is meant: write it in K")
    return value


def _finite(number: float, value: object) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _describe(unit: str) -> str:
    return f"the kind of {unit}" if unit else "no dimension"


def _level(unit: str) -> BeforeValidator:
    return BeforeValidator(functools.partial(si, unit=unit))


Duration = Annotated[int, BeforeValidator(duration_ns)]  # ns
Pressure = Annotated[float, _level("Pa")]  # Pa, absolute
Temperature = Annotated[float, _level("K")]  # K
TemperatureSpan = Annotated[float, BeforeValidator(functools.partial(span, unit="K"))]  # K
Volume = Annotated[float, _level("m^3")]  # m3
Length = Annotated[float, _level("m")]  # m
Density = Annotated[float, _level("kg/m^3")]  # kg/m3
PerKelvin = Annotated[float, _level("1/K")]  # 1/K
Number = Annotated[float, _level("")]  # also "5 %"
BaseSI = Annotated[float, BeforeValidator(base_si)]  # whatever the dimension
BaseSpan = Annotated[
    float, BeforeValidator(base_si), BeforeValidator(_no_level)
]  # a difference of any dimension
