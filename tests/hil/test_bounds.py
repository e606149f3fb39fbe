"""Exact bounds, against scipy, the EPA's numbers, and what they promise: to be wrong no more often than they say."""

import math
import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from hil import bounds

CONFIDENCES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


@pytest.mark.parametrize(("trials", "proved"), [(24, 0.883), (59, 0.95)])
def test_so_many_of_so_many_prove_what_the_epa_protocol_says(trials: int, proved: float) -> None:
    # EPA's protocol for tank gauges: 24 of 24 prove no more than PD > 88.3 %, 59 of 59 prove 95 %, at 95 % confidence.
    found = bounds.probability(trials, trials, 0.95)
    assert found.low == pytest.approx(0.05 ** (1 / trials), rel=1e-12)
    assert found.low == pytest.approx(proved, abs=5e-4)
    assert (found.value, found.high) == (1.0, 1.0)
    assert bounds.probability(58, 58, 0.95).low < 0.95 < bounds.probability(59, 59, 0.95).low


@given(st.integers(1, 3000), st.data(), CONFIDENCES)
def test_a_probability_has_the_bounds_of_clopper_and_pearson(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    found = bounds.probability(hits, trials, confidence)
    low = stats.beta.ppf(1 - confidence, hits, trials - hits + 1) if hits else 0.0
    high = stats.beta.ppf(confidence, hits + 1, trials - hits) if hits < trials else 1.0
    assert found == pytest.approx((hits / trials, low, high), rel=1e-8)


@given(st.integers(0, 5000), st.floats(1e-3, 1e9), CONFIDENCES)
def test_a_rate_has_the_bounds_of_garwood(count: int, exposure: float, confidence: float) -> None:
    low = stats.chi2.ppf(1 - confidence, 2 * count) / 2 if count else 0.0
    high = stats.chi2.ppf(confidence, 2 * count + 2) / 2
    found = bounds.rate(count, exposure, confidence)
    assert found == pytest.approx((count / exposure, low / exposure, high / exposure), rel=1e-8)


def test_no_event_in_an_hour_leaves_room_for_three() -> None:
    assert bounds.rate(0, 1.0, 0.95).high == pytest.approx(-math.log(0.05))  # 2.996: the rule of three


@given(st.integers(1, 400), st.sampled_from([0.1, 0.5, 0.9, 0.95]), CONFIDENCES)
def test_a_quantile_is_bounded_by_the_ranks_of_the_binomial(
    trials: int, share: float, confidence: float
) -> None:
    values = [float(rank) for rank in range(1, trials + 1)]  # a value is its own rank
    found = bounds.quantile(values, share, confidence)
    # P(X_(r) <= quantile) = P(Bin >= r) and P(X_(s) >= quantile) = P(Bin <= s - 1) for any continuous distribution.
    ranks = np.arange(1, trials + 1)
    at_least, less = stats.binom.sf(ranks - 1, trials, share), stats.binom.cdf(ranks - 1, trials, share)
    assume(
        min(abs(at_least - confidence)) > 1e-9 and min(abs(less - confidence)) > 1e-9
    )  # else rounding decides
    below, above = ranks[at_least >= confidence], ranks[less >= confidence]
    assert found.low == (max(below) if len(below) else 0.0)
    assert found.high == (min(above) if len(above) else math.inf)


@pytest.mark.parametrize(("trials", "known"), [(58, False), (59, True)])
def test_the_longest_of_59_delays_bounds_95_percent_of_them(trials: int, known: bool) -> None:
    assert math.isfinite(bounds.quantile([float(rank) for rank in range(trials)], 0.95, 0.95).high) == known


def test_what_never_came_counts_in_a_quantile() -> None:
    found = bounds.quantile([1.0, math.inf, 2.0, math.inf, math.inf], 0.5, 0.5)
    assert math.isinf(found.value)
    assert bounds.quantile([1.0, 3.0, 2.0, math.inf, math.inf], 0.5, 0.95).value == 3.0


def test_the_bound_of_a_quantile_is_wrong_as_rarely_as_it_says() -> None:
    rng = random.Random(7)
    wrong = sum(
        bounds.quantile([rng.expovariate(1.0) for _ in range(80)], 0.95, 0.9).high < -math.log(0.05)
        for _ in range(1000)
    )
    assert wrong <= stats.binom.ppf(0.999, 1000, 0.1)


def test_nothing_tried_is_nothing_known() -> None:
    for found, widest in (
        (bounds.probability(0, 0, 0.95), 1.0),
        (bounds.rate(0, 0.0, 0.95), math.inf),
        (bounds.quantile([], 0.5, 0.95), math.inf),
    ):
        assert math.isnan(found.value)
        assert (found.low, found.high) == (0.0, widest)
    assert math.isnan(bounds.mean([])[0])
    assert math.isnan(bounds.mean([3.0])[1])


def test_a_mean_comes_with_its_standard_error() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    assert bounds.mean(values) == pytest.approx((4.0, stats.sem(values)))
