"""A vessel through its table: what it writes, how far it can be trusted, and that blindness is never health."""

import math

import numpy as np
import pytest

from fsw.leak import accumulator, gas
from fsw.leak.calibration import Calibration
from fsw.leak.state import Finding
from fsw.occurrence import Kind
from fsw.sample import Quality

from .plant import CABIN, GOOD, MS22, NS, Rig

UNCERTAIN, BAD, STALE = int(Quality.UNCERTAIN), int(Quality.BAD), int(Quality.STALE)
LEAK_ROWS = ("leak_rate", "onset", "hole", "time_to_limit", "decay")
LEARNED_S = 240.0  # 2100 samples, and some
KG_PER_PA = 916 / (287.05 * 295)  # of the cabin: V M / (R T)
UNMEASURED = {key: value for key, value in CABIN.items() if key != "temperature"} | {
    "assumed_temperature": "295 K +/- 5 K"
}


def quiet(rig, seconds, start_s=0.0, seed=1, quality=GOOD, pa=lambda t: 0.0, kelvin=lambda t: 295.0):
    """A cabin at one atmosphere, `pa` more; the time after it."""
    rng = np.random.default_rng(seed)
    for i in range(int(seconds * 10)):
        t, warm = i / 10, kelvin(i / 10)
        pressure = (101_325 + pa(t)) * warm / 295
        rig.feed(start_s + t, pressure + rng.normal(0, 100), warm + rng.normal(0, 0.02), quality)
    return start_s + seconds


def events(rig):
    return [each for each in rig.vessel.take_occurrences() if each.kind is not Kind.NOISE_KNOWN]


def test_too_few_samples_cannot_tell():
    rig = Rig(gas, CABIN)
    quiet(rig, 0.7)
    assert rig.read("inventory").quality == GOOD
    assert rig.read("leak_certainty")[:1] == (0.0,)
    assert rig.read("leak_certainty").quality == UNCERTAIN
    assert rig.finding is Finding.LEARNING
    for name in LEAK_ROWS:
        assert math.isnan(rig.read(name).value)
        assert rig.read(name).quality == UNCERTAIN


def test_as_long_as_the_noise_is_not_known_that_there_is_no_leak_cannot_be_told():
    rig = Rig(gas, CABIN)
    quiet(rig, 60.0)
    assert rig.finding is Finding.LEARNING
    for name in ("verdict", "leak_certainty", "leak_rate", "hole", "time_to_limit"):
        assert rig.read(name).quality == UNCERTAIN
    assert rig.read("leak_certainty").value < 1
    assert abs(rig.read("leak_rate").value) < 3 * rig.read("leak_rate").sigma


def test_a_gross_leak_is_one_also_before_the_noise_is_known():
    rig = Rig(gas, CABIN)
    quiet(rig, 60.0, pa=lambda t: -50 * max(t - 30, 0))
    assert rig.finding is Finding.LEAK
    assert rig.read("leak_rate").quality == GOOD


def test_a_tight_vessel_has_for_ever_and_a_hole_of_at_most_so_much():
    rig = Rig(gas, CABIN)
    quiet(rig, LEARNED_S)
    assert rig.finding is Finding.NO_LEAK
    assert [each.kind for each in rig.vessel.take_occurrences()] == [Kind.NOISE_KNOWN]
    assert rig.read("inventory").value == pytest.approx(101_325 * 916 / (287.05 * 295), rel=2e-3)
    assert rig.read("leak_certainty").value < 1
    assert rig.read("leak_certainty").quality == GOOD
    assert rig.read("time_to_limit").value == 1e9
    assert rig.read("time_to_limit").quality == GOOD
    hole = rig.read("hole")
    assert hole.quality == GOOD
    assert hole.value + 3 * hole.sigma > 0
    assert rig.read("onset").quality == UNCERTAIN


def test_one_bad_sample_is_no_verdict_and_three_in_a_row_are_blindness():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 10.0)
    before = rig.read("leak_rate")
    rig.feed(t, math.nan, 295.0, BAD)
    assert rig.read("inventory").quality == BAD
    assert rig.read("leak_rate") == before
    rig.feed(t + 0.1, math.nan, 295.0, BAD)
    rig.feed(t + 0.2, math.nan, 295.0, BAD)
    for name in (*LEAK_ROWS, "inventory", "leak_certainty"):
        assert math.isnan(rig.read(name).value)
        assert rig.read(name).quality == BAD


def test_a_stale_input_is_blindness_at_once_and_recovery_begins_anew():
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    rig.table.quality[1] = STALE
    rig.vessel.step(round(t * NS), rig.table)
    assert rig.read("leak_certainty").quality == BAD
    assert rig.finding is Finding.BLIND
    quiet(rig, 0.7, start_s=t + 1)
    assert rig.finding is Finding.LEARNING
    assert rig.read("leak_certainty").quality == UNCERTAIN
    quiet(rig, 5.0, start_s=t + 2)
    assert rig.finding is Finding.NO_LEAK  # the noise is the same as before
    assert rig.read("leak_certainty").quality == GOOD


def test_uncertain_samples_are_no_evidence():
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    before = rig.read("leak_rate")
    t = quiet(rig, 5.0, start_s=t, quality=UNCERTAIN)
    assert rig.read("leak_rate") == before
    assert rig.read("inventory").quality == UNCERTAIN
    quiet(rig, 6.0, start_s=t, quality=UNCERTAIN)
    assert math.isnan(rig.read("leak_rate").value)
    assert rig.read("leak_rate").quality == UNCERTAIN
    assert rig.finding is Finding.UNCERTAIN_INPUT


def test_where_the_data_came_from_is_carried_along():
    rig = Rig(gas, CABIN)
    quiet(rig, 10.0, quality=GOOD | int(Quality.SIM))
    assert {rig.read(name).quality & int(Quality.SIM) for name in LEAK_ROWS} == {int(Quality.SIM)}


def test_a_vessel_judges_each_sample_once():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 10.0)
    before = rig.read("leak_certainty")
    rig.table.value[0] = 1.0  # without a new time this is no new sample
    rig.vessel.step(round(t * NS) + 5, rig.table)
    assert rig.read("leak_certainty") == before


def test_a_stuck_pressure_in_a_warming_loop_is_not_a_leak():
    rig = Rig(accumulator, MS22)
    rng = np.random.default_rng(2)
    certain = []
    for i in range(6000):
        warmer = 0.011 * max(i - 600, 0) / 10  # K: as fast as an orbit warms it
        pressure = 196e3 + (rng.normal(0, 100) if i < 600 else 0.0)
        certain.append(rig.feed(i / 10, pressure, 293 + warmer + rng.normal(0, 0.02)))
    assert not any(certain)
    assert rig.finding is Finding.FLAT
    assert rig.read("leak_rate").quality == UNCERTAIN


def test_a_temperature_asked_once_a_second_is_not_taken_for_ten():
    """Ten inventories share its noise: 0.05 K of 1.2e-3/K * 30.4 kg are 1.83 g, which count sqrt(10) times."""
    noise_kg = []
    for every in (1, 10):
        rig = Rig(accumulator, MS22, noise_pa=1.0, noise_k=0.05)
        rng = np.random.default_rng(3)
        for i in range(300):
            time_ns = round(i / 10 * NS) + 1
            rig.table.write(0, 196e3 + rng.normal(0, 1), 1.0, time_ns, GOOD)
            if i % every == 0:
                rig.table.write(1, 293 + rng.normal(0, 0.05), 0.05, time_ns, GOOD)
            rig.vessel.step(time_ns, rig.table)
        noise_kg.append(rig.detector.sigma_kg)
    assert noise_kg[0] == pytest.approx(2 * 1.83e-3, rel=0.02)  # twice, as long as it is only declared
    assert noise_kg[1] == pytest.approx(math.sqrt(10) * noise_kg[0], rel=0.02)


def test_a_suspended_vessel_tells_its_inventory_and_no_leak_and_begins_anew():
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    rig.vessel.suspend(round(t * NS))
    for i in range(300):  # vented: a third of what there is
        rig.feed(t + i / 10, 101_325 - 100 * i, 295)
    t += 30
    assert rig.read("inventory").quality == GOOD
    assert rig.read("inventory").value == pytest.approx((101_325 - 29_900) * 916 / (287.05 * 295), rel=2e-2)
    for name in (*LEAK_ROWS, "leak_certainty"):
        assert rig.read(name).quality == UNCERTAIN
    assert rig.finding is Finding.SUSPENDED
    rig.vessel.resume(round(t * NS))
    rng = np.random.default_rng(2)
    for i in range(600):
        rig.feed(t + i / 10, 71_425 + rng.normal(0, 100), 295 + rng.normal(0, 0.02))
    assert rig.finding is Finding.TRANSIENT  # its temperature settles, as after a start
    assert rig.read("leak_certainty").quality == GOOD
    assert rig.read("leak_certainty").value < 1
    (vented,) = events(rig)
    assert vented.kind is Kind.FALL
    assert vented.kg == pytest.approx(29_900 * KG_PER_PA, rel=0.02)


def test_a_suspended_vessel_without_its_instruments_is_blind():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 10.0)
    rig.vessel.suspend(round(t * NS))
    rig.table.quality[1] = STALE
    rig.vessel.step(round(t * NS), rig.table)
    assert rig.read("leak_certainty").quality == BAD
    assert rig.finding is Finding.BLIND


# What is found


FALL_PA_S = 5.0


def leaking(**keys):
    """Tight for four minutes, then a fall of 5 Pa/s for five."""
    rig = Rig(gas, CABIN | keys)
    quiet(rig, LEARNED_S + 300, pa=lambda t: -FALL_PA_S * max(t - LEARNED_S, 0))
    return rig


def test_a_leak_is_told_in_kg_per_second_and_as_a_fall_of_pressure():
    """rate R T / (V M): volume and gas, and what is not known of them, cancel in the second."""
    rig = leaking(volume="916 m^3 +/- 10 %")
    assert rig.finding is Finding.LEAK
    rate, decay = rig.read("leak_rate"), rig.read("decay")
    assert abs(rate.value - FALL_PA_S * KG_PER_PA) < 2 * rate.sigma
    assert rate.sigma > 0.1 * FALL_PA_S * KG_PER_PA
    assert decay.value == pytest.approx(rate.value * 8.314462618 * 295 / (916 * 28.96546e-3), rel=2e-3)
    assert abs(decay.value - FALL_PA_S) < 3 * decay.sigma
    assert decay.sigma < 0.05 * FALL_PA_S
    assert rig.read("onset").value == pytest.approx(300, abs=20)
    for name in LEAK_ROWS:
        assert rig.read(name).quality == GOOD
    assert not events(rig)


def test_a_leak_surely_above_its_limit_is_said_to_be():
    limit = FALL_PA_S * KG_PER_PA
    assert leaking(leak_limit=f"{0.8 * limit} kg/s").finding is Finding.EXCEEDED
    assert leaking(leak_limit=f"{1.2 * limit} kg/s").finding is Finding.LEAK
    # The volume, and the rate with it, may be 20 % less.
    assert leaking(leak_limit=f"{0.8 * limit} kg/s", volume="916 m^3 +/- 20 %").finding is Finding.LEAK


def test_a_leak_up_to_the_zero_leak_is_none():
    assert leaking(zero_leak=f"{1.1 * FALL_PA_S * KG_PER_PA} kg/s").finding is Finding.NO_LEAK


def test_what_may_hide_behind_temperatures_on_the_move_is_said_to():
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    assert rig.finding is Finding.NO_LEAK
    # 18 K/h of mismatch; in a minute at rest 1 K/h and 1.5 times 0.1 K
    quiet(rig, 300.0, start_s=t, kelvin=lambda t: 295 + t / 20)
    assert rig.finding is Finding.TRANSIENT
    assert rig.read("leak_rate").quality == GOOD
    # as a bound of 10 % of 3 K/min: its spread is the error
    assert rig.read("leak_rate").sigma > 0.9 * 0.1 / 20 / math.sqrt(3) * 101_325 * KG_PER_PA / 295


def test_without_a_temperature_a_small_slope_is_undetermined_and_a_gross_leak_is_found():
    rig = Rig(gas, UNMEASURED)
    t = quiet(rig, LEARNED_S)
    assert rig.finding is Finding.NO_TEMPERATURE
    assert rig.read("leak_certainty").quality == UNCERTAIN
    # The air cools by 1 K/min, and 2 are allowed for: 5.7 Pa/s
    t = quiet(rig, 300.0, start_s=t, pa=lambda t: -5.7 * t)
    assert rig.finding is Finding.NO_TEMPERATURE
    assert rig.read("leak_certainty").value < 1
    assert rig.read("leak_rate").quality == UNCERTAIN
    quiet(rig, 60.0, start_s=t, pa=lambda t: -5.7 * 300 - 50 * t)
    assert rig.finding is Finding.LEAK
    assert rig.read("leak_rate").quality == GOOD
    # 5 K of 295 are 1.7 % of any amount
    assert rig.read("inventory").sigma == pytest.approx(5 / 295 * rig.read("inventory").value, rel=0.02)


# What happens


@pytest.mark.parametrize("takes_s", [0.1, 5.0, 30.0])
def test_a_refill_is_one_event_with_its_amount_and_no_leak(takes_s):
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    events(rig)
    more = 10_000.0
    certain = False
    rng = np.random.default_rng(3)
    for i in range(1200):
        pressure = 101_325 + more * min(i / 10 / takes_s, 1.0)
        certain |= rig.feed(t + i / 10, pressure + rng.normal(0, 100), 295 + rng.normal(0, 0.02))
    assert not certain
    (refill,) = events(rig)
    assert refill.kind is Kind.RISE
    assert refill.row == rig.rows["inventory"]
    assert refill.kg == pytest.approx(more * KG_PER_PA, rel=0.05)
    assert refill.began_ns / NS == pytest.approx(t, abs=0.2 + 0.1 * takes_s)


def test_a_vent_is_one_event_with_its_amount_and_no_leak():
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    events(rig)
    rng = np.random.default_rng(4)
    certain = False
    for i in range(1200):
        certain |= rig.feed(t + i / 10, 91_325 + rng.normal(0, 100), 295 + rng.normal(0, 0.02))
    assert not certain
    (vent,) = events(rig)
    assert vent.kind is Kind.FALL
    assert vent.kg == pytest.approx(10_000 * KG_PER_PA, rel=0.05)


def test_gas_that_cools_after_a_refill_is_no_leak():
    """Compressed by 10 %, a diatomic gas is 0.286 times as much warmer; half of the heat is in the wall after 30 s."""
    rig = Rig(gas, CABIN)
    t = quiet(rig, LEARNED_S)
    rng = np.random.default_rng(5)
    for i in range(6000):
        warm = 0.25 * 10_000 * math.exp(-i / 10 / 40)  # the sensor, at the wall, does not see it
        pressure = 101_325 + 10_000 + warm
        assert not rig.feed(t + i / 10, pressure + rng.normal(0, 100), 295 + rng.normal(0, 0.02)), i


# Calibrated


RESIDUAL_KG_PER_K = (
    0.5 * 101_325 * KG_PER_PA / 295
)  # half of what a change of temperature makes of the inventory
LOSES_PA_S = 0.5
CALIBRATION = Calibration(
    samples=100_000,
    interval_s=0.1,
    noise=1.0,
    phi=0.0,
    noise_error=0.01,
    kg_per_k=RESIDUAL_KG_PER_K,
    kg_per_k_sigma=0.01 * RESIDUAL_KG_PER_K,
    lag_s=120.0,
    reference_k=295.0,
    temperature_span_k=10.0,
    zero_leak_kg_per_s=LOSES_PA_S * KG_PER_PA,
    zero_leak_sigma_kg_per_s=0.01 * LOSES_PA_S * KG_PER_PA,
)


def cycle(rig, seconds, more_pa_s=0.0, from_s=0.0):
    """5 K up and down in 20 minutes, which leave their residual two minutes late; a healthy loss, and a leak."""
    rng, late = np.random.default_rng(6), None
    certain = []
    for i in range(int(seconds * 10)):
        t = i / 10
        warm = 295 + 5 * math.sin(2 * math.pi * t / 1200)
        late = warm if late is None else late + (warm - late) * -math.expm1(-0.1 / 120)
        kg = 101_325 * KG_PER_PA + RESIDUAL_KG_PER_K * (late - 295)
        kg -= KG_PER_PA * (LOSES_PA_S * t + more_pa_s * max(t - from_s, 0))
        pressure = kg * 287.05 * warm / 916
        certain.append(rig.feed(t, pressure + rng.normal(0, 100), warm + rng.normal(0, 0.02)))
    return certain


def test_a_calibrated_vessel_subtracts_what_temperature_leaves_and_expects_its_loss():
    rig = Rig(gas, CABIN, calibration=CALIBRATION)
    assert not any(cycle(rig, 2400))
    assert rig.finding in (Finding.NO_LEAK, Finding.TRANSIENT)
    rate = rig.read("leak_rate")
    assert abs(rate.value - LOSES_PA_S * KG_PER_PA) < 3 * rate.sigma
    assert rig.read("inventory").value > 0.9 * 101_325 * KG_PER_PA  # nothing is subtracted from what is in it


def test_a_calibrated_vessel_finds_a_leak_through_its_cycle():
    rig = Rig(gas, CABIN, calibration=CALIBRATION)
    certain = cycle(rig, 2400, more_pa_s=5.0, from_s=1800)
    assert not any(certain[:18_000])
    assert certain[-1]
    rate = rig.read("leak_rate")
    assert abs(rate.value - (5.0 + LOSES_PA_S) * KG_PER_PA) < 3 * rate.sigma


def test_without_a_calibration_the_cycle_may_hide_the_same_leak():
    rig = Rig(gas, CABIN)
    assert not any(cycle(rig, 2100, more_pa_s=5.0, from_s=1800))
    assert rig.finding is Finding.TRANSIENT
