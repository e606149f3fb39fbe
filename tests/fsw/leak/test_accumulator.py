"""The coolant loop: sensitivities by hand, inverses, bands, and what is refused."""

import math

import pytest

from fsw.leak import accumulator
from fsw.leak.state import State
from fsw.quantity import Measured

from .plant import MS22, loop


def model(**keys):
    return accumulator.model(accumulator.Options(**{**MS22, **keys}))


def state(pressure_pa, temperature_k=293.0, noise_pa=0.0, noise_k=0.0, gas_k=None):
    gas = None if gas_k is None else Measured(gas_k, 0.0)
    return State(Measured(pressure_pa, noise_pa), Measured(temperature_k, noise_k), gas)


def kg(vessel, *args, **keys):
    return vessel.inventory(state(*args, **keys)).kg


def test_the_reference_state_holds_its_volume():
    assert kg(model(), 196e3) == pytest.approx(44e-3 * 692.0)


def test_half_the_pressure_is_the_gas_volume_lost_once_more():
    assert kg(model(long_exponent="1"), 98e3) == pytest.approx((44e-3 - 5e-3) * 692.0)


def test_100_pa_are_2_55_ml_and_1_k_is_53_ml_of_this_loop():
    vessel = model(long_exponent="1")
    assert (kg(vessel, 196e3) - kg(vessel, 195.9e3)) / 692 * 1e6 == pytest.approx(2.55, abs=0.005)
    assert (kg(vessel, 196e3, 293.0) - kg(vessel, 196e3, 294.0)) / 692 * 1e6 == pytest.approx(52.8, abs=0.1)
    noisy = vessel.inventory(state(196e3, 293.0, noise_pa=100.0, noise_k=0.05))
    assert noisy.noise_kg / 692 * 1e6 == pytest.approx(math.hypot(2.551, 2.64), abs=0.005)


def test_a_warmer_loop_of_the_same_mass_shows_a_higher_pressure_and_the_same_inventory():
    for t, p, mean_k, _ in loop(1.0, k=1.0, temperature=lambda _: 303.0):
        assert p > 196e3, t
        # the plant expands linearly, the model exponentially: half of (1.2 %)^2
        assert kg(model(long_exponent="1"), p, mean_k) == pytest.approx(44e-3 * 692.0, rel=1e-4)


def test_expanding_walls_take_part_of_the_liquids_expansion():
    stiff, steel = model(), model(wall_expansion="16e-6/K")
    change = [kg(each, 196e3, 294.0) - kg(each, 196e3, 293.0) for each in (stiff, steel)]
    assert change[1] / change[0] == pytest.approx((1.2e-3 - 48e-6) / 1.2e-3, rel=1e-3)


def test_a_measured_gas_temperature_leaves_no_exponent():
    vessel = model()
    # 2 % colder gas at 2 % less pressure fills the same volume: nothing has leaked
    now = state(0.98 * 196e3, gas_k=0.98 * 293.0)
    assert vessel.inventory(now).kg == pytest.approx(44e-3 * 692.0)
    assert vessel.magnified(now, 1.0, 1.0) == Measured(1.0, 0.0)
    assert vessel.inventory(now).unseen_kg_per_k == 0.0
    assert vessel.magnified(state(196e3), 1.0, 1.0).sigma > 0.1


def test_a_pressure_that_is_not_above_vacuum_has_no_inventory():
    assert math.isnan(kg(model(), 0.0))
    assert math.isnan(kg(model(), -5.0))


def test_the_band_of_the_time_to_empty_covers_what_is_not_known():
    now = state(196e3)
    rate = Measured(5e-3, 5e-5)

    def band(**keys):
        vessel = model(cd="0.7", **keys)
        left = vessel.time_left(now, vessel.inventory(now), rate).to_empty_s
        return left.sigma / left.value

    exact = {"long_exponent": "1"}
    assert band(**exact) == pytest.approx(0.01)
    assert band(**{**exact, "usable": "44 L +/- 10 %"}) == pytest.approx(0.135, abs=0.01)  # t ~ V^1.5 nearly
    # t ~ (Vg + V)^1.5 / (Q sqrt(Vg)) with Q ~ Vg: a gas volume 10 % larger is t times 1.1^-1.5 (1 + 0.15 Vg / (Vg + V))
    assert band(**{**exact, "gas_volume": "5 L +/- 10 %"}) == pytest.approx(0.115, abs=0.01)


def test_the_times_of_a_loop_count_down_to_its_limits():
    vessel = model(long_exponent="1", limit="98 kPa absolute")
    now = state(196e3)
    left = vessel.time_left(now, vessel.inventory(now), Measured(692.0 * 5e-6, 0.0))
    # Vg / (1.5 Q) ((1 + V / Vg)^1.5 - 1): 5 L lost at half the pressure, 44 L in all, 5 mL/s
    assert left.to_limit_s.value == pytest.approx(1000 / 1.5 * (2**1.5 - 1))
    assert left.to_empty_s.value == pytest.approx(1000 / 1.5 * (9.8**1.5 - 1))


def test_what_was_lost_is_no_longer_to_be_lost():
    vessel = model(long_exponent="1")
    now = state(98e3)  # 5 L are out
    left = vessel.time_left(now, vessel.inventory(now), Measured(692.0 * 5e-6, 0.0))
    assert left.to_empty_s.value == pytest.approx(2000 / 1.5 * (4.9**1.5 - 1))


def test_a_hole_is_found_again_from_its_flow():
    flow = 0.61 * math.pi / 4 * 0.8e-3**2 * math.sqrt(2 * 196e3 / 692)
    vessel, now = model(cd="0.61"), state(196e3)
    hole = vessel.hole(now, vessel.inventory(now), Measured(flow * 692.0, 0.0))
    assert hole.value == pytest.approx(0.8e-3)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"exponent": "0.9"}, "exponent"),
        ({"long_exponent": "1.8"}, "long_exponent"),
        ({"exchange": ["5 min", "10 s"]}, "exchange"),
        ({"exchange": ["0 s", "10 s"]}, "exchange"),
        ({"cd": "0"}, "cd"),
        ({"reference_pressure": "0 Pa absolute"}, "reference_pressure"),
        ({"zero_leak": "5 sccm"}, "zero_leak"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(keys, names):
    with pytest.raises(ValueError, match=names):
        model(**keys)


def test_a_gas_volume_that_is_wrong_is_wrong_in_what_was_lost_as_well():
    vessel = model(cd="0.7", long_exponent="1", gas_volume="5 L +/- 10 %")
    now = state(196e3 / 6)  # 25 L +/- 2.5 L are out: 19 L left, or 16.5 L
    left = vessel.time_left(now, vessel.inventory(now), Measured(5e-3, 0.0)).to_empty_s

    def seconds(gas, lost):  # the flow is read off the gas, too
        flow = 5e-3 / 692 * gas / 30e-3
        return ((gas + 44e-3 - lost) ** 1.5 - gas**1.5) / (1.5 * flow * math.sqrt(gas))

    assert left.value == pytest.approx(seconds(30e-3, 25e-3))
    assert left.sigma == pytest.approx(seconds(30e-3, 25e-3) - seconds(33e-3, 27.5e-3), rel=1e-6)


def test_the_flow_falls_with_the_inventory_as_torricelli_says():
    def flux(pressure, outside):
        return math.sqrt(pressure - outside)

    for outside in (0.0, 90e3):
        vessel = model(long_exponent="1", outside=f"{outside} Pa absolute")
        high, low = (vessel.inventory(state(p)) for p in (120.1e3, 119.9e3))
        fell = math.log(flux(120.1e3, outside) / flux(119.9e3, outside))
        assert vessel.inventory(state(120e3)).fading_per_kg == pytest.approx(
            fell / (high.kg - low.kg), rel=1e-4
        )


def test_a_zero_leak_of_liquid_is_a_mass_or_a_volume_rate():
    assert model(zero_leak="86.4 mL/day").zero_leak_kg_per_s == pytest.approx(692e-9)
    assert model(zero_leak="3.6 g/h").zero_leak_kg_per_s == pytest.approx(1e-6)
