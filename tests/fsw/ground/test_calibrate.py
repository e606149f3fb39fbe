"""What is learned from a simulated healthy vessel is what was simulated, within the errors that are stated."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.signal import lfilter

from fsw.ground.calibrate import calibrate
from fsw.ground.lagged import low_pass
from fsw.ground.series import Declared, NotHealthyError, Series
from fsw.leak.thermal import Thermal

STEP_S = 0.1
NOISE_KG, KG_PER_K, LEAK_KG_PER_S = 1e-6, 1e-4, 1e-9
SENSOR_K = 0.01
DECLARED = Declared(2 * NOISE_KG, KG_PER_K, Thermal(), 0.0, 6e5)


def vessel(seed, size=5000, phi=0.0, wrong_beta=0.0, lag_s=0.0, amplitude_k=2.0, period_s=200.0):
    """A vessel of which the model believes that it has its sensor's temperature. In truth it follows with `lag_s`,
    and a kelvin changes what the model makes of it by `wrong_beta` more."""
    random = np.random.default_rng(seed)
    time_s = np.arange(size) * STEP_S
    turns = 2 * np.pi * time_s / period_s
    sensor = 293 + amplitude_k * np.sin(turns + random.uniform(0, 6.28))
    sensor += (
        amplitude_k / 3 * np.sin(2.7 * turns + random.uniform(0, 6.28))
    )  # one sine alone would hide its lag
    fluid = sensor
    if lag_s:
        kept = math.exp(-STEP_S / lag_s)
        fluid = lfilter([1 - kept], [1, -kept], np.concatenate([np.full(20000, sensor[0]), sensor]))[20000:]
    white = random.standard_normal(size) * math.sqrt(1 - phi * phi)
    read = sensor + SENSOR_K * random.standard_normal(size)
    kg = 0.03 - LEAK_KG_PER_S * time_s + NOISE_KG * lfilter([1], [1, -phi], white)
    kg += (KG_PER_K + wrong_beta) * (fluid - 293) - KG_PER_K * (read - 293)
    return Series(time_s, kg, read, np.zeros(size, int))


def covered(truth, value, sigma):
    return abs(value - truth) <= 1.96 * sigma


@pytest.mark.parametrize(("phi", "lag_s"), [(0.0, 0.0), (0.2, 30.0), (0.5, 0.0)])
def test_the_95_percent_intervals_hold_the_truth_in_90_of_100_cases(phi, lag_s):
    runs, wrong_beta = 40, 2e-6
    thermal = zero = noise = 0
    for seed in range(runs):
        found = calibrate(vessel(seed, phi=phi, wrong_beta=wrong_beta, lag_s=lag_s), DECLARED)
        thermal += covered(wrong_beta, found.kg_per_k + found.kg_per_k_now, found.kg_per_k_sigma)
        zero += covered(LEAK_KG_PER_S, found.zero_leak.value, found.zero_leak.sigma)
        # Where the fluid's temperature is known better than its sensor tells, the sensor's noise is gone too.
        sensor_kg = 0.0 if found.kg_per_k_now else SENSOR_K * KG_PER_K
        slow = math.sqrt(NOISE_KG**2 * (1 + phi) / (1 - phi) + sensor_kg**2)
        if not lag_s and not phi:
            long_run = found.noise * DECLARED.noise_kg * math.sqrt((1 + found.phi) / (1 - found.phi))
            noise += covered(slow, long_run, found.noise_error * long_run)
    assert thermal >= 0.9 * runs
    assert zero >= 0.9 * runs
    assert noise >= 0.9 * runs or lag_s or phi  # white noise on top of AR(1) is no AR(1)


@pytest.mark.parametrize("phi", [0.0, 0.2, 0.5])
def test_noise_and_correlation_are_what_they_were(phi):
    quiet = dataclasses.replace(vessel(1, size=40_000, phi=phi, amplitude_k=0.0))
    steady = np.full(40_000, 293.0)
    kg = quiet.kg + KG_PER_K * (quiet.temperature_k - 293)  # without the sensor's noise
    found = calibrate(Series(quiet.time_s, kg, steady, quiet.level), DECLARED)
    assert found.noise == pytest.approx(0.5, rel=0.03)  # twice as much was declared
    assert found.phi == pytest.approx(phi, abs=0.03)
    expected = NOISE_KG * math.sqrt((1 + phi) / (1 - phi))
    long_run = found.noise * DECLARED.noise_kg * math.sqrt((1 + found.phi) / (1 - found.phi))
    assert covered(expected, long_run, found.noise_error * long_run)


def test_a_fluid_that_follows_its_sensor_is_found_out_with_its_lag():
    found = calibrate(vessel(3, size=12_000, lag_s=30.0), DECLARED)
    assert found.lag_s == pytest.approx(30.0, rel=0.05)
    assert found.kg_per_k == pytest.approx(KG_PER_K, rel=0.05)
    assert found.kg_per_k_now == pytest.approx(-KG_PER_K, rel=0.05)
    series = vessel(4, size=12_000, lag_s=30.0)  # another day
    lagged = low_pass(series.time_s, series.temperature_k, found.lag_s)
    left = series.kg - [found.thermal_kg(*each) for each in zip(series.temperature_k, lagged, strict=True)]
    assert np.std(left[3000:]) < 0.05 * np.std(series.kg[3000:])


def test_a_bend_of_the_temperature_in_a_short_recording_is_not_taken_for_a_leak():
    held = 0
    for seed in range(10):
        found = calibrate(vessel(seed, lag_s=40.0, period_s=4000.0, size=6000), DECLARED)
        held += covered(LEAK_KG_PER_S, found.zero_leak.value, found.zero_leak.sigma)
    assert held >= 8  # of 10: such a recording is too short for its temperature


def test_a_temperature_that_never_moved_says_nothing_and_undoes_nothing():
    found = calibrate(vessel(5, amplitude_k=0.0), DECLARED)
    assert (found.kg_per_k, found.kg_per_k_now) == (0.0, 0.0)
    assert found.kg_per_k_bound == pytest.approx(DECLARED.thermal.mismatch * KG_PER_K)
    assert any("it moved only 0.0" in note for note in found.notes)


def test_a_sensitivity_that_is_none_is_none_with_an_error_far_below_what_is_declared():
    found = calibrate(vessel(6), DECLARED)
    assert found.kg_per_k == found.kg_per_k_now == 0.0
    assert 0 < found.kg_per_k_bound < 0.01 * DECLARED.thermal.mismatch * KG_PER_K


def test_a_short_recording_leaves_lasting_and_passing_changes_as_declared():
    found = calibrate(vessel(7, size=3000), DECLARED)
    assert found.drift_kg_per_s == pytest.approx(KG_PER_K / 3600)  # 1 K/h
    assert found.swing_kg == pytest.approx(0.1 * KG_PER_K)  # 0.1 K/min for 60 s
    assert len(found.notes) >= 2


def hours(seed, size=40_000, **more):
    """Four hours at 2.8 Hz."""
    series = vessel(seed, size=size, **more)
    return dataclasses.replace(series, time_s=series.time_s * 3.6)


def test_a_slow_wander_is_in_the_bound_of_lasting_slopes():
    series = hours(8)
    quiet = calibrate(series, DECLARED)
    amplitude, period_s = 20e-6, 3 * 3600.0
    wander = amplitude * np.sin(2 * np.pi * series.time_s / period_s)
    found = calibrate(dataclasses.replace(series, kg=series.kg + wander), DECLARED)
    steepest = amplitude * 2 * np.pi / period_s
    assert quiet.drift_kg_per_s < 0.1 * steepest
    # A straight line over half an hour loses 3 % of the steepest part of a sine of three hours.
    assert 0.9 * steepest < found.drift_kg_per_s < 1.5 * steepest


def test_a_passing_cloud_is_in_the_bound_of_swings():
    series = hours(9)
    cloud = 10e-6 * np.exp(-(((series.time_s - 7000.0) / 200.0) ** 2))
    found = calibrate(dataclasses.replace(series, kg=series.kg + cloud), DECLARED)
    assert calibrate(series, DECLARED).swing_kg < 1e-6
    assert 4e-6 < found.swing_kg < 11e-6


def test_a_refill_that_was_marked_is_cut_out_and_one_that_was_not_is_refused():
    series = vessel(10, size=12_000)
    filled = dataclasses.replace(series, kg=series.kg + 1e-3 * (series.time_s >= 600.0))
    with pytest.raises(NotHealthyError, match=r"a step of 0\.001 kg: mark it") as caught:
        calibrate(filled, DECLARED)
    assert caught.value.at_s == pytest.approx(600.0, abs=1.0)
    rest = (series.time_s < 590.0) | (series.time_s > 660.0)
    marked = Series(*(each[rest] for each in (filled.time_s, filled.kg, filled.temperature_k)), np.zeros(1))
    marked = dataclasses.replace(marked, level=(marked.time_s > 600.0).astype(int))
    found = calibrate(marked, DECLARED)
    assert covered(LEAK_KG_PER_S, found.zero_leak.value, found.zero_leak.sigma)


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (slice(0, 1500), "1500 good inventories; it takes 2112"),
        (np.arange(12_000) % 300 < 100, "66% of its inventories are missing"),
    ],
)
def test_too_little_is_refused(kept, text):
    series = vessel(11, size=12_000)
    with pytest.raises(NotHealthyError, match=text):
        calibrate(Series(*(getattr(series, name)[kept] for name in Series.__slots__)), DECLARED)


def test_a_dead_instrument_is_refused():
    series = vessel(12)
    dead = dataclasses.replace(series, kg=np.full(5000, 0.03), temperature_k=np.full(5000, 293.0))
    with pytest.raises(NotHealthyError, match="does not change by a bit"):
        calibrate(dead, DECLARED)


def test_a_vessel_that_loses_more_than_its_zero_leak_is_told():
    found = calibrate(vessel(13, size=12_000), dataclasses.replace(DECLARED, zero_leak_kg_per_s=1e-10))
    assert any("loses more than the zero_leak" in note for note in found.notes)


def test_the_low_pass_takes_steps_as_physics_says():
    time_s = np.cumsum(np.random.default_rng(1).uniform(0.01, 1.0, 2000))
    step = (np.arange(2000) >= 500).astype(float)
    since = time_s[500:] - time_s[499]
    assert low_pass(time_s, step, 30.0)[500:] == pytest.approx(1 - np.exp(-since / 30.0), abs=1e-9)
