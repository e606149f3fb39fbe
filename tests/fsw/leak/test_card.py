"""The detection card: what it states is what the detector does."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from fsw._core import ffi, lib
from fsw.leak.calibration import Calibration
from fsw.leak.card import Basis, card, information

STEP_NS = 100_000_000
NOISE_ONLY = Basis(1.0, 0.0, 0.1, 1e5, 0.0, 0.0, 0.0)


def detected(rate_per_s, phi, wait, runs, false_alarm_s, allowed_per_s=0.0):
    """The share of leaks that the detector finds within `wait` samples, after 20 000 of baseline."""
    random, before = np.random.default_rng(1), 20_000
    settings = {"interval_ns": STEP_NS, "sigma": 1.0, "phi": phi, "memory": 1e4, "levels": 12}
    settings["threshold"] = lib.ull_detector_threshold(false_alarm_s / 0.1)
    settings["allowed_per_s"] = allowed_per_s
    detector = ffi.new("ull_detector *")
    assert lib.ull_detector_init(detector, ffi.new("ull_detector_settings *", settings)) == lib.ULL_OK
    time_ns = np.arange(before + wait) * STEP_NS
    fall = np.concatenate([np.zeros(before), np.arange(1, wait + 1) * 0.1 * rate_per_s])
    fall += allowed_per_s * 0.1 * np.arange(before + wait)
    certainty, found = np.empty(len(time_ns)), 0
    for _ in range(runs):
        lib.ull_detector_restart(detector)
        white = random.standard_normal(len(time_ns)) * math.sqrt(1 - phi * phi)
        value = lfilter([1.0], [1.0, -phi], white) - fall
        arrays = ffi.from_buffer("int64_t[]", time_ns), ffi.from_buffer("double[]", value)
        lib.ull_detector_run(detector, *arrays, len(value), ffi.from_buffer("double[]", certainty))
        found += bool(certainty[before:].max() >= 1.0)
    return found / runs


@pytest.mark.parametrize(("phi", "wait"), [(0.0, 600), (0.5, 100)])
def test_95_of_100_leaks_of_the_stated_size_are_found_in_the_stated_time(phi, wait):
    basis = Basis(1.0, phi, 0.1, 1e5, 0.0, 0.0, 0.0)
    rate = card(basis, [wait * 0.1])[0].rate_kg_per_s
    assert 0.935 <= detected(rate, phi, wait, 300, basis.false_alarm_s) <= 0.995
    assert detected(0.85 * rate, phi, wait, 300, basis.false_alarm_s) < 0.93


def test_what_is_allowed_comes_on_top():
    quiet = card(NOISE_ONLY, [60.0])[0]
    basis = Basis(1.0, 0.0, 0.1, 1e5, 0.5, 0.25, 0.0)
    seen = card(basis, [60.0])[0]
    # And besides, the baseline must be short, since it may drift: worse by some, not by much.
    assert quiet.rate_kg_per_s + 0.75 < seen.rate_kg_per_s < 1.1 * (quiet.rate_kg_per_s + 0.75)
    assert seen.limit == "zero leak"


def test_a_passing_change_matters_less_the_longer_one_waits():
    basis = Basis(1e-9, 0.0, 0.1, 1e5, 0.0, 0.0, swing_kg=6.0, passing_kg_per_s=0.5)
    short, minute, hour = card(basis, [5.0, 60.0, 3600.0])
    # Half as much again of the mean slope, and at first the level of the baseline may be off by the swing.
    assert short.rate_kg_per_s > 1.5 * 0.5
    assert 1.5 * 6 / 60 <= minute.rate_kg_per_s < 0.5 * short.rate_kg_per_s
    assert 1.5 * 6 / 3600 < hour.rate_kg_per_s < 2 * 1.5 * 6 / 3600
    assert hour.limit == "temperature"


def test_longer_waiting_never_sees_less_and_fewer_false_alarms_cost_sight():
    waits = (1.0, 2.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)
    rates = [seen.rate_kg_per_s for seen in card(NOISE_ONLY, waits)]
    assert rates == sorted(rates, reverse=True)
    rarer = card(Basis(1.0, 0.0, 0.1, 1e8, 0.0, 0.0, 0.0), waits)
    assert all(after.rate_kg_per_s > before for after, before in zip(rarer, rates, strict=True))


def test_in_less_than_eight_samples_nothing_can_be_found():
    seen = card(NOISE_ONLY, [0.7])[0]
    assert math.isnan(seen.rate_kg_per_s)
    assert seen.limit == ""


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_the_information_is_that_of_generalised_least_squares(phi):
    lag, baseline = 40, 400
    size = lag + baseline
    place = np.arange(size)
    covariance = phi ** np.abs(place[:, None] - place[None, :])
    ramp = np.maximum(place - baseline + 1, 0)
    design = np.column_stack([np.ones(size), ramp])
    exact = 1 / np.linalg.inv(design.T @ np.linalg.solve(covariance, design))[1, 1]
    assert information(lag, phi, baseline) == pytest.approx(exact, rel=0.01)


def test_a_short_calibration_counts_as_noisier_than_it_found():
    found = Calibration(samples=3000, interval_s=0.1, noise=0.8, phi=0.25, noise_error=0.05)
    assert found.careful_noise == pytest.approx(0.8 * 1.08225)
    assert found.phi_over(0.2) == pytest.approx(0.0625)  # AR(1): phi to the power of the distance
