"""The sliding filters, whole series at once and sample by sample, against the window worked out anew each time."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw import sliding
from fsw._core import ffi, lib

SIGMA_PER_MAD = 1.482602218505602
NS = 1_000_000_000


@st.composite
def series(draw, longest=600):
    """Noise on an offset, coarse or fine, with spikes, steps and what is not a number."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.normal(0.0, draw(st.sampled_from([1e-3, 1.0, 100.0])), draw(st.integers(0, longest)))
    if draw(st.booleans()):
        values = np.round(values)
    values += draw(st.sampled_from([0.0, 1e5, -3.0]))
    values[rng.random(values.size) < 0.02] += draw(st.sampled_from([0.0, 50.0, 1e7]))
    odd = rng.random(values.size) < draw(st.sampled_from([0.0, 0.003, 0.2, 0.9]))
    values[odd] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(odd))
    return values


def windows_of(values, window):
    """For each place the last finite values up to there, or None where the value is not finite."""
    kept = []
    for value in values:
        if np.isfinite(value):
            kept = [*kept, value][-window:]
            yield np.array(kept)
        else:
            yield None


def doubles(array):
    return ffi.from_buffer("double[]", array)


def in_pieces(values, cuts):
    """The series cut at some places: pushes of one sample and runs of many, in turns."""
    bounds = [0, *sorted(min(cut, values.size) for cut in cuts), values.size]
    return [np.array(values[a:b]) for a, b in pairwise(bounds)]


def median_in_turns(values, window, cuts):
    memory, state = ffi.new("double[]", 2 * window), ffi.new("ull_median *")
    assert lib.ull_median_init(state, memory, window) == lib.ULL_OK
    out = []
    for number, piece in enumerate(in_pieces(values, cuts)):
        if number % 2:
            result = np.empty(piece.size)
            status = lib.ull_median_run(state, doubles(piece), piece.size, doubles(result))
            assert status == (lib.ULL_OK if np.isfinite(piece).all() else lib.ULL_ARGUMENT)
            out += result.tolist()
        else:
            for value in piece:
                taken = lib.ull_median_push(state, value) == lib.ULL_OK
                out.append(lib.ull_median_result(state) if taken else np.nan)
    assert state.refused == np.count_nonzero(~np.isfinite(values))
    return np.array(out)


def moments_in_turns(values, window, cuts):
    memory, state = ffi.new("double[]", 3 * window), ffi.new("ull_moments *")
    assert lib.ull_moments_init(state, memory, window) == lib.ULL_OK
    both = ffi.new("double[2]")
    out = []
    for number, piece in enumerate(in_pieces(values, cuts)):
        if number % 2:
            mean, std = np.empty(piece.size), np.empty(piece.size)
            lib.ull_moments_run(state, doubles(piece), piece.size, doubles(mean), doubles(std))
            out += zip(mean, std, strict=True)
        else:
            for value in piece:
                taken = lib.ull_moments_push(state, value) == lib.ULL_OK
                lib.ull_moments_result(state, both, both + 1)
                out.append(tuple(both) if taken else (np.nan, np.nan))
    assert state.refused == np.count_nonzero(~np.isfinite(values))
    return np.array(out).reshape(-1, 2).T


cuts = st.lists(st.integers(0, 600), max_size=4)
any_window = st.integers(1, 40) | st.sampled_from([64, 101, 128])


@settings(max_examples=150, deadline=None)
@given(values=series(), window=any_window, cuts=cuts)
def test_the_median_is_that_of_numpy_to_the_last_bit_in_every_form(values, window, cuts):
    expected = [np.nan if kept is None else np.median(kept) for kept in windows_of(values, window)]
    assert np.array_equal(sliding.median(values, window), expected, equal_nan=True)
    assert np.array_equal(median_in_turns(values, window, cuts), expected, equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(values=series(), window=any_window, cuts=cuts)
def test_mean_and_deviation_are_the_same_bits_in_every_form(values, window, cuts):
    mean, std = moments_in_turns(values, window, cuts)
    assert np.array_equal(sliding.mean(values, window), mean, equal_nan=True)
    assert np.array_equal(sliding.std(values, window), std, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(values=series(longest=200), window=any_window)
def test_mean_and_deviation_are_those_of_exact_fractions(values, window):
    """Within 1e-12 of what the window holds, whatever was in the window before."""
    mean, std = sliding.mean(values, window), sliding.std(values, window)
    for i, kept in enumerate(windows_of(values, window)):
        if kept is None:
            assert np.isnan(mean[i])
            assert np.isnan(std[i])
            continue
        exact = [Fraction(value) for value in kept]
        centre = sum(exact) / len(exact)
        assert mean[i] == pytest.approx(float(centre), rel=1e-15, abs=1e-12 * np.ptp(kept))
        if kept.size == 1:
            assert np.isnan(std[i])
        else:
            variance = sum((value - centre) ** 2 for value in exact) / (len(exact) - 1)
            assert std[i] == pytest.approx(float(variance) ** 0.5, rel=1e-12)


def hampel_slowly(values, window, k, scale_min):
    cleaned, flagged = np.array(values), np.zeros(values.size, bool)
    run = 0
    for i, kept in enumerate(windows_of(values, window)):
        if kept is None:
            continue
        median = np.median(kept)
        scale = max(SIGMA_PER_MAD * np.median(np.abs(kept - median)), scale_min)
        outlier = kept.size >= 3 and abs(values[i] - median) > k * scale
        flagged[i] = outlier and run < 3
        run = run + int(flagged[i]) if outlier else 0
        if flagged[i]:
            cleaned[i] = median
    return cleaned, flagged


def hampel_by_pushes(values, window, k, scale_min):
    memory, state = ffi.new("double[]", 2 * window), ffi.new("ull_hampel *")
    assert lib.ull_hampel_init(state, memory, window, k, scale_min) == lib.ULL_OK
    verdict = ffi.new("ull_hampel_verdict *")
    cleaned, flagged = np.array(values), np.zeros(values.size, bool)
    for i, value in enumerate(values):
        if lib.ull_hampel_push(state, value, verdict) == lib.ULL_OK:
            cleaned[i], flagged[i] = verdict.value, verdict.flagged
    assert state.median.refused == np.count_nonzero(~np.isfinite(values))
    return cleaned, flagged


@settings(max_examples=150, deadline=None)
@given(
    values=series(),
    window=st.sampled_from([3, 5, 7, 9, 11, 13, 15, 17, 101]),
    k=st.sampled_from([1.0, 2.5, 5.0]),
    scale_min=st.sampled_from([1e-9, 1.0]),
)
def test_outliers_are_those_of_numpy_in_every_form(values, window, k, scale_min):
    cleaned, flagged = hampel_slowly(values, window, k, scale_min)
    for form in (
        sliding.hampel(values, window, scale_min, k),
        hampel_by_pushes(values, window, k, scale_min),
    ):
        assert np.array_equal(form[0], cleaned, equal_nan=True)
        assert np.array_equal(form[1], flagged)


@settings(max_examples=60, deadline=None)
@given(
    values=series(longest=300),
    window_ns=st.integers(1, 60 * NS),
    jitter_ns=st.sampled_from([0, 0, NS // 20]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_slope_is_polyfit_of_the_finite_values_in_every_form(values, window_ns, jitter_ns, seed):
    rng = np.random.default_rng(seed)
    time_ns = (
        1_790_000_000 * NS + np.arange(values.size) * (NS // 10) + rng.integers(0, jitter_ns + 1, values.size)
    )
    slopes = sliding.slope(time_ns, values, window_ns)
    ring, state = ffi.new("ull_slope_sample[]", values.size + 2), ffi.new("ull_slope *")
    assert lib.ull_slope_init(state, ring, values.size + 2, window_ns, 0.0) == lib.ULL_OK
    fit = ffi.new("ull_slope_fit *")
    for i, now_ns in enumerate(time_ns):
        taken = lib.ull_slope_push(state, now_ns, values[i]) == lib.ULL_OK
        lib.ull_slope_result(state, fit)
        kept = np.flatnonzero(np.isfinite(values) & (time_ns >= now_ns - window_ns) & (time_ns <= now_ns))
        if not taken or kept.size < 2:
            assert np.isnan(slopes[i])
            continue
        t = (time_ns[kept] - now_ns) * 1e-9
        t -= t.mean()
        expected = t @ (values[kept] - values[kept].mean()) / (t @ t)
        # Sums are renewed once a window: what left it up to a window ago may still be in their rounding.
        near = values[np.isfinite(values) & (time_ns >= now_ns - 3 * window_ns) & (time_ns <= now_ns)]
        rounding = 1e-12 * np.ptp(near) / max(np.ptp(t), 1e-9)
        assert slopes[i] == pytest.approx(expected, rel=1e-9, abs=rounding)
        assert fit.slope_per_s == pytest.approx(expected, rel=1e-9, abs=rounding)


def test_a_million_samples_on_a_large_offset_leave_no_drift():
    """0.1 MPa and a pascal of noise: at the end as exact as over the last window alone."""
    values = 1e5 + np.random.default_rng(2).normal(0.0, 1.0, 1_000_000)
    time_ns = np.arange(values.size) * (NS // 10)
    last = values[-101:]
    t = np.arange(101) * 0.1 - 5.0
    exact = [Fraction(value) for value in last]
    assert sliding.mean(values, 101)[-1] == pytest.approx(float(sum(exact) / 101), rel=1e-15)
    assert sliding.std(values, 101)[-1] == pytest.approx(np.std(last - 1e5, ddof=1), rel=1e-12)
    expected = t @ (last - 1e5) / (t @ t)
    assert sliding.slope(time_ns, values, 10 * NS)[-1] == pytest.approx(expected, abs=1e-13)


def test_a_step_leaves_no_trace_in_the_deviation_once_it_has_left_the_window():
    """From vacuum to 20 MPa, a pascal of noise on it; sums that are subtracted from keep 0.1 Pa of that step."""
    values = np.where(np.arange(400) < 150, 0.0, 2e7) + np.random.default_rng(3).normal(0.0, 1.0, 400)
    for i in range(150 + 50, 400):
        expected = np.std(values[i - 50 : i + 1] - 2e7, ddof=1)
        assert sliding.std(values, 51)[i] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sliding.median([1.0], 0), "window = 0: give a whole number, 1 to 1025"),
        (lambda: sliding.mean([1.0], 1026), "window = 1026"),
        (lambda: sliding.std([[1.0]], 3), "shape"),
        (lambda: sliding.hampel([1.0], 4, 1.0), "window = 4: give an odd"),
        (lambda: sliding.hampel([1.0], 5, 0.0), "scale_min = 0.0: give a positive"),
        (lambda: sliding.hampel([1.0], 5, 1.0, float("nan")), "k = nan"),
        (lambda: sliding.slope([1.0], [1.0], 5), "integer nanoseconds"),
        (lambda: sliding.slope([1, 2], [1.0], 5), "integer nanoseconds"),
        (lambda: sliding.slope([5, 5], [1.0, 2.0], 5), r"\[1\] = 5 is not after 5"),
        (lambda: sliding.slope([5], [1.0], 0), "window_ns = 0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
