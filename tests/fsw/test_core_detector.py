"""The leak detector of the C core: its intervals contain the truth, its false alarms come as rarely as stated."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import chi2

from fsw._core import ffi, lib

STEP_NS = 100_000_000


class Detector:
    def __init__(self, sigma=1.0, phi=0.0, interval=1e6, interval_ns=STEP_NS, **more):
        threshold = lib.ull_detector_threshold(interval)
        fields = {"interval_ns": interval_ns, "sigma": sigma, "phi": phi, "threshold": threshold}
        self.settings = ffi.new("ull_detector_settings *", fields | {"memory": 1e4, "levels": 12} | more)
        self.state = ffi.new("ull_detector *")
        assert lib.ull_detector_init(self.state, self.settings) == lib.ULL_OK

    def run(self, time_ns, values):
        certainty = np.empty(len(values))
        time_ns = np.ascontiguousarray(time_ns, np.int64)
        values = np.ascontiguousarray(values, np.float64)
        status = lib.ull_detector_run(
            self.state,
            ffi.from_buffer("int64_t[]", time_ns),
            ffi.from_buffer("double[]", values),
            values.size,
            ffi.from_buffer("double[]", certainty),
        )
        return status, certainty

    def verdict(self):
        verdict = ffi.new("ull_detector_verdict *")
        lib.ull_detector_result(self.state, verdict)
        return verdict


def noise(rng, phi, size):
    white = rng.standard_normal(size) * math.sqrt(1 - phi * phi)
    return lfilter([1.0], [1.0, -phi], white)


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_false_alarms_come_as_rarely_as_asked_for(phi):
    interval, watched, alarms = 1e4, 0, 0
    detector = Detector(phi=phi, interval=interval)
    rng = np.random.default_rng(42)
    while alarms < 150:
        lib.ull_detector_restart(detector.state)
        size = 60_000
        _, certainty = detector.run(np.arange(size) * STEP_NS, noise(rng, phi, size))
        first = int(np.argmax(certainty >= 1.0)) if certainty.max() >= 1.0 else size
        watched += first
        alarms += first < size
    low = 2 * watched / chi2.ppf(0.9995, 2 * alarms)
    high = 2 * watched / chi2.ppf(0.0005, 2 * alarms)
    assert low < interval * 1.25  # a baseline that is still young sees less
    assert high > interval / 1.2


@pytest.mark.parametrize(
    ("phi", "rate", "after", "efficiency"),
    [(0.0, 0.1, 60, 0.85), (0.0, 0.01, 600, 0.9), (0.0, 0.001, 600, 0.75), (0.5, 0.01, 900, 0.9)],
)
def test_rate_and_onset_are_as_sure_as_they_say_and_nearly_as_can_be(phi, rate, after, efficiency):
    """Cramer-Rao for the slope of a line of unknown onset: 12 S / n^3, S the long-run variance.

    Read at a fixed time, alarm or not. At 0.001 the leak is as old as 1.6 mean delays: no estimate attains the bound.
    """
    rng = np.random.default_rng(7)
    detector = Detector(phi=phi)
    rates, dates = [], []
    for _ in range(1000):
        lib.ull_detector_restart(detector.state)
        onset = int(rng.integers(2000, 4000))
        size = onset + after + 1
        leak = rate * np.maximum(np.arange(size) - onset, 0)
        detector.run(np.arange(size) * STEP_NS, 1e5 + noise(rng, phi, size) - leak)
        verdict = detector.verdict()
        rates.append((verdict.rate_per_s * 0.1 - rate, verdict.sigma_rate_per_s * 0.1))
        dates.append((verdict.onset_ns / STEP_NS - onset, verdict.sigma_onset_s / 0.1))
    for pairs in (np.array(rates), np.array(dates)):
        covered = np.mean(np.abs(pairs[:, 0]) < 1.96 * pairs[:, 1])
        assert 0.925 <= covered <= 0.975  # 3.6 standard errors of 1000 trials
    least = math.sqrt(12 * (1 + phi) / (1 - phi) / after**3)
    assert least / np.sqrt(np.mean(np.array(rates)[:, 0] ** 2)) > efficiency


@pytest.mark.parametrize("allowed_per_s", [0.0, 0.02])
def test_slopes_are_the_least_squares_lines_of_the_samples_since(allowed_per_s):
    rng = np.random.default_rng(4)
    time_ns = np.cumsum(rng.integers(STEP_NS // 2, 2 * STEP_NS, 6000)) + 10**18
    values = 300.0 + rng.standard_normal(6000) - 0.01 * np.maximum(np.arange(6000) - 5500, 0)
    detector = Detector(allowed_per_s=allowed_per_s)
    detector.run(time_ns, values)
    slopes = ffi.new("ull_detector_slope[]", lib.ULL_DETECTOR_VIEWS)
    count = lib.ull_detector_slopes(detector.state, slopes, lib.ULL_DETECTOR_VIEWS)
    assert [slopes[i].samples for i in range(count)] == sorted({slopes[i].samples for i in range(count)})
    assert slopes[0].samples < 12
    assert slopes[count - 1].samples == 5999
    for i in range(count):
        samples, span_s = slopes[i].samples, slopes[i].span_s
        assert span_s == pytest.approx((time_ns[-1] - time_ns[-1 - samples]) / 1e9)
        since_s = (time_ns[-samples:] - time_ns[-1]) / 1e9
        fit, covariance = np.polyfit(since_s, values[0] - values[-samples:], 1, cov="unscaled")
        assert slopes[i].rate_per_s == pytest.approx(fit[0], abs=1e-6)
        assert slopes[i].sigma_per_s == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-6)
        assert slopes[i].mean_fall == pytest.approx(np.polyval(fit, -span_s / 2), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    level=st.floats(-1e3, 1e3),
    interval_ns=st.integers(1_000_000, 10_000_000_000),
    start_ns=st.integers(-(2**60), 2**60),
    seed=st.integers(0, 2**32 - 1),
)
def test_units_level_and_clock_do_not_matter(scale, level, interval_ns, start_ns, seed):
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 5, 800)
    values = noise(rng, 0.3, 800) - 0.05 * np.maximum(np.arange(800) - 700, 0)
    _, plain = Detector(phi=0.3).run(np.cumsum(steps) * STEP_NS, values)
    other = Detector(sigma=scale, phi=0.3, interval_ns=interval_ns)
    _, same = other.run(start_ns + np.cumsum(steps) * interval_ns, scale * (values + level))
    assert same == pytest.approx(plain, rel=1e-6, abs=1e-6)


def test_a_gap_costs_no_alarm_and_hides_no_leak():
    rng = np.random.default_rng(3)
    time_ns = np.concatenate([np.arange(5000), 50_000 + np.arange(3000)]) * STEP_NS
    quiet = noise(rng, 0.5, 8000)
    _, certainty = Detector(phi=0.5).run(time_ns, quiet)
    assert certainty.max() < 1.0
    leak = 1e-3 * np.maximum(time_ns / STEP_NS - 20_000, 0)  # begins while nobody looks
    _, certainty = Detector(phi=0.5).run(time_ns, quiet - leak)
    assert certainty[5000:5050].max() >= 1.0


def test_a_rise_is_no_leak():
    values = np.random.default_rng(5).standard_normal(20_000) + 0.01 * np.arange(20_000)
    _, certainty = Detector().run(np.arange(20_000) * STEP_NS, values)
    assert certainty[100:].max() < 1.0


def test_whatever_comes_is_answered():
    rng = np.random.default_rng(9)
    detector = Detector()
    values = rng.choice([0.0, 1e300, -1e300, 1e-300, math.nan, math.inf, 5.0], 5000)
    status, certainty = detector.run(np.sort(rng.integers(-(2**62), 2**62, 5000)), values)
    assert status == lib.ULL_ARGUMENT
    assert np.isfinite(certainty).all()
    lib.ull_detector_restart(detector.state)
    _, certainty = detector.run(np.arange(5000) * STEP_NS, rng.standard_normal(5000))
    assert np.isfinite(certainty).all()


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_noise_is_learned_from_a_healthy_stretch_and_not_from_a_leak(phi):
    rng = np.random.default_rng(1)
    values = 40.0 * noise(rng, phi, 200_000) - 0.2 * np.maximum(np.arange(200_000) - 100_000, 0)
    state, estimate = ffi.new("ull_noise *"), ffi.new("ull_noise_estimate *")
    assert lib.ull_noise_init(state, 4000.0) == lib.ULL_OK
    assert lib.ull_noise_run(state, ffi.from_buffer("double[]", values), values.size) == lib.ULL_OK
    lib.ull_noise_result(state, estimate)
    assert estimate.sigma == pytest.approx(40.0, abs=4 * estimate.error_sigma + 0.1)
    assert estimate.phi == pytest.approx(phi, abs=4 * estimate.error_phi + 0.002)
    assert estimate.error_long_run < 0.01 * estimate.sigma_long_run
