"""The sliding slope of the C core against polyfit, and its standard errors against simulated noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw._core import ffi, lib

NS = 1_000_000_000


class Slope:
    def __init__(self, capacity, window_ns, sigma_min=0.0):
        self.ring = ffi.new("ull_slope_sample[]", capacity)
        self.state = ffi.new("ull_slope *")
        self.result = ffi.new("ull_slope_fit *")
        assert lib.ull_slope_init(self.state, self.ring, capacity, window_ns, sigma_min) == lib.ULL_OK

    def push(self, time_ns, value):
        return lib.ull_slope_push(self.state, int(time_ns), float(value))

    def fit(self):
        lib.ull_slope_result(self.state, self.result)
        return self.result


@settings(max_examples=200, deadline=None)
@given(
    steps_ms=st.lists(st.integers(1, 3000), min_size=4, max_size=80),
    seed=st.integers(0, 2**32 - 1),
    ramp=st.floats(-1000, 1000),
    window_ms=st.integers(2000, 60_000),
    capacity=st.integers(4, 100),
)
def test_slope_value_and_white_sigma_are_those_of_polyfit(steps_ms, seed, ramp, window_ms, capacity):
    noise = np.random.default_rng(seed).normal(0.0, 100.0, len(steps_ms))
    time_ns = 1_790_000_000 * NS + np.cumsum(np.array(steps_ms) * 1_000_000)
    values = 1e5 + noise + ramp * (time_ns - time_ns[0]) * 1e-9
    slope = Slope(capacity, window_ms * 1_000_000)
    for when, value in zip(time_ns, values, strict=True):
        assert slope.push(when, value) == lib.ULL_OK
    fit = slope.fit()
    kept = np.flatnonzero(time_ns >= time_ns[-1] - window_ms * 1_000_000)[-capacity:]
    assert fit.count == kept.size
    assert fit.span_ns == time_ns[-1] - time_ns[kept[0]]
    if kept.size < 4:
        return
    t = (time_ns[kept] - time_ns[-1]) * 1e-9
    (expected, level), covariance = np.polyfit(t, values[kept] - 1e5, 1, cov=True)
    white = np.sqrt((1 - fit.phi) / (1 + fit.phi))
    assert fit.slope_per_s == pytest.approx(expected, rel=1e-7, abs=1e-6)
    assert fit.value == pytest.approx(1e5 + level, abs=1e-4)
    assert fit.sigma_slope_per_s * white == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    assert fit.sigma_value * white == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)


def fits_of_noise(phi, samples, trials, seed):
    """Slope, its sigma and phi of `trials` stretches of AR(1) noise of standard deviation 1 at 10 Hz."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(trials):
        shock = rng.normal(0.0, np.sqrt(1 - phi**2), samples)
        noise = np.empty(samples)
        previous = rng.normal()
        for i in range(samples):
            previous = phi * previous + shock[i]
            noise[i] = previous
        slope = Slope(samples, 1000 * NS)
        for i, value in enumerate(noise):
            slope.push((i + 1) * NS // 10, 1e5 + value)
        fit = slope.fit()
        rows.append((fit.slope_per_s, fit.sigma_slope_per_s, fit.phi))
    return np.array(rows).T


@pytest.mark.parametrize("phi", [0.0, 0.2, 0.5, 0.8])
def test_the_stated_sigma_is_the_scatter_of_the_slope(phi):
    slopes, sigmas, phis = fits_of_noise(phi, samples=300, trials=300, seed=11)
    assert np.mean(phis) == pytest.approx(phi, abs=0.04)
    assert np.sqrt(np.mean(sigmas**2)) == pytest.approx(np.std(slopes), rel=0.15)


def test_phi_is_not_biased_towards_zero_in_a_short_window():
    """Uncorrected, 40 samples of phi = 0.5 would read 0.5 - (2 + 4 * 0.5) / 40 = 0.40."""
    _, _, phis = fits_of_noise(0.5, samples=40, trials=600, seed=12)
    assert np.mean(phis) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("window", [5, 50, 1000])
def test_a_run_is_polyfit_of_each_trailing_window(window):
    rng = np.random.default_rng(window)
    time_ns = np.cumsum(rng.integers(60_000_000, 140_000_000, 5000))
    values = 1e5 + rng.normal(0.0, 1.0, time_ns.size)
    slopes = np.empty(time_ns.size)
    window_ns = window * NS // 10
    status = lib.ull_slope_run(
        ffi.from_buffer("int64_t[]", time_ns),
        ffi.from_buffer("double[]", values),
        time_ns.size,
        window_ns,
        ffi.from_buffer("double[]", slopes),
        ffi.NULL,
    )
    assert status == lib.ULL_OK
    assert np.isnan(slopes[0])
    for last in (1, 7, 999, 2500, 4999):
        first = np.searchsorted(time_ns, time_ns[last] - window_ns)
        t = (time_ns[first : last + 1] - time_ns[last]) * 1e-9
        if t.size > 1:
            expected = np.polyfit(t, values[first : last + 1] - 1e5, 1)[0]
            assert slopes[last] == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_a_refill_in_the_window_leaves_no_trace_after_it():
    """From 0.1 MPa to 20 MPa: once the step has left the window, the fit is that of the samples alone."""
    rng = np.random.default_rng(5)
    values = np.where(np.arange(400) < 100, 1e5, 2e7) + rng.normal(0.0, 100.0, 400)
    slope = Slope(64, 1000 * NS)
    for i, value in enumerate(values):
        slope.push((i + 1) * NS // 10, value)
        if i >= 164:
            kept = values[i - 63 : i + 1]
            assert slope.fit().slope_per_s == pytest.approx(
                np.polyfit(np.arange(64) * 0.1, kept - 2e7, 1)[0], rel=1e-6, abs=1e-5
            )
