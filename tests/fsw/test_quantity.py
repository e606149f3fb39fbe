"""Quantities: known conversions, and nothing but a ValueError for anything else."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from fsw import quantity as q

NS_PER_S = 1_000_000_000


def read(kind, value):
    return TypeAdapter(kind).validate_python(value)


def refusal(kind, value):
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        # exact by definition: the pound (0.45359237 kg), the inch, standard gravity, the atmosphere
        ("1 psi", "Pa", 0.45359237 * 9.80665 / 0.0254**2),
        ("1 kgf/cm^2", "Pa", 98066.5),
        ("1 kgf/cm2", "Pa", 98066.5),
        ("1 kgf/cm**2", "Pa", 98066.5),
        ("760 Torr", "Pa", 101325.0),
        ("1 atm", "Pa", 101325.0),
        ("1.5 bar", "Pa", 150000.0),
        ("-2.5e3 mbar", "Pa", -250000.0),
        ("22 degC", "K", 295.15),
        ("-40 degF", "K", 233.15),
        ("295 K", "K", 295.0),
        ("44 L", "m^3", 0.044),
        ("3.7 lb/d", "kg/s", 3.7 * 0.45359237 / 86400),
        ("1 kg per day", "kg/s", 1 / 86400),
        ("10 mbar*L/s", "Pa*m^3/s", 1.0),
        ("10 mbar L/s", "Pa m3/s", 1.0),
        ("1.2e-3/K", "1/K", 1.2e-3),
        ("1.2e-3 1/K", "1/K", 1.2e-3),
        ("12 ppm/K", "1/K", 12e-6),
        ("0.8 mm", "m", 0.8e-3),
        ("3 µm", "m", 3e-6),
        ("692 kg/m^3", "kg/m^3", 692.0),
        ("692 kg m^-3", "kg/m^3", 692.0),
        ("5 %", "", 0.05),
        ("5 bar/s", "Pa/s", 5e5),
        ("1 degC/h", "K/s", 1 / 3600),
    ],
)
def test_a_quantity_is_read_in_si(text, unit, expected):
    assert q.parse(text, unit) == pytest.approx(expected, rel=1e-12)


def test_a_millimetre_of_mercury_is_133_322_pascal():
    assert q.parse("1 mmHg", "Pa") == pytest.approx(133.322, abs=5e-4)


def test_592_15_sccm_at_0_celsius_are_one_pascal_cubic_metre_a_second():
    assert q.parse("592.15 sccm", "Pa*m^3/s") == pytest.approx(1.0, rel=1e-5)
    assert q.parse("0.59215 slm", "Pa*m^3/s") == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("1 per 30 days", "s"),
        ("9**9**9 Pa", "Pa"),
        ("1 Pa**9**9", "Pa"),
        ("nan Pa", "Pa"),
        ("inf Pa", "Pa"),
        ("1e999 Pa", "Pa"),
        ("1e308 GPa", "Pa"),
        ("5 bar", "m"),
        ("5", "Pa"),
        ("5 Pa", ""),
        ("5 rpm", "Hz"),  # pint alone makes 0.52 Hz of it
        ("5 rad", ""),
        ("5 dB", ""),
        ("5 degC", "Pa"),
        ("1,5 Pa", "Pa"),
        ("1_000 Pa", "Pa"),
        ("0x10 Pa", "Pa"),
        ("٣ Pa", "Pa"),
        ("5 Bar", "Pa"),
        ("5 __import__", "Pa"),
        ("", "Pa"),
        ("5 " + "P" * 1000, "Pa"),
    ],
)
def test_what_is_not_such_a_quantity_is_refused(text, unit):
    with pytest.raises(ValueError, match=r".") as caught:
        q.parse(text, unit)
    assert len(str(caught.value)) < 300


def test_a_temperature_difference_in_celsius_is_refused():
    with pytest.raises(ValueError, match="difference is written in K"):
        q.parse("2 degC", "K", difference=True)
    assert q.parse("2 K", "K", difference=True) == 2.0


@pytest.mark.parametrize(
    ("text", "value_pa", "reference"),
    [
        ("2 bar absolute", 2e5, q.Reference.ABSOLUTE),
        ("2 bar abs", 2e5, q.Reference.ABSOLUTE),
        ("30 psig", 206842.72, q.Reference.GAUGE),
        ("14.696 psia", 101325.35, q.Reference.ABSOLUTE),
        ("1.2 bara", 1.2e5, q.Reference.ABSOLUTE),
        ("-0.2 barg", -0.2e5, q.Reference.GAUGE),
        ("3 bar sealed gauge", 3e5, q.Reference.SEALED_GAUGE),
        ("2 kPa absolute", 2e3, q.Reference.ABSOLUTE),
    ],
)
def test_a_pressure_carries_its_reference(text, value_pa, reference):
    level = read(q.Pressure, text)
    assert level.value_pa == pytest.approx(value_pa, rel=1e-6)
    assert level.reference is reference


def test_a_pressure_without_reference_is_refused():
    assert 'absolute" or' in refusal(q.Pressure, "2 bar")
    assert "what it is measured against" in refusal(q.Pressure, "2 kPa")  # its last letter is no reference


def test_an_absolute_pressure_in_psig_is_refused():
    assert "must be absolute" in refusal(q.AbsolutePressure, "30 psig")
    assert "below vacuum" in refusal(q.AbsolutePressure, "-1 bar absolute")


@pytest.mark.parametrize(
    ("kind", "value", "expected", "sigma"),
    [
        (q.UncertainNumber, "0.7 +/- 0.1", 0.7, 0.1),
        (q.UncertainNumber, "0.7 ± 10 %", 0.7, 0.07),
        (q.UncertainNumber, 0.7, 0.7, 0.0),
        (q.UncertainNumber, "5 % +/- 1 %", 0.05, 0.01),
        (q.UncertainVolume, "5 L +/- 2 %", 5e-3, 1e-4),
        (q.UncertainVolume, "5 L +/- 0.1 L", 5e-3, 1e-4),
        (q.UncertainVolume, "5 +/- 0.1 L", 5e-3, 1e-4),
        (q.UncertainVolume, "44 L", 44e-3, 0.0),
        (q.UncertainTemperature, "22 degC +/- 2 K", 295.15, 2.0),
        (q.UncertainAbsolutePressure, "196 kPa absolute +/- 2 kPa", 196e3, 2e3),
        (q.UncertainAbsolutePressure, "196 +/- 2 kPa absolute", 196e3, 2e3),
    ],
)
def test_an_uncertain_quantity_has_value_and_standard_error(kind, value, expected, sigma):
    measured = read(kind, value)
    assert measured.value == pytest.approx(expected)
    assert measured.sigma == pytest.approx(sigma)


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        (q.UncertainTemperature, "22 degC +/- 2 degC", "in K"),
        (q.UncertainTemperature, "22 degC +/- 2 %", "percentage"),
        (q.UncertainVolume, "5 L +/- -1 %", "0 or more"),
        (q.UncertainVolume, "5 L +/- 1", "m^3"),
        (q.UncertainVolume, "-5 L", "above 0"),
        (q.UncertainAbsolutePressure, "196 kPa +/- 2 kPa", "absolute"),
        (q.Duration, "-1 s", "at least 0"),
        (q.Duration, "400 years", "at most"),
        (q.Duration, 5, "no unit"),
        (q.Duration, True, "no unit"),
        (q.Fraction, 1.5, "at most 1"),
        (q.Fraction, math.nan, "not finite"),
        (q.UncertainNumber, math.inf, "not finite"),
        (q.Temperature, "-300 degC", "above 0"),
        (q.Frequency, "0 Hz", "above 0"),
        (q.Leak, "3 K", "not a leak"),
        (q.Leak, "-3 g/h", "0 or more"),
        (q.Interval, "0 per day", "1 per 30 days"),
        (q.Interval, "30 days", "1 per 30 days"),
    ],
)
def test_a_refusal_says_what_is_wrong(kind, value, word):
    message = refusal(kind, value)
    assert word in message


def test_durations_are_whole_nanoseconds():
    assert read(q.Duration, "100 ms") == 100_000_000
    assert read(q.Duration, "2 min") == 120 * NS_PER_S
    assert read(q.Duration, "30 days") == 30 * 86400 * NS_PER_S


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("2 g/h", 2e-3 / 3600, q.LeakDimension.MASS),
        ("1e-4 mbar*L/s", 1e-5, q.LeakDimension.THROUGHPUT),
        ("1 sccm", 101325e-6 / 60, q.LeakDimension.THROUGHPUT),
        ("3.6 L/h", 1e-6, q.LeakDimension.VOLUME),
    ],
)
def test_a_leak_keeps_the_dimension_it_was_stated_in(text, value, dimension):
    leak = read(q.Leak, text)
    assert leak.value == pytest.approx(value)
    assert leak.dimension is dimension


def test_so_many_in_so_long():
    assert read(q.Interval, "1 per 30 days") == (1, 30 * 86400 * NS_PER_S)
    assert read(q.Interval, "2 per day") == (2, 86400 * NS_PER_S)


def test_the_json_schema_shows_an_example():
    class Tank(BaseModel):
        volume: q.UncertainVolume

    assert Tank.model_json_schema()["properties"]["volume"]["examples"] == ["5 L +/- 2 %"]


KINDS = [value for name, value in vars(q).items() if name[0].isupper() and hasattr(value, "__metadata__")]
PIECES = st.sampled_from(
    [
        "0",
        "1",
        ".5",
        "1e3",
        "1e400",
        "nan",
        "inf",
        "-",
        "+/-",
        "±",
        "%",
        "bar",
        "psig",
        "Pa",
        "kPa",
        "L",
        "degC",
        "K",
        "/",
        "**9",
        "^",
        "per",
        "days",
    ]
)


@given(
    st.sampled_from(KINDS),
    st.one_of(
        st.text(max_size=90),
        st.lists(PIECES, max_size=8).map(" ".join),
        st.lists(PIECES, max_size=8).map("".join),
    ),
)
def test_any_text_is_a_finite_value_or_a_value_error(kind, text):
    try:
        value = read(kind, text)
    except ValidationError:
        return
    for part in (getattr(value, name, value) for name in ("value", "sigma", "value_pa", "ns", "times")):
        assert not isinstance(part, float | int) or math.isfinite(part)


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.lists(st.integers()), st.dates()))
def test_any_other_toml_value_is_finite_or_refused(value):
    for kind in KINDS:
        try:
            found = read(kind, value)
        except ValidationError:
            continue
        assert math.isfinite(getattr(found, "value", found))


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_psig_is_psi_above_ambient(number):
    assert read(q.Pressure, f"{number:.6g} psig").value_pa == pytest.approx(
        float(f"{number:.6g}") * 6894.757, rel=1e-6
    )


def test_importing_quantity_does_not_import_pint():
    code = "import sys, fsw.quantity; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
