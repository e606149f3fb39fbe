"""What the detector takes for no leak: steps, spikes, and falls that are over."""

import math

import numpy as np
import pytest

from fsw.leak.allowance import Allowance
from fsw.occurrence import Kind

from .inventories import DT_NS, HZ, LEARNED, SIGMA, at, detector, kinds, quiet, ramp, run


@pytest.mark.parametrize(
    ("size", "when"), [(50.0, 500), (50.0, 6000), (1000.0, 500), (1000.0, 6000), (1e5, 6000)]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_step_is_an_event_with_its_amount_and_no_leak_and_it_works_on(size, when, sign):
    target, n = detector(), when + 5000
    inventory = quiet(n, 9) - ramp(n, when + 4000, 0.1)
    inventory[when:] += sign * size * SIGMA
    certainty, events = run(target, inventory)
    assert certainty[: when + 4000].max() < 1
    ((found, event),) = [each for each in events if each[1].kind is not Kind.NOISE_KNOWN]
    assert event.kind is (Kind.RISE if sign > 0 else Kind.FALL)
    assert when <= found <= when + 4
    assert event.began_ns == pytest.approx(1 + when * DT_NS, abs=2 * DT_NS)
    assert event.kg == pytest.approx(size * SIGMA, rel=0.01, abs=4 * SIGMA)  # one sample against a level
    assert certainty[-1] >= 1  # the leak of the last 1000 samples
    verdict = target.verdict(at(n))
    assert abs(verdict.rate - HZ * SIGMA * 0.1) < 4 * verdict.sigma


@pytest.mark.parametrize("size", [50.0, 1000.0])
def test_a_step_while_the_noise_is_learned_is_no_noise(size):
    target, inventory = detector(), quiet(20_000, 9)
    inventory[500:] -= size * SIGMA
    run(target, inventory)
    assert target.sigma_kg < 1.15 * SIGMA


SMOOTHED = [
    (50, 5),
    (50, 10),
    (50, 20),
    (200, 2),
    (200, 5),
    (200, 10),
    (200, 20),
    (1000, 10),
    (1000, 20),
    (1e4, 2),
    (1e4, 5),
    (1e4, 20),
]


@pytest.mark.parametrize(("size", "lag"), SMOOTHED)
def test_a_step_that_an_instrument_smooths_is_no_leak_either(size, lag):
    when, n = 3000, 4000
    since = np.maximum(np.arange(n) - when, 0)
    certainty, events = run(detector(), quiet(n, 10) - size * SIGMA * -np.expm1(-since / lag))
    assert certainty.max() < 1
    assert set(kinds(events)) == {Kind.FALL}
    assert sum(event.kg for _, event in events if event.kind is Kind.FALL) == pytest.approx(
        size * SIGMA, rel=0.1
    )


@pytest.mark.parametrize("lag", [5, 10, 20])
@pytest.mark.parametrize("seed", range(6))
def test_a_large_smooth_step_is_no_leak_wherever_it_begins(lag, seed):
    """Anywhere between two samples, and anywhere among the places where the detector looks for onsets."""
    rng, n = np.random.default_rng(seed), 3200
    since = np.maximum(np.arange(n) - rng.uniform(2500, 2756), 0)
    certainty, events = run(detector(), quiet(n, seed) - 1000 * SIGMA * -np.expm1(-since / lag))
    assert certainty.max() < 1
    assert set(kinds(events)) == {Kind.FALL}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("later", [37, 80, 200])
@pytest.mark.parametrize("hidden", [0, 3])  # samples that despiking holds back
@pytest.mark.parametrize("size", [30, 300])
def test_a_step_while_something_settles_is_an_event_and_no_leak(size, hidden, later, seed):
    """A refill heats the gas, a pump starts while it cools: the trend is no leak, nor is the step a part of it."""
    target = detector()
    run(target, quiet(LEARNED, seed))
    target.restart()
    n, start, lag = 600, LEARNED + 1000, 60
    heat = 110 * SIGMA
    settling = Allowance(settling_kg=1.3 * heat, settling_s=2 * lag / HZ, settling_ns=start * DT_NS)
    i = np.arange(n)
    inventory = quiet(n, seed + 100) + heat * np.exp(-i / lag) - size * SIGMA * (i >= later)
    before, _ = run(target, inventory[:later], start, allowance=settling)
    seen = later + hidden
    certainty, events = run(target, inventory[seen:], start + seen, allowance=settling)
    assert before.max() < 1
    assert certainty.max() < 1
    ((when, event),) = [(i, event) for i, event in events if event.kind is Kind.FALL]
    assert when - start - later < 20
    assert event.kg == pytest.approx(
        size * SIGMA, rel=0.1, abs=15 * SIGMA
    )  # the gas cools by 2 to 12 meanwhile


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("size", [20.0, 100.0, 1e4])
@pytest.mark.parametrize("when", [1000, 5000])
def test_a_spike_is_no_leak(width, size, when):
    inventory = quiet(when + 3000, 11)
    inventory[when : when + width] -= size * SIGMA
    certainty, _ = run(detector(), inventory)
    assert certainty.max() < 1


@pytest.mark.parametrize("when", [1000, 5000])
def test_a_spike_is_no_event(when):
    inventory = quiet(when + 3000, 11)
    inventory[when] -= 100 * SIGMA
    _, events = run(detector(), inventory)
    assert not kinds(events)


@pytest.mark.parametrize(
    ("per_sample", "lasts"),
    [
        (0.1, 300),
        (0.01, 2000),
        (1.0, 100),
    ],
)
def test_a_leak_that_stops_is_over(per_sample, lasts):
    """A line through n samples is known to sqrt(12 / n^3): 5 of these must be a tenth of half the rate."""
    onset = 4000
    end, enough = onset + lasts, round((5 * math.sqrt(12) / (0.05 * per_sample)) ** (2 / 3))
    n = end + 2 * enough
    lost = ramp(n, onset, per_sample) - ramp(n, end, per_sample)
    certainty, events = run(detector(), quiet(n, 1) - lost)
    assert certainty[end - 1] >= 1
    assert certainty[-1] < 1
    assert kinds(events) == [Kind.FALL]


def test_of_a_leak_that_stopped_it_is_told_how_much_was_lost():
    lost = ramp(6000, 4000, 0.1) - ramp(6000, 4300, 0.1)
    _, events = run(detector(), quiet(6000, 12) - lost)
    (event,) = (event for _, event in events if event.kind is Kind.FALL)
    assert event.kg == pytest.approx(30 * SIGMA, abs=4 * SIGMA)
