"""The port, and the statistics behind it, on inventories made of numbers."""

import math

import numpy as np
import pytest

from fsw.leak.detector import NO_DRIFT, Detector, Drift, Settings
from fsw.leak.noise import Noise
from fsw.leak.window import Window

from .plant import NS, ar1

SIGMA = 1e-3
DT_NS = NS // 10


def detector(zero_leak=0.0, **keys):
    return Detector(Settings(**keys), zero_leak)


def run(target, inventory, start_s=0.0, drift=NO_DRIFT, sigma=SIGMA):
    """Push at 10 Hz; the verdicts."""
    first_ns = round(start_s * NS) + 1
    return [target.push(first_ns + i * DT_NS, value, sigma, drift) for i, value in enumerate(inventory)]


def ramp(n, onset, per_sample):
    return -per_sample * np.maximum(np.arange(n) - onset, 0.0)


def test_it_cannot_be_told_before_the_shortest_window_is_filled():
    verdicts = run(detector(), [30.0] * 30)
    assert not any(verdict.determined for verdict in verdicts[:18])
    assert verdicts[-1].determined


def test_equal_values_are_not_certainty():
    falling = 30.0 - 1e-6 * np.arange(100)  # exact to the last bit, but each is declared uncertain by 1e-3
    last = run(detector(), falling)[-1]
    assert last.rate_kg_per_s == pytest.approx(1e-5, rel=1e-6)
    # longest filled window: 8 s, white noise of 1e-3 at 10 Hz: sqrt(12 * 0.1 / 8^3) * 1e-3
    assert last.sigma_kg_per_s == pytest.approx(4.84e-5, rel=0.1)
    assert last.certainty < 0.05


def test_certainty_is_the_excess_over_k_standard_errors():
    rng = np.random.default_rng(4)
    noise = rng.normal(0, SIGMA, 600)
    leak = 2e-3  # per second
    inventory = 30 + noise - leak / 10 * np.arange(600)
    plain, tolerant = (run(detector(zero), inventory)[-1] for zero in (0.0, leak))
    assert plain.certainty > 20
    assert abs(tolerant.certainty) < 1
    drifting = run(detector(), inventory, drift=Drift(lasting_kg_per_s=leak))[-1]
    assert drifting.certainty == pytest.approx(tolerant.certainty)


def test_a_passing_drift_counts_less_in_a_longer_window():
    drift = Drift(lasting_kg_per_s=1.0, passing_kg_per_s=10.0, passing_s=60.0)
    assert drift.over(2.0) == 11.0
    assert drift.over(900.0) == pytest.approx(1.0 + 10.0 * 1.5 * 60 / 900)


@pytest.mark.parametrize("age_s", [5, 20, 60])
def test_the_rate_does_not_mix_in_the_time_before_the_leak_and_its_age_is_known(age_s):
    rng = np.random.default_rng(age_s)
    n, onset = 6000 + age_s * 10, 6000
    last = run(detector(), 30 + rng.normal(0, SIGMA, n) + ramp(n, onset, 3e-4))[-1]
    assert abs(last.rate_kg_per_s - 3e-3) < 3 * last.sigma_kg_per_s
    assert last.sigma_kg_per_s < 0.15 * 3e-3
    assert abs(last.onset_s - age_s) < 3 * last.sigma_onset_s
    assert last.sigma_onset_s < 0.1 * age_s + 0.5


def test_a_step_is_not_called_a_leak_for_long():
    rng = np.random.default_rng(5)
    inventory = 30 + rng.normal(0, SIGMA, 6000)
    inventory[3000:] -= 50 * SIGMA
    verdicts = run(detector(), inventory)
    certain = np.array([verdict.certainty >= 1 for verdict in verdicts])
    assert not certain[:3000].any()
    assert np.count_nonzero(certain) < 30  # 3 s
    assert abs(verdicts[3060].rate_kg_per_s) < 4 * verdicts[3060].sigma_kg_per_s


def test_a_refill_is_no_leak():
    rng = np.random.default_rng(6)
    inventory = 30 + rng.normal(0, SIGMA, 3000)
    inventory[1500:] += 1.0
    assert max(verdict.certainty for verdict in run(detector(), inventory)) < 1


def test_after_a_gap_it_begins_anew_and_keeps_the_age_of_a_leak_that_goes_on():
    rng = np.random.default_rng(7)
    target = detector()
    inventory = 30 + rng.normal(0, SIGMA, 2000) + ramp(2000, 1000, 3e-4)
    before = run(target, inventory[:1200])[-1]
    assert before.onset_s == pytest.approx(20, abs=1.5)
    after = run(target, inventory[1500:], start_s=150.0)
    assert not after[0].determined
    assert after[-1].certainty > 1
    assert after[-1].onset_s == pytest.approx(100, abs=1.5)


def test_windows_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="windows"):
        detector(windows=["8 s", "2 s"])


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_the_noise_of_long_spans_is_measured_whatever_its_colour_and_a_ramp_beneath(phi):
    rng = np.random.default_rng(8)
    values = ar1(rng, 20_000, SIGMA, phi) - 1e-4 * np.arange(20_000)
    noise = Noise()
    for i, value in enumerate(values):
        noise.push(1 + i * DT_NS, value, SIGMA / 10)
    long_run = SIGMA * math.sqrt((1 + phi) / (1 - phi))
    assert noise.density(0.0) / math.sqrt(0.1) == pytest.approx(long_run, rel=0.2)


@pytest.mark.parametrize(("phi", "declared"), [(0.5, 1.0), (0.5, 0.3), (0.8, 1.0)])
def test_coloured_noise_does_not_alarm_in_two_hours_even_if_declared_too_small(phi, declared):
    rng = np.random.default_rng(12)
    inventory = 30 + ar1(rng, 72_000, SIGMA, phi)
    assert max(verdict.certainty for verdict in run(detector(), inventory, sigma=declared * SIGMA)) < 1


def test_a_mixture_of_white_and_slow_noise_does_not_alarm():
    rng = np.random.default_rng(15)
    inventory = 30 + rng.normal(0, SIGMA, 36_000) + ar1(rng, 36_000, SIGMA, 0.9)
    assert max(verdict.certainty for verdict in run(detector(), inventory)) < 1


@pytest.mark.parametrize("step_ns", [NS // 10, NS // 1000])
def test_a_window_keeps_its_slope_with_few_samples_at_any_rate(step_ns):
    window = Window(8 * NS, 64)
    for i in range(10 * NS // step_ns):
        window.push(1 + i * step_ns, 1e5 - 0.25 * i * step_ns / NS)
    assert window.fit is not None
    assert window.fit.slope == pytest.approx(-0.25, rel=1e-9)


def test_false_alarms_in_white_noise_are_as_rare_as_derived():
    """At 3.5 sigma they can be counted; the derivation says 3 k phi(k) / W a second and window at most."""
    rng = np.random.default_rng(9)
    windows = (2.0, 4.0, 8.0)
    n = 100_000
    target = detector(windows=[f"{w} s" for w in windows], k=3.5)
    certain = np.array([verdict.certainty >= 1 for verdict in run(target, 30 + rng.normal(0, SIGMA, n))])
    alarms = np.count_nonzero(np.diff(certain.astype(int)) == 1)
    density = math.exp(-(3.5**2) / 2) / math.sqrt(2 * math.pi)
    bound = sum(3.5 * density * 3 / w for w in windows) * n / 10
    assert 0 < alarms < bound + 3 * math.sqrt(bound)
