"""The plants against closed-form physics: blow-down, Torricelli with an isothermal accumulator, published leaks."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil import plant

S = 1_000_000_000
HOUR = 3600 * S
MMHG = 133.322
AIR_RS, AIR_PSI = 287.05, 0.684731  # psi: choked-flow constant for gamma 1.4


def vessel(**keys):
    table = {"model": "gas_vessel", "volume": "4 L", "pressure": "6 bar"} | keys
    return plant.build(plant.options(table))


def loop(**keys):
    table = {
        "model": "coolant_loop",
        "liquid_volume": "44 L",
        "density": "692 kg/m^3",
        "gas_volume": "5 L",
        "pressure": "196 kPa",
        "temperature": "293 K",
    } | keys
    return plant.build(plant.options(table))


def at(model, t_s, name):
    return plant.reading(model, name)(round(t_s * S))


def test_a_tight_vessel_follows_its_wall_and_loses_nothing():
    tight = vessel(ambient={"temperature": "20 degC", "swing": "10 K", "period": "92 min"})
    mass = tight.truth("inventory")
    assert mass == pytest.approx(6e5 * 4e-3 / (AIR_RS * 293.15), rel=1e-12)
    quarter = 23 * 60
    assert at(tight, quarter, "temperature") == pytest.approx(303.15, abs=1e-9)
    assert tight.truth("pressure") == pytest.approx(6e5 * 303.15 / 293.15, rel=1e-12)
    assert tight.truth("inventory") == mass
    assert tight.truth("leak") == 0
    assert tight.truth("hole") == 0
    assert tight.truth("time_to_limit") == math.inf


def test_a_choked_isothermal_vessel_decays_exponentially():
    hole_m, cd, kelvin = 0.5e-3, 0.8, 293.15
    tau = 4e-3 / (cd * math.pi / 4 * hole_m**2 * AIR_PSI * math.sqrt(AIR_RS * kelvin))
    leaky = vessel(
        ambient={"temperature": "20 degC"}, leak=[{"at": "10 s", "hole": "0.5 mm"}], cd=cd, limit="3 bar"
    )
    assert at(leaky, 10, "pressure") == pytest.approx(6e5, rel=1e-12)
    for t in (20.0, 33.3, 100.0):
        assert at(leaky, t, "pressure") == pytest.approx(6e5 * math.exp(-(t - 10) / tau), rel=1e-6)
    assert leaky.truth("hole") == pytest.approx(hole_m)
    remaining = tau * math.log(at(leaky, 101, "pressure") / 3e5)
    assert leaky.truth("time_to_limit") == pytest.approx(max(remaining, 0), rel=1e-6)


def test_the_time_to_limit_counts_down_to_the_instant_it_names():
    leaky = vessel(leak=[{"at": "10 s", "hole": "0.2 mm"}], limit="5 bar")
    left = at(leaky, 12, "time_to_limit")
    assert at(leaky, 20, "time_to_limit") == pytest.approx(left - 8, abs=1e-3)
    assert at(leaky, 12 + left, "pressure") == pytest.approx(5e5, rel=1e-7)
    assert at(leaky, 12 + left + 1, "time_to_limit") == 0


def test_the_fast_and_insulated_vessel_cools_as_an_adiabatic_one():
    """With no heat from the wall p/p0 = (m/m0)^gamma."""
    leaky = vessel(exchange="1e6 s", leak=[{"at": 0, "hole": "2 mm"}])
    p0, m0 = leaky.truth("pressure"), leaky.truth("inventory")
    leaky.advance(10 * S)
    assert leaky.truth("inventory") < 0.8 * m0
    assert leaky.truth("pressure") / p0 == pytest.approx((leaky.truth("inventory") / m0) ** 1.4, rel=1e-4)


def test_the_heat_of_a_fast_fill_dies_away_exponentially():
    filled = vessel(ambient={"temperature": "295 K"}, exchange="20 s", fill_rise="15 K")
    assert filled.truth("pressure") == pytest.approx(6e5)
    assert at(filled, 30, "gas_temperature") == pytest.approx(295 + 15 * math.exp(-1.5), rel=1e-6)
    assert at(filled, 600, "pressure") == pytest.approx(6e5 * 295 / 310, rel=1e-6)


def test_an_unchoked_leak_stops_at_the_pressure_outside():
    leaky = vessel(pressure="1.5 bar", outside="1 bar", leak=[{"at": 0, "hole": "2 mm"}])
    # Saint-Venant and Wantzel at r = 2/3, worked out by hand for gamma 1.4
    ratio = 1 / 1.5
    psi = math.sqrt(7 * (ratio ** (2 / 1.4) - ratio ** (2.4 / 1.4)))
    expected = 0.8 * math.pi / 4 * 4e-6 * 1.5e5 * psi / math.sqrt(AIR_RS * 293.15)
    assert leaky.truth("leak") == pytest.approx(expected, rel=1e-9)
    assert at(leaky, 120, "pressure") == pytest.approx(1e5, rel=1e-5)


def test_a_vacuum_decay_test_reads_what_40_cfr_1065_644_says():
    """V 0.002 m3, 25300 -> 50600 Pa in 70 s at 293.15 K: 2.965705e-4 mol/s inward; choked from 1 atm, so constant."""
    kg_per_s = 2.965705e-4 * 8.314472 / AIR_RS
    flux = 101325 * AIR_PSI / math.sqrt(AIR_RS * 293.15)
    hole_m = math.sqrt(kg_per_s / (0.8 * flux) * 4 / math.pi)
    evacuated = vessel(
        volume="2 L",
        pressure="25300 Pa",
        outside="101325 Pa",
        ambient={"temperature": "293.15 K"},
        leak=[{"at": 0, "hole": hole_m}],
    )
    assert evacuated.truth("leak") == pytest.approx(-kg_per_s, rel=1e-5)
    assert at(evacuated, 70, "pressure") == pytest.approx(50600, rel=1e-5)


@pytest.mark.parametrize(
    ("hole", "mmhg_per_hour", "kg_per_day"),
    [("1.46 mm", 0.8, None), ("0.360 mm", 1.16 / 24 * 1.015, 1.678)],
    ids=["Soyuz MS-09", "3.7 lb/day"],
)
def test_a_station_cabin_loses_what_was_published(hole, mmhg_per_hour, kg_per_day):
    cabin = vessel(
        volume="916 m^3",
        pressure="101.325 kPa",
        ambient={"temperature": "295 K"},
        leak=[{"at": 0, "hole": hole}],
    )
    p0 = cabin.truth("pressure")
    lost_mmhg = (p0 - at(cabin, 3600, "pressure")) / MMHG
    assert lost_mmhg == pytest.approx(mmhg_per_hour, rel=0.02)
    if kg_per_day:
        assert cabin.truth("leak") * 86400 == pytest.approx(kg_per_day, rel=0.01)


def test_what_leaves_the_vessel_is_what_the_leak_says():
    """Simpson's rule over the told leak rate against the told inventory, across opening and closing."""
    leaky = vessel(
        exchange="5 s",
        ambient={"swing": "5 K", "period": "60 s"},
        leak=[{"at": "1 s", "hole": "1 mm"}, {"at": "2 s", "until": "4 s", "hole": "1 mm"}],
    )
    for begin, end, area in ((1, 2, 1), (2, 4, 2), (4, 6, 1)):
        n, total = 40, 0.0
        h = (end - begin) / n
        m0 = at(leaky, begin, "inventory")
        assert leaky.truth("hole") == pytest.approx(1e-3 * math.sqrt(area))
        for i in range(n):
            total += h * at(leaky, begin + i * h, "leak") / 6
            total += h * 4 * at(leaky, begin + (i + 0.5) * h, "leak") / 6
            before = begin + (i + 1) * h - 1e-9
            total += h * at(leaky, before, "leak") / 6
        assert m0 - at(leaky, end, "inventory") == pytest.approx(total, rel=1e-7)


@pytest.mark.parametrize(("kpa", "ml_per_s"), [(49, 3.65), (147, 6.32), (196, 7.30)])
def test_a_hole_of_0_8_mm_to_vacuum_passes_what_torricelli_says(kpa, ml_per_s):
    leaky = loop(pressure=f"{kpa} kPa", leak=[{"at": 0, "hole": "0.8 mm"}])
    assert leaky.truth("leak") / 692 * 1e6 == pytest.approx(ml_per_s, abs=0.006)


def test_an_isothermal_accumulator_empties_the_loop_in_the_closed_form_time():
    area, cd, vg0, volume = math.pi / 4 * 0.8e-3**2, 0.61, 5e-3, 44e-3
    expected = 2 / 3 * ((vg0 + volume) ** 1.5 - vg0**1.5) / (cd * area * math.sqrt(2 * 196e3 * vg0 / 692))
    leaky = loop(leak=[{"at": "20 s", "hole": "0.8 mm"}], limit="98 kPa")
    assert at(leaky, 20, "time_to_empty") == pytest.approx(expected, rel=1e-6)
    # at an alarm pressure of half the charge the gas has doubled: V_a = V_g0 (p0/p_a - 1)
    left = leaky.truth("time_to_limit")
    assert at(leaky, 20 + left, "inventory") == pytest.approx(692 * (44e-3 - 5e-3), rel=1e-6)
    assert at(leaky, 20 + expected - 1, "inventory") > 0
    assert at(leaky, 20 + expected + 5, "leak") == 0
    assert leaky.truth("inventory") == 0
    assert leaky.truth("time_to_empty") == 0


def test_only_the_usable_liquid_counts():
    leaky = loop(leak=[{"at": 0, "hole": "0.8 mm"}], usable="10 L")
    left = leaky.truth("time_to_empty")
    assert at(leaky, left, "liquid_volume") == pytest.approx(34e-3, rel=1e-6)


def test_no_hole_means_never():
    tight = loop()
    assert tight.truth("time_to_empty") == math.inf
    assert tight.truth("leak") == 0


@pytest.mark.parametrize(
    ("exchange", "exponent"), [(0, 1.0), ("1e7 s", 1.4)], ids=["isothermal", "adiabatic"]
)
def test_the_accumulator_gas_keeps_p_v_to_the_n(exchange, exponent):
    leaky = loop(exchange=exchange, leak=[{"at": 0, "hole": "3 mm"}])
    leaky.advance(30 * S)
    gas_m3 = 49e-3 - leaky.truth("liquid_volume")
    assert gas_m3 > 6e-3
    assert leaky.truth("pressure") == pytest.approx(196e3 * (5e-3 / gas_m3) ** exponent, rel=1e-5)


def test_a_real_accumulator_lies_between_isothermal_and_adiabatic():
    runs = [loop(exchange=e, leak=[{"at": 0, "hole": "3 mm"}]) for e in (0, "60 s", "1e7 s")]
    slow, real, fast = (at(run, 60, "pressure") for run in runs)
    assert fast < real < slow


def test_warm_coolant_compresses_the_gas_and_no_sensor_sees_the_mean():
    """dV = beta V dT of the mean: 53 mL for 1 K of 44 L."""
    tight = loop(expansion="1.2e-3 1/K", radiator={"share": 0.25, "swing": "10 K", "mixing": "10 min"})
    mass = tight.truth("inventory")
    for minutes in range(0, 185, 7):
        mean = at(tight, 60 * minutes, "mean_temperature")
        liquid_m3 = 44e-3 * (1 + 1.2e-3 * (mean - 293))
        assert tight.truth("liquid_volume") == pytest.approx(liquid_m3, rel=1e-12)
        gas_k = tight.truth("gas_temperature")
        assert tight.truth("pressure") == pytest.approx(
            196e3 * 5e-3 / (49e-3 - liquid_m3) * gas_k / 293, rel=1e-9
        )
        assert tight.truth("inventory") == mass
        assert mean == pytest.approx(
            0.75 * tight.truth("temperature") + 0.25 * tight.truth("radiator_temperature")
        )
    quarter = loop(expansion="1.2e-3 1/K", radiator={"share": 0.25, "swing": "10 K", "mixing": "10 min"})
    assert at(quarter, 23 * 60, "radiator_temperature") == pytest.approx(303)
    assert at(quarter, 23 * 60, "temperature") < 302


def test_the_main_volume_follows_the_radiator_as_a_first_order_lag():
    """In the periodic state a first-order lag divides the swing by sqrt(1 + (w tau)^2)."""
    cycled = loop(radiator={"share": 0.2, "swing": "10 K", "period": "92 min", "mixing": "600 s"})
    seen = [at(cycled, 3 * 5520 + t, "temperature") for t in range(0, 5520, 20)]
    w_tau = 2 * math.pi / 5520 * 600
    assert (max(seen) - min(seen)) / 2 == pytest.approx(10 / math.sqrt(1 + w_tau**2), rel=1e-3)


MODELS = {
    "vessel": lambda: vessel(
        exchange="3 s", fill_rise="5 K", leak=[{"at": "2 s", "until": "7 s", "hole": "1 mm"}]
    ),
    "loop": lambda: loop(
        exchange="30 s",
        expansion="1.2e-3 1/K",
        radiator={"share": 0.3, "swing": "10 K"},
        leak=[{"at": "2.05 s", "hole": "2 mm"}],
    ),
}


@pytest.mark.parametrize("name", MODELS)
@given(asked=st.lists(st.integers(0, 10 * S), max_size=20))
@settings(max_examples=25, deadline=None)
def test_the_truth_does_not_depend_on_who_asked_before(name, asked):
    once, often = MODELS[name](), MODELS[name]()
    for t_ns in sorted(asked):
        often.advance(t_ns)
        often.truth("time_to_limit")
    once.advance(10 * S)
    often.advance(10 * S)
    for variable in ("pressure", "gas_temperature", "inventory", "leak"):
        assert once.truth(variable) == often.truth(variable)


def test_time_that_has_passed_changes_nothing():
    leaky = MODELS["loop"]()
    now = at(leaky, 5, "pressure")
    assert at(leaky, 3, "pressure") == now


def test_a_wrong_plant_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="coolant_loop, gas_vessel"):
        plant.options({"model": "submarine"})
    with pytest.raises(ValueError, match="kind of m\\^3"):
        plant.options({"model": "gas_vessel", "volume": "4 kg", "pressure": "6 bar"})
    with pytest.raises(ValueError, match="Extra inputs"):
        plant.options({"model": "gas_vessel", "volume": "4 L", "pressure": "6 bar", "colour": "red"})
    with pytest.raises(KeyError):
        vessel().truth("time_to_empty")
