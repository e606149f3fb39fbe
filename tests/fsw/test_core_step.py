"""Does a fall go on? Asked of traces made of numbers, sigma 1, ten samples a second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsw._core import ffi, lib

STEP_NS = 100_000_000


def trace_of(values):
    trace = ffi.new("ull_trace *")
    for i, value in enumerate(values):
        lib.ull_trace_push(trace, i * STEP_NS, value)
    return trace


def sharp(values):
    """The answer, by how much it fell, and the number of the first sample below."""
    fall, time_ns = ffi.new("double *"), ffi.new("int64_t *")
    answer = lib.ull_trace_step(trace_of(values), 1.0, fall, time_ns)
    return answer, fall[0], time_ns[0] // STEP_NS


def ask(values, lag):
    found = ffi.new("ull_step *")
    return lib.ull_step_ask(trace_of(values), lag, 1.0, 1.0, found), found.fall


def quiet(n, seed=1):
    return np.random.default_rng(seed).standard_normal(n)


@given(
    st.integers(0, 10_000),
    st.integers(10, 60),
    st.floats(20, 1e6),
    st.floats(-0.5, 0.5),
    st.integers(16, 40),
)
def test_a_sharp_step_is_told_with_amount_and_time_whatever_trend_it_lies_in(seed, at, size, trend, after):
    values = quiet(at + after, seed) + trend * np.arange(at + after)
    values[at:] -= size
    answer, fall, first = sharp(values)
    assert answer == lib.ULL_TRACE_STEP
    assert first == at
    # Means of 4 samples on either side are 4 samples apart, and known to sqrt(2 / 4).
    assert fall == pytest.approx(size - 4 * trend, abs=5 * np.sqrt(2 / 4))


@pytest.mark.parametrize("after", [1, 2, 3])
def test_of_a_sharp_fall_in_the_last_three_samples_nothing_can_be_said(after):
    values = quiet(50)
    values[-after:] -= 30
    assert sharp(values)[0] == lib.ULL_TRACE_UNSURE


@given(st.integers(0, 10_000), st.floats(0.0, 1e4), st.integers(5, 40))
def test_a_straight_fall_is_no_step_once_five_samples_show_it(seed, rate, since):
    values = quiet(60 + since, seed)
    values[60:] -= rate * np.arange(1, since + 1)
    assert sharp(values)[0] == lib.ULL_TRACE_NO_STEP


@given(st.integers(0, 10_000), st.floats(20, 1e4), st.integers(1, 3))
def test_a_spike_is_no_step(seed, size, width):
    values = quiet(70, seed)
    values[50 : 50 + width] -= size
    assert sharp(values)[0] == lib.ULL_TRACE_NO_STEP


@pytest.mark.parametrize("rate", [1.0, 5.0, 100.0])
def test_a_gross_leak_is_believed_within_ten_samples(rate):
    n = 60
    answers = [
        ask(np.r_[quiet(n), quiet(since, 2) - rate * np.arange(1, since + 1)], max(since, 8))[0]
        for since in range(1, 20)
    ]
    assert lib.ULL_STEP_FALL not in answers
    assert lib.ULL_STEP_SPIKE not in answers[3:]
    assert lib.ULL_STEP_NONE in answers[:10]


def test_an_approach_to_a_level_is_never_believed_and_told_when_it_is_flat():
    """tau = 10 samples: after 8 of them 0.03 % of it is left, below its noise."""
    n, lag = 60, 10
    answers = []
    for since in range(2, 100):
        values = quiet(n + since, 3)
        values[n:] -= 200 * -np.expm1(-np.arange(since) / lag)
        answers.append(ask(values, max(since, 8)))
    kinds = [answer for answer, _ in answers]
    told = kinds.index(lib.ULL_STEP_FALL)
    assert lib.ULL_STEP_NONE not in kinds[4:told]
    assert answers[told][1] == pytest.approx(200, rel=0.05)
