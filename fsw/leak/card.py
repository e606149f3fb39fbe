"""The detection card: the smallest leak that is found in a given time with a probability of 95 %.

docs/calibration.md derives it; docs/leak-models.md has the statistic that it is about.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fsw._core import lib
from fsw.leak.allowance import BEND
from fsw.leak.calibration import UPPER_95

WAITS_S = (10.0, 60.0, 600.0, 3600.0, 86400.0)
BASELINE = 1e4  # samples behind the onset
BASELINE_SIGMA, BASELINE_MIN = 1.77, 16.0  # as in csrc/ull_detector.c
LEVELS = 12  # of the detector: its longest lag is 256 * 2^LEVELS samples
LONGEST_LAG = lib.ULL_DETECTOR_DENSE << LEVELS
LAG_RATIO = 1.03  # between the lags that are tried


@dataclass(frozen=True, slots=True)
class Basis:
    """What a vessel's sight rests on; all of it at rest."""

    sigma_kg: float  # of one inventory
    phi: float  # of neighbours
    interval_s: float
    false_alarm_s: float  # mean time between false alarms
    zero_kg_per_s: float  # a leak that counts as none
    lasting_kg_per_s: float  # what may pass for a leak for ever
    swing_kg: float  # what may pass for one for a while, in all
    passing_kg_per_s: float = math.inf  # and at most this fast


class Sight(NamedTuple):
    """The smallest leak that is found within a time: NaN where none can be."""

    wait_s: float
    rate_kg_per_s: float
    noise_kg_per_s: float  # the parts that it is made of
    thermal_kg_per_s: float
    zero_kg_per_s: float

    @property
    def limit(self) -> str:
        """Which part is the largest."""
        parts = {
            "noise": self.noise_kg_per_s,
            "temperature": self.thermal_kg_per_s,
            "zero leak": self.zero_kg_per_s,
        }
        return "" if math.isnan(self.rate_kg_per_s) else max(parts, key=lambda name: parts[name])


def card(basis: Basis, waits_s: Sequence[float] = WAITS_S) -> list[Sight]:
    """For each waiting time the best of all lags up to it."""
    sights = []
    for wait_s in waits_s:
        best = Sight(wait_s, math.nan, math.nan, math.nan, basis.zero_kg_per_s)
        for lag in _lags(wait_s / basis.interval_s):
            each = _at(basis, wait_s, lag)
            if not each.rate_kg_per_s >= best.rate_kg_per_s:
                best = each
        sights.append(best)
    return sights


def information(lag: float, phi: float, baseline: float = BASELINE) -> float:
    """Of the rate in sigma per sample, `lag` samples after the onset: I = g2 - v g1^2 / (1 + v g0), sigma 1."""
    return _fit(lag, phi, baseline)[0]


def _fit(lag: float, phi: float, baseline: float) -> tuple[float, float]:
    """The information, and by how much an error of the level shows in the rate, both for sigma 1."""
    scale = 1 / math.sqrt(1 - phi * phi)
    u, w = (1 - phi) * scale, phi * scale
    ones, ramp, squares = lag, lag * (lag + 1) / 2, lag * (lag + 1) * (2 * lag + 1) / 6
    g0 = u * u * ones
    g1 = u * (u * ramp + w * ones)
    g2 = u * u * squares + 2 * u * w * ramp + w * w * ones
    v = 1 / (baseline * u * u)
    known = g2 - v * g1 * g1 / (1 + v * g0)
    return known, g1 / (1 + v * g0) / known


def _at(basis: Basis, wait_s: float, lag: int) -> Sight:
    """With evidence of one lag: the alarm's bound, and as much more as 95 of 100 leaks reach."""
    lag_s = lag * basis.interval_s
    threshold = lib.ull_detector_threshold(basis.false_alarm_s / basis.interval_s)
    z = math.sqrt(lib.ull_detector_bound(threshold, lag)) + UPPER_95
    # What may drift bounds the baseline, and shifts its level by what it does in half of that: see csrc/ull_detector.c.
    drift = basis.lasting_kg_per_s + basis.zero_kg_per_s
    long_run_kg = basis.sigma_kg * math.sqrt((1 + basis.phi) / (1 - basis.phi))
    baseline = BASELINE
    if drift > 0:
        best = (BASELINE_SIGMA * long_run_kg / (drift * basis.interval_s)) ** (2 / 3)
        baseline = min(max(best, BASELINE_MIN), BASELINE)
    known, by_level = _fit(lag, basis.phi, baseline)
    noise = z / math.sqrt(known) * basis.sigma_kg / basis.interval_s
    late_s = baseline / 2 * basis.interval_s
    passing = BEND * min(basis.swing_kg / lag_s, basis.passing_kg_per_s)
    level_kg = basis.lasting_kg_per_s * late_s + min(basis.swing_kg, basis.passing_kg_per_s * late_s)
    thermal = basis.lasting_kg_per_s + passing + level_kg * by_level / basis.interval_s
    zero = basis.zero_kg_per_s * (1 + late_s * by_level / basis.interval_s)
    return Sight(wait_s, noise + thermal + zero, noise, thermal, zero)


def _lags(longest: float) -> Iterator[int]:
    last = min(math.floor(longest + 1e-9), LONGEST_LAG)
    lag = lib.ULL_DETECTOR_LAG_MIN
    while lag <= last:
        yield lag
        lag = last if lag < last < lag * LAG_RATIO else max(lag + 1, math.floor(lag * LAG_RATIO))
