"""How sure counted trials make us: exact bounds of probabilities, rates and quantiles.

Each bound holds by itself with the confidence asked for (0.95: it is wrong in one case out of twenty at most).
"""

import bisect
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Bounded(NamedTuple):
    """What was measured, and between which bounds the truth is. No trial at all: NaN between the widest bounds."""

    value: float
    low: float
    high: float


def probability(hits: int, trials: int, confidence: float) -> Bounded:
    """Clopper and Pearson (1934): no p below `low` gives so many hits, none above `high` so few, but by chance."""
    doubt = 1 - confidence
    low = _crossing(lambda p: _at_least(hits, trials, p) - doubt, 0.0, 1.0) if hits else 0.0
    high = (
        _crossing(lambda p: _at_least(hits + 1, trials, p) - confidence, 0.0, 1.0) if hits < trials else 1.0
    )
    return Bounded(hits / trials if trials else math.nan, low, high)


def rate(count: int, exposure: float, confidence: float) -> Bounded:
    """Garwood (1936): events per unit of exposure, when they come independently (Poisson)."""
    if exposure <= 0:
        return Bounded(math.nan, 0.0, math.inf)
    doubt = 1 - confidence
    most = 1.0
    while _more_than(count, most) < confidence:
        most *= 2
    low = _crossing(lambda mean: _more_than(count - 1, mean) - doubt, 0.0, most) if count else 0.0
    high = _crossing(lambda mean: _more_than(count, mean) - confidence, 0.0, most)
    return Bounded(count / exposure, low / exposure, high / exposure)


def quantile(values: Sequence[float], share: float, confidence: float) -> Bounded:
    """Of any distribution, by its order statistics: the smallest value that `share` of all do not exceed. What never
    came is infinite, and so is a bound that takes more trials; `values` are not negative.
    """
    ordered, trials = sorted(values), len(values)
    if not trials:
        return Bounded(math.nan, 0.0, math.inf)
    ranks = range(1, trials + 1)  # the k-th smallest is not above the quantile with P(X >= k), X binomial
    below = bisect.bisect_left(ranks, True, key=lambda rank: _at_least(rank, trials, share) < confidence)
    above = bisect.bisect_left(ranks, True, key=lambda rank: 1 - _at_least(rank, trials, share) >= confidence)
    return Bounded(
        ordered[max(1, math.ceil(share * trials - 1e-9)) - 1],
        ordered[below - 1] if below else 0.0,
        ordered[above] if above < trials else math.inf,
    )


def mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; NaN where there are too few values for it."""
    if len(values) < 2:
        return (values[0] if values else math.nan), math.nan
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def _at_least(hits: int, trials: int, p: float) -> float:
    """P(X >= hits), X binomial. Summed away from the mode, so that the first term counts and few others do."""
    if hits <= 0:
        return 1.0
    if hits > trials or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    odds = p / (1 - p)
    if hits > trials * p:
        return _sum(
            _binomial(hits, trials, p), lambda i: (trials - i) / (i + 1) * odds, range(hits, trials + 1)
        )
    first = _binomial(hits - 1, trials, p)
    return 1 - _sum(first, lambda i: i / (trials - i + 1) / odds, range(hits - 1, -1, -1))


def _more_than(count: int, expected: float) -> float:
    """P(X > count), X Poisson."""
    if count < 0:
        return 1.0
    if expected <= 0:
        return 0.0
    if count >= expected:
        most = range(count + 1, 10 * count + 1000)  # the terms are long nothing by then
        return _sum(_poisson(count + 1, expected), lambda i: expected / (i + 1), most)
    return 1 - _sum(_poisson(count, expected), lambda i: i / expected, range(count, -1, -1))


def _binomial(hits: int, trials: int, p: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
    return math.exp(ways + hits * math.log(p) + (trials - hits) * math.log1p(-p))


def _poisson(count: int, expected: float) -> float:
    return math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))


def _sum(term: float, ratio: Callable[[int], float], indices: range) -> float:
    """Of terms that fall: `ratio(i)` leads from term i to the next of `indices`."""
    total = 0.0
    for index in indices:
        total += term
        term *= ratio(index)
        if term <= total * 1e-18:
            break
    return min(1.0, total)


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses 0, by bisection to the last bit."""
    while low < (middle := (low + high) / 2) < high:
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return high
