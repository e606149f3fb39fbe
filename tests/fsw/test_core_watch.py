"""The watch and the trace of the C core, against fits from scratch and against the statistics that they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from fsw._core import ffi, lib

STEP_NS = 100_000_000
LEARNED = 2100  # samples: 8 batches of 256, and a few


class Watch:
    def __init__(self, samples=1e6, sigma=1.0, **more):
        fields = {"false_alarm_s": samples / 10, "memory": 1e4, "levels": 12, "gap_ns": 100 * STEP_NS} | more
        self.state = ffi.new("ull_watch *")
        assert lib.ull_watch_init(self.state, ffi.new("ull_watch_settings *", fields)) == lib.ULL_OK
        self.sample = ffi.new("ull_watch_sample *", {"time_ns": 1, "sigma": sigma})

    def run(self, values):
        values = np.ascontiguousarray(values, np.float64)
        certainty, events = np.empty(values.size), np.empty(values.size, np.uint8)
        lib.ull_watch_run(
            self.state,
            self.sample,
            STEP_NS,
            ffi.from_buffer("double[]", values),
            values.size,
            ffi.from_buffer("double[]", certainty),
            ffi.from_buffer("uint8_t[]", events),
        )
        self.sample.time_ns += values.size * STEP_NS
        return certainty, events


def noise(rng, phi, size):
    return lfilter([1.0], [1.0, -phi], rng.standard_normal(size) * math.sqrt(1 - phi * phi))


def alarms(certainty):
    """As a board counts them: one is over when certainty has been below a half for 100 samples."""
    found, until = 0, 0
    for i in np.flatnonzero(certainty >= 1):
        if i >= until:
            quiet = np.convolve(certainty[i : i + 20_000] < 0.5, np.ones(100), "valid") > 99
            found, until = found + 1, i + (np.argmax(quiet) if quiet.any() else 20_000)
    return found


@pytest.mark.parametrize("phi", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("known", [False, True])
def test_false_alarms_come_as_rarely_as_stated_with_noise_learned_or_calibrated(phi, known):
    """Poisson: where 100 are expected 71 to 131 come, but for one time in a thousand on either side."""
    calibration = {"calibrated": 1, "phi": phi, "interval_s": 0.1, "error": 0.0} if known else {}
    rng, interval = np.random.default_rng(1), 10_000
    watch = Watch(interval, **calibration)
    watch.run(noise(rng, phi, 20_000))
    certainty, _ = watch.run(noise(rng, phi, 100 * interval))
    assert 71 <= alarms(certainty) <= 131


def test_a_batch_is_so_many_pushes():
    rng = np.random.default_rng(2)
    values = noise(rng, 0.3, 6000) - 0.05 * np.maximum(np.arange(6000) - 5000, 0)
    values[[3000, 4000]] += (np.nan, 100.0)
    batch, single = Watch(), Watch()
    certainty, events = batch.run(values)
    for i, value in enumerate(values):
        single.sample.value = value
        lib.ull_watch_push(single.state, single.sample)
        single.sample.time_ns += STEP_NS
        assert (single.state.certainty, single.state.event) == (certainty[i], events[i])


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    level=st.floats(-1e3, 1e3),
    interval_ns=st.integers(1_000_000, 10_000_000_000),
    start_ns=st.integers(-(2**60), 2**60),
    seed=st.integers(0, 2**32 - 1),
)
def test_units_level_and_clock_do_not_matter(scale, level, interval_ns, start_ns, seed):
    rng = np.random.default_rng(seed)
    values = noise(rng, 0.3, 3000) - 0.05 * np.maximum(np.arange(3000) - 2800, 0)
    values[1500:] += 200.0
    plain, events = Watch().run(values)
    other = Watch(gap_ns=1000 * interval_ns, false_alarm_s=1e6 * interval_ns / 1e9, sigma=scale)
    other.sample.time_ns = start_ns
    values = scale * (values + level)
    certainty, kinds = np.empty(3000), np.empty(3000, np.uint8)
    buffers = ffi.from_buffer("double[]", certainty), ffi.from_buffer("uint8_t[]", kinds)
    lib.ull_watch_run(
        other.state, other.sample, interval_ns, ffi.from_buffer("double[]", values), 3000, *buffers
    )
    assert certainty == pytest.approx(plain, rel=1e-5, abs=1e-5)
    assert (kinds == events).all()


def test_whatever_comes_is_answered():
    rng = np.random.default_rng(9)
    watch = Watch()
    certainty, _ = watch.run(rng.choice([0.0, 1e300, -1e300, 1e-300, math.nan, math.inf, 5.0], 20_000))
    assert np.isfinite(certainty).all()
    certainty, _ = watch.run(rng.standard_normal(5000))
    assert np.isfinite(certainty).all()


# The trace: two courses, fitted by numpy


class Trace:
    def __init__(self, time_s, values):
        self.state = ffi.new("ull_trace *")
        for t, value in zip(time_s, values, strict=True):
            lib.ull_trace_push(self.state, round(t * 1e9), value)

    def judge(self, lag, variance):
        look = ffi.new("ull_trace_look *")
        lib.ull_trace_judge(self.state, lag, variance, look)
        return look


def squares(t, x, began, ended):
    """Of what a level up to one point, a straight line up to another and a level from there leave of x."""
    shape = np.clip(t, t[began], t[ended]) - t[began]
    rows = np.stack([np.ones_like(t), shape], axis=1)
    (level, slope), *_ = np.linalg.lstsq(rows, x, rcond=None)
    return float(np.sum((x - rows @ [level, slope]) ** 2)), level, slope


@pytest.mark.parametrize("course", ["step", "fall", "fall that is over", "level", "rise"])
@pytest.mark.parametrize("jitter", [0.0, 0.8])
def test_the_courses_are_those_that_fit_best(course, jitter):
    rng = np.random.default_rng(3)
    n, lag, sigma = 50, 20, 0.5  # 2.5 times the lag: fewer than 64 points, so each is a sample
    t = 0.1 * (np.arange(200) + jitter * (rng.random(200) - 0.5))
    fall = {
        "step": 8.0 * (t > t[180]),
        "fall": 3 * np.maximum(t - t[180], 0),
        "fall that is over": 6 * np.clip(t - t[180], 0, t[188] - t[180]),
        "level": 0 * t,
        "rise": -3 * np.maximum(t - t[180], 0),
    }[course]
    x = 100 - fall + sigma * rng.standard_normal(200)
    look = Trace(t, x).judge(lag, sigma**2)
    t, x = t[-n:] - t[-1], x[-n:]
    going = min((*squares(t, x, i, n - 1), i) for i in range(n - 1))
    over = min((*squares(t, x, i, j), i, j) for i in range(n - 3) for j in range(i + 1, n - 2))
    assert look.gain == pytest.approx((going[0] - over[0]) / sigma**2, rel=1e-6, abs=1e-6)
    assert look.misfit == pytest.approx(math.sqrt(going[0] / n) / sigma)
    assert (look.going_per_s, look.since) == (pytest.approx(-going[2]), n - 1 - going[3])
    assert look.expected == pytest.approx(going[2] * t[going[3]], rel=1e-6)
    assert look.rate_per_s == pytest.approx(-over[2])
    assert look.fall == pytest.approx(over[1] - np.mean(x[-3:]))
    rest = np.polyfit(t[over[4] :], x[over[4] :], 1)[0]
    assert look.rest_per_s == pytest.approx(-rest, abs=1e-6)
    spread = np.sum((t[over[4] :] - np.mean(t[over[4] :])) ** 2)
    assert look.sigma_rest_per_s == pytest.approx(sigma / math.sqrt(spread))
    assert look.last_per_s == pytest.approx(-np.polyfit(t[-3:], x[-3:], 1)[0], abs=1e-6)


@pytest.mark.parametrize("scale", [0, 3, 8, 12])
def test_a_longer_view_is_that_of_means(scale):
    rng = np.random.default_rng(4)
    size, width, sigma = 1 << (scale + 6), 1 << scale, 1.0
    t = 0.1 * np.arange(size)
    x = 10 + sigma * rng.standard_normal(size)
    x[3 * size // 4 :] -= 5.0
    long = Trace(t, x).judge(63 * width / 2.5, sigma**2)
    means = Trace(t.reshape(-1, width).mean(axis=1), x.reshape(-1, width).mean(axis=1))
    short = means.judge(63 / 2.5, sigma**2 / width)
    for name in ("gain", "fall", "misfit", "going_per_s", "rate_per_s", "rest_per_s", "sigma_fall"):
        assert getattr(long, name) == pytest.approx(getattr(short, name), rel=1e-4, abs=1e-6)
    assert (long.began_ns, long.ended_ns) == pytest.approx((short.began_ns, short.ended_ns), abs=1000)
    assert long.fall == pytest.approx(5.0, abs=4 * long.sigma_fall)


def test_a_fall_that_goes_on_gains_little_by_being_over_and_a_step_much():
    """One parameter more gains 2 ln of likelihood as chi2 with one to two degrees of freedom, the best of many ends."""
    rng = np.random.default_rng(5)
    t = 0.1 * np.arange(64)
    gains = []
    for _ in range(300):
        x = rng.standard_normal(64) - 0.5 * np.maximum(np.arange(64) - 38, 0)
        gains.append(Trace(t, x).judge(25, 1.0).gain)
    assert np.mean(gains) < 5  # "holds": twice the 2 to 3 that it has by chance
    assert np.mean(np.array(gains) > 12) < 0.01  # "over"
    steps = [
        Trace(t, rng.standard_normal(64) - 8.0 * (np.arange(64) > 48)).judge(16, 1.0).gain for _ in range(100)
    ]
    assert np.mean(np.array(steps) > 12) > 0.9
