"""Quantities as people write them ("0.5 kgf/cm^2", "5 L +/- 2 %") to SI: annotated types for pydantic models.

Numbers, errors and references are split off here; what is left is a unit.
"""

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, NamedTuple, get_args

from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from fsw.unit import has_own_zero, same_dimension, scale

NS_PER_S = 1_000_000_000
LONGEST_DURATION_S = 100 * 365.25 * 86400  # int64 nanoseconds end at 292 years
LONGEST_TEXT = 80
STANDARD_ATMOSPHERE_PA = 101_325.0  # by definition

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_QUANTITY = re.compile(rf"({_NUMBER})(?![\d.,_])\s*(.*)", re.ASCII)
_REFERENCE = re.compile(r"(.*?)\s*\b(absolute|abs|sealed gauge|gauge)$")
_REFERENCED_UNIT = re.compile(r"(.*?(?:psi|bar))([ag])$")  # psia, barg, mbara; never kPa
_INTERVAL = re.compile(r"(\d{1,9})\s+per\s+(.+)")


class Reference(enum.StrEnum):
    """What a pressure is measured against."""

    ABSOLUTE = "absolute"
    GAUGE = "gauge"
    SEALED_GAUGE = "sealed gauge"


class LeakDimension(enum.StrEnum):
    """What a leak was stated in; the vessel converts it to kg/s through its fluid."""

    MASS = "kg/s"
    THROUGHPUT = "Pa m3/s"
    VOLUME = "m3/s"


@dataclass(frozen=True, slots=True)
class PressureLevel:
    """A pressure in Pa and what it is measured against."""

    value_pa: float
    reference: Reference


@dataclass(frozen=True, slots=True)
class Measured:
    """A number in SI with its standard error (0: taken as exact)."""

    value: float
    sigma: float


@dataclass(frozen=True, slots=True)
class LeakQuantity:
    """A leak in the SI unit of its dimension, positive out of the vessel."""

    value: float
    dimension: LeakDimension


class Occurrences(NamedTuple):
    """So many (`times`) in so long (`ns`)."""

    times: int
    ns: int


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit: write it as {example!r}")  # noqa: TRY004  (pydantic collects ValueErrors)
    text = value.strip().replace("±", "+/-")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a quantity has at most {LONGEST_TEXT} characters: write it as {example!r}")
    return text


def _split(text: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} does not start with a number such as 0.5 or 1e-4")
    number = float(match[1])
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not finite")
    return number, match[2]


def _to_si(text: str, unit: str, *, difference: bool = False) -> float:
    number, given = _split(text)
    factor, offset = scale(given, unit, difference=difference)
    value = number * factor + offset
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is beyond the range of a float")
    return value


def parse(text: str, unit: str, *, difference: bool = False) -> float:
    """The quantity in the SI unit `unit` ("": a plain number); degC is K unless it is a `difference`.

    ValueError names the text, the unit expected and what is wrong. With a reference: `parse_pressure`.
    """
    text = _text(text, f"1 {unit}".strip())
    try:
        return _to_si(text, unit, difference=difference)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not {f'a quantity in {unit}' if unit else 'a plain number'}: {error}"
        ) from None


def parse_pressure(text: str) -> PressureLevel:
    """A pressure with its reference: "2 bar absolute", "30 psig", "3 bar sealed gauge"."""
    text = _text(text, "2 bar absolute")
    bare, reference = _reference(text)
    value_pa = parse(bare, "Pa")
    if reference is None:
        raise ValueError(
            f'{text!r} does not say what it is measured against: "{text} absolute" or "{text} gauge"'
        )
    if reference is Reference.ABSOLUTE and value_pa < 0:
        raise ValueError(f"{text!r} is below vacuum: an absolute pressure is 0 or more")
    return PressureLevel(value_pa, reference)


def _reference(text: str) -> tuple[str, Reference | None]:
    """The text without its reference, and the reference."""
    if match := _REFERENCE.fullmatch(text):
        word = "absolute" if match[2] == "abs" else match[2]
        return match[1], Reference(word)
    if match := _REFERENCED_UNIT.fullmatch(text):
        return match[1], Reference.ABSOLUTE if match[2] == "a" else Reference.GAUGE
    return text, None


@dataclass(frozen=True, slots=True)
class Quantity:
    """Annotation of a model's field: how its TOML value is read, and an example for messages and schema."""

    read: Callable[[object, str], object]
    example: str
    unit: str = ""  # of what is read
    number: bool = False  # a TOML number will do

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: self.read(value, self.example))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": ["string", "number"] if self.number else "string", "examples": [self.example]}


def unit_of(field: FieldInfo) -> str:
    """The SI unit of a model's field, or of what it is a tuple of; "" where it has none."""
    of = [getattr(each, "__metadata__", ()) for each in get_args(field.annotation)]
    return next((each.unit for each in chain(field.metadata, *of) if isinstance(each, Quantity)), "")


def _scalar(
    unit: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above_low: bool = False,
    difference: bool = False,
) -> Callable[[object, str], float]:
    """Reader of one number in `unit` within [low, high] (or above `low`)."""

    def read(value: object, example: str) -> float:
        if not unit and isinstance(value, int | float) and not isinstance(value, bool):
            number, text = float(value), str(value)
        else:
            text = _text(value, example)
            try:
                number = parse(text, unit, difference=difference)
            except ValueError as error:
                raise ValueError(f"{error}; write it as {example!r}") from None
        if not math.isfinite(number):
            raise ValueError(f"{text!r} is not finite: write it as {example!r}")
        if number < low or number > high or (above_low and number == low):
            least = f"{'above' if above_low else 'at least'} {low:g} {unit}".strip()
            bound = least if math.isinf(high) else f"{least} and at most {high:g} {unit}".strip()
            raise ValueError(f"{text!r} is out of bounds: must be {bound}")
        return number

    return read


def _uncertain(
    scalar: Callable[[object, str], float], unit: str, *, relative: bool = True
) -> Callable[[object, str], Measured]:
    """Reader of "VALUE", "VALUE +/- SIGMA" or "VALUE +/- n %" of the value."""

    def read(value: object, example: str) -> Measured:
        if not isinstance(value, str):
            return Measured(scalar(value, example), 0.0)
        left, sign, right = (part.strip() for part in _text(value, example).partition("+/-"))
        if not sign:
            return Measured(scalar(left, example), 0.0)
        number, given = _split(right)
        if given == "%" and not left.endswith("%"):
            if not relative:
                raise ValueError(
                    f"{value!r}: a percentage of a temperature has no meaning: write {example!r}"
                )
            middle = scalar(left, example)
            return _checked(value, middle, abs(middle) * number / 100)
        if given and not _split(left)[1] and not has_own_zero(given):  # "5 +/- 0.1 L"
            left = f"{left} {given}"
        return _checked(value, scalar(left, example), parse(right, unit, difference=True))

    return read


def _checked(text: str, value: float, sigma: float) -> Measured:
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"{text!r}: the standard error must be finite and 0 or more")
    return Measured(value, sigma)


def _duration(value: object, example: str) -> int:
    return round(_scalar("s", low=0, high=LONGEST_DURATION_S)(value, example) * NS_PER_S)


def _pressure(value: object, example: str) -> PressureLevel:
    return parse_pressure(_text(value, example))


def _absolute_pressure(value: object, example: str) -> float:
    level = _pressure(value, example)
    if level.reference is not Reference.ABSOLUTE:
        raise ValueError(f"{value!r} is {level.reference}: this pressure must be absolute, as {example!r}")
    return level.value_pa


def _uncertain_absolute_pressure(value: object, example: str) -> Measured:
    text = _text(value, example)
    left, sign, right = (part.strip() for part in text.partition("+/-"))
    right, reference = _reference(right)  # "196 +/- 2 kPa absolute" says it once, at the end
    if reference is None:
        left, reference = _reference(left)
    if reference is not Reference.ABSOLUTE:
        raise ValueError(f"{text!r} does not say that it is absolute: write it as {example!r}")
    return _uncertain(_scalar("Pa", low=0), "Pa")(f"{left} {sign} {right}".strip(), example)


def _leak(value: object, example: str) -> LeakQuantity:
    text = _text(value, example)
    number, given = _split(text)
    if number < 0:
        raise ValueError(f"{text!r} is out of bounds: a leak is 0 or more, positive out of the vessel")
    for dimension in LeakDimension:
        if same_dimension(given, dimension):
            return LeakQuantity(_to_si(text, dimension), dimension)
    raise ValueError(
        f'{text!r} is not a leak: write a mass rate ("2 g/h"), a throughput ({example!r}, "5 sccm")'
        ' or a volume rate ("3 mL/day")'
    )


def _interval(value: object, example: str) -> Occurrences:
    match = _INTERVAL.fullmatch(_text(value, example))
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{value!r} is not so many in so long: write it as {example!r}")
    span = match[2] if match[2][0].isdigit() else f"1 {match[2]}"
    ns = _duration(span, "30 days")
    if ns == 0:
        raise ValueError(f"{value!r}: the time must be above 0 s")
    return Occurrences(int(match[1]), ns)


_NUMBER_OF = _scalar("")
_VOLUME = _scalar("m^3", low=0, above_low=True)
_LENGTH = _scalar("m", low=0, above_low=True)
_DENSITY = _scalar("kg/m^3", low=0, above_low=True)
_PER_KELVIN = _scalar("1/K")
_TEMPERATURE = _scalar("K", low=0, above_low=True)

Duration = Annotated[int, Quantity(_duration, "100 ms", "ns")]
Frequency = Annotated[float, Quantity(_scalar("Hz", low=0, above_low=True), "10 Hz", "Hz")]
Pressure = Annotated[PressureLevel, Quantity(_pressure, "2 bar absolute", "Pa")]
AbsolutePressure = Annotated[float, Quantity(_absolute_pressure, "2 bar absolute", "Pa")]
Temperature = Annotated[float, Quantity(_TEMPERATURE, "22 degC", "K")]
Volume = Annotated[float, Quantity(_VOLUME, "44 L", "m^3")]
Length = Annotated[float, Quantity(_LENGTH, "0.8 mm", "m")]
PerKelvin = Annotated[float, Quantity(_PER_KELVIN, "1.2e-3/K", "1/K")]
Fraction = Annotated[float, Quantity(_scalar("", low=0, high=1), "5 %", number=True)]
Leak = Annotated[LeakQuantity, Quantity(_leak, "1e-4 mbar*L/s")]
Interval = Annotated[Occurrences, Quantity(_interval, "1 per 30 days")]

UncertainNumber = Annotated[Measured, Quantity(_uncertain(_NUMBER_OF, ""), "0.7 +/- 0.1", number=True)]
UncertainVolume = Annotated[Measured, Quantity(_uncertain(_VOLUME, "m^3"), "5 L +/- 2 %", "m^3")]
UncertainDensity = Annotated[
    Measured, Quantity(_uncertain(_DENSITY, "kg/m^3"), "692 kg/m^3 +/- 1 %", "kg/m^3")
]
UncertainTemperature = Annotated[
    Measured, Quantity(_uncertain(_TEMPERATURE, "K", relative=False), "22 degC +/- 2 K", "K")
]
UncertainAbsolutePressure = Annotated[
    Measured, Quantity(_uncertain_absolute_pressure, "196 kPa absolute +/- 2 kPa", "Pa")
]
