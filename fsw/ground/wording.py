"""Values, limits, instants and occurrences in words for people."""

import math
import struct
import time
from collections.abc import Mapping

from fsw.limit import TIMED
from fsw.occurrence import Kind
from fsw.packets.field import quality_text
from fsw.sample import Fault, Quality
from fsw.table import Parameter

NS_PER_S = 1_000_000_000
_F32 = struct.Struct(">f")
_FAULTS: Mapping[float, str] = {fault.value: fault.name for fault in Fault}


def time_text(unix_ns: int) -> str:
    """UTC to the microsecond."""
    seconds, ns = divmod(unix_ns, NS_PER_S)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ns // 1000:06d}Z"


def words(kind: Kind) -> str:
    """An occurrence by its name: phase begun."""
    return kind.name.lower().replace("_", " ")


def tidy(value: float) -> float:
    """The shortest number that is the same f32: 0.0002, not 0.00019999999494757503."""
    if not math.isfinite(value):
        return value
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if _same_f32(short, value):
            return short
    return value


def _same_f32(short: float, value: float) -> bool:
    try:
        return _F32.pack(short) == _F32.pack(value)
    except OverflowError:  # the largest f32, rounded up
        return False


def value_text(
    parameter: Parameter, value: float, sigma: float = math.nan, quality: int = Quality.GOOD
) -> str:
    """In words: name, value, standard error, unit; the quality where it is not simply GOOD."""
    error = "" if math.isnan(sigma) else f" ± {sigma:.2g}"
    flags = "" if quality == Quality.GOOD else f" [{quality_text(quality)}]"
    return f"{parameter.name} = {number_text(parameter, value)}{error}{_unit(parameter.unit)}{flags}"


def limit_text(what: str, limit: float, check: int, parameter: Parameter) -> str:
    """In words: ", WHAT number unit"; "" where there is no limit. Checks that measure time have it in seconds."""
    if math.isnan(limit):
        return ""
    return f", {what} {limit:.6g}{_unit('s' if check in TIMED else parameter.unit)}"


def number_text(parameter: Parameter, value: float) -> str:
    """The value, a fault by its name."""
    number = f"{value:.6g}"
    return _FAULTS.get(value, number) if parameter.name.endswith(".fault") else number


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
