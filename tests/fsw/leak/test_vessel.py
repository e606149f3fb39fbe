"""A vessel through its table: what it writes, how far it can be trusted, and that blindness is never health."""

import math

import numpy as np
import pytest

from fsw.leak import accumulator, gas
from fsw.leak.thermal import Restlessness, Thermal
from fsw.sample import Quality

from .plant import CABIN, GOOD, MS22, NS, Rig

UNCERTAIN, BAD, STALE = int(Quality.UNCERTAIN), int(Quality.BAD), int(Quality.STALE)
LEAK_ROWS = ("leak_rate", "onset", "hole", "time_to_limit")


def quiet(rig, seconds, start_s=0.0, seed=1, quality=GOOD):
    rng = np.random.default_rng(seed)
    for i in range(int(seconds * 10)):
        rig.feed(start_s + i / 10, 101_325 + rng.normal(0, 100), 295 + rng.normal(0, 0.02), quality)
    return start_s + seconds


def test_too_few_samples_cannot_tell():
    rig = Rig(gas, CABIN)
    quiet(rig, 1.0)
    assert rig.read("inventory").quality == GOOD
    assert rig.read("leak_certainty")[:1] == (0.0,)
    assert rig.read("leak_certainty").quality == UNCERTAIN
    for name in LEAK_ROWS:
        assert math.isnan(rig.read(name).value)
        assert rig.read(name).quality == UNCERTAIN


def test_a_tight_vessel_has_for_ever_and_a_hole_of_at_most_so_much():
    rig = Rig(gas, CABIN)
    quiet(rig, 60.0)
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
    t = quiet(rig, 10.0)
    rig.table.quality[1] = STALE
    rig.vessel.step(round(t * NS), rig.table)
    assert rig.read("leak_certainty").quality == BAD
    quiet(rig, 1.0, start_s=t + 1)
    assert rig.read("leak_certainty").quality == UNCERTAIN
    quiet(rig, 5.0, start_s=t + 2)
    assert rig.read("leak_certainty").quality == GOOD


def test_uncertain_samples_are_no_evidence():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 10.0)
    before = rig.read("leak_rate")
    t = quiet(rig, 5.0, start_s=t, quality=UNCERTAIN)
    assert rig.read("leak_rate") == before
    assert rig.read("inventory").quality == UNCERTAIN
    quiet(rig, 6.0, start_s=t, quality=UNCERTAIN)
    assert math.isnan(rig.read("leak_rate").value)
    assert rig.read("leak_rate").quality == UNCERTAIN


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
    assert rig.read("leak_rate").quality == UNCERTAIN


def test_a_temperature_asked_once_a_second_is_not_taken_for_ten():
    rig = Rig(accumulator, MS22, noise_pa=1.0, noise_k=0.05)
    rng = np.random.default_rng(3)
    for i in range(300):
        time_ns = round(i / 10 * NS) + 1
        rig.table.write(0, 196e3 + rng.normal(0, 1), 1.0, time_ns, GOOD)
        if i % 10 == 0:
            rig.table.write(1, 293 + rng.normal(0, 0.05), 0.05, time_ns, GOOD)
        rig.vessel.step(time_ns, rig.table)
    # 16 s window, 0.05 K once a second of 1.2e-3/K * 30.4 kg: sqrt(12 * 1 s / 16^3) * 1.83 g, and 13.6 % of scale
    assert rig.read("leak_rate").sigma > 0.9 * 1.83e-3 * math.sqrt(12 / 16**3)


def test_restlessness_is_held_through_the_turning_points_of_a_cycle():
    restless = Restlessness()
    rng = np.random.default_rng(4)
    turning = []
    for i in range(0, 6000):  # one orbit of 92 min at 1 Hz: 10 K, at most 2 pi 10 / 5520 = 0.0114 K/s
        value = restless.push(i * NS + 1, 293 + 10 * math.sin(2 * math.pi * i / 5520) + rng.normal(0, 0.02))
        if abs(i % 2760 - 1380) < 60:
            turning.append(value)
    assert min(turning) > 0.7 * 0.0114
    assert max(turning) < 1.05 * 0.0114


def test_noise_is_not_restlessness():
    restless = Restlessness()
    rng = np.random.default_rng(5)
    values = [restless.push(i * NS // 10 + 1, 293 + rng.normal(0, 0.05)) for i in range(20_000)]
    assert max(values) < 0.1 / 3600


def test_a_falling_rate_of_change_is_refused():
    with pytest.raises(ValueError, match="out of bounds"):
        Thermal(fastest="-1 K/h")


def test_a_suspended_vessel_tells_its_inventory_and_no_leak_and_begins_anew():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 60.0)
    rig.vessel.suspend(round(t * NS))
    for i in range(300):  # vented: a third of what there is
        rig.feed(t + i / 10, 101_325 - 100 * i, 295)
    t += 30
    assert rig.read("inventory").quality == GOOD
    assert rig.read("inventory").value == pytest.approx((101_325 - 29_900) * 916 / (287.05 * 295), rel=2e-2)
    for name in (*LEAK_ROWS, "leak_certainty"):
        assert rig.read(name).quality == UNCERTAIN
    rig.vessel.resume(round(t * NS))
    rng = np.random.default_rng(2)
    for i in range(600):
        rig.feed(t + i / 10, 71_425 + rng.normal(0, 100), 295 + rng.normal(0, 0.02))
    assert rig.read("leak_certainty").quality == GOOD
    assert rig.read("leak_certainty").value < 1


def test_a_suspended_vessel_without_its_instruments_is_blind():
    rig = Rig(gas, CABIN)
    t = quiet(rig, 10.0)
    rig.vessel.suspend(round(t * NS))
    rig.table.quality[1] = STALE
    rig.vessel.step(round(t * NS), rig.table)
    assert rig.read("leak_certainty").quality == BAD
