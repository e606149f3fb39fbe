"""The bench's own reading of quantities."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.quantity import base_si, duration_ns, from_si, si, span


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2 bar", "Pa", 2e5),
        ("2 bar absolute", "Pa", 2e5),
        ("0.5 kgf/cm^2", "Pa", 49033.25),
        ("30 psi", "Pa", 206842.71),
        ("0.8 mmHg", "Pa", 106.65791),
        ("0.8 mm", "m", 8e-4),
        ("44 L", "m^3", 0.044),
        ("916 m^3", "m^3", 916),
        ("692 kg/m^3", "kg/m^3", 692),
        ("1.2e-3 1/K", "1/K", 1.2e-3),
        ("22 degC", "K", 295.15),
        ("-40 °C", "K", 233.15),
        ("5 %", "", 0.05),
        ("0.61", "", 0.61),
        (3, "Pa", 3.0),
    ],
)
def test_what_people_write(text, unit, expected):
    assert si(text, unit) == pytest.approx(expected, rel=1e-6)


NO_PRESSURES = """
    |bar|2|2 m|nan Pa|inf Pa|1e999 Pa|2 bar gauge|2 psig|9**9**9 Pa|1 Pa^9^9^9|1 per 30 days|1 __class__
""".strip().split("|")


@pytest.mark.parametrize("text", [*NO_PRESSURES, True, None, [], math.nan, math.inf])
def test_what_is_no_pressure_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - any wording
        si(text, "Pa")


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text):
    for unit in ("Pa", "K", ""):
        with contextlib.suppress(ValueError):
            assert math.isfinite(si(text, unit))


def test_durations_are_whole_nanoseconds_and_never_negative():
    assert duration_ns("92 min") == 5_520_000_000_000
    assert duration_ns("100 us") == 100_000
    assert duration_ns(0) == 0
    with pytest.raises(ValueError, match="negative"):
        duration_ns("-1 s")


def test_a_difference_is_not_a_level():
    assert span("10 K", "K") == 10
    with pytest.raises(ValueError, match="difference"):
        span("10 degC", "K")


@pytest.mark.parametrize(
    ("unit", "si_unit", "value", "sent"),
    [
        ("bar", "Pa", 101325, 1.01325),
        ("degC", "K", 295.15, 22),
        ("psi", "Pa", 6894.757, 1),
        ("degF", "K", 273.15, 32),
    ],
)
def test_what_an_instrument_sends(unit, si_unit, value, sent):
    factor, shift = from_si(unit, si_unit)
    assert value * factor + shift == pytest.approx(sent, rel=1e-7)


def test_base_si_takes_any_dimension():
    assert [base_si(x) for x in ("1 bar", "22 degC", "10 Pa/s", "3 mm", 5)] == pytest.approx(
        [1e5, 295.15, 10, 3e-3, 5]
    )
    with pytest.raises(ValueError, match="no unit"):
        base_si("5 9^9")
