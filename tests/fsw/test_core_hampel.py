"""The Hampel filter of the C core against numpy, which sorts each window anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw._core import ffi, lib

SIGMA_PER_MAD = 1.482602218505602
finite = st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 1.0, 1.0, 1e5, 1e5 + 1])


class Hampel:
    def __init__(self, window, k=5.0, scale_min=1e-12):
        self.memory = ffi.new("double[]", 2 * window)
        self.state = ffi.new("ull_hampel *")
        assert lib.ull_hampel_init(self.state, self.memory, window, k, scale_min) == lib.ULL_OK

    def push(self, value):
        verdict = ffi.new("ull_hampel_verdict *")
        return lib.ull_hampel_push(self.state, value, verdict), verdict


@settings(max_examples=200, deadline=None)
@given(window=st.sampled_from([3, 5, 7, 15, 31]), values=st.lists(finite, min_size=1, max_size=100))
def test_median_and_mad_are_those_of_numpy(window, values):
    hampel = Hampel(window)
    for end in range(1, len(values) + 1):
        last = np.array(values[max(0, end - window) : end])
        median = np.median(last)
        mad = np.median(np.abs(last - median))
        status, verdict = hampel.push(values[end - 1])
        assert status == lib.ULL_OK
        assert verdict.median == median
        assert verdict.scale == pytest.approx(max(SIGMA_PER_MAD * mad, 1e-12), rel=1e-14)


@settings(max_examples=100, deadline=None)
@given(values=st.lists(finite | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=60))
def test_a_sample_that_is_not_finite_changes_nothing_of_what_follows(values):
    mixed, clean = Hampel(7), Hampel(7)
    for value in values:
        status, verdict = mixed.push(value)
        if np.isfinite(value):
            _, expected = clean.push(value)
            assert (verdict.value, verdict.flagged) == (expected.value, expected.flagged)
        else:
            assert status == lib.ULL_ARGUMENT


def test_healthy_white_noise_is_hardly_ever_flagged():
    """About 15 samples, k = 5: the scatter of the MAD decides; measured with numpy on the same noise."""
    noise = np.random.default_rng(1).normal(0.0, 100.0, 20_000)
    windows = np.lib.stride_tricks.sliding_window_view(noise, 15)
    median = np.median(windows, axis=1)
    mad = np.median(np.abs(windows - median[:, None]), axis=1)
    outlier = np.abs(noise[14:] - median) > 5 * np.maximum(SIGMA_PER_MAD * mad, 100.0)
    flagged = np.empty(noise.size, np.uint8)
    hampel = Hampel(15, scale_min=100.0)
    value = ffi.from_buffer("double[]", noise)
    assert (
        lib.ull_hampel_run(hampel.state, value, noise.size, ffi.NULL, ffi.from_buffer("uint8_t[]", flagged))
        == 0
    )
    assert flagged[14:].sum() == outlier.sum()
    assert flagged.mean() < 1e-4
