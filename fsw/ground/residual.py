"""What a fit leaves of the inventories: their noise, steps that must not be, and how far they drift and swing."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from fsw._core import ffi, lib
from fsw.ground.lagged import Binned, low_pass
from fsw.ground.series import NotHealthyError, Series
from fsw.leak.calibration import UPPER_95

STEP_SAMPLES, STEP_SIGMAS = 16, 8.0
LASTING_S, SWINGS_S = 1800.0, (60.0, 120.0, 300.0, 600.0)
WINDOWS_MIN, BLOCKS_MIN = 4, 8  # of a span: lasting slopes, passing changes
OF_A_WINDOW = 0.6  # that must be there


def of(series: Series, slope: float, thermal: tuple[float, float, float], reference_k: float) -> Any:
    """Of every sample, with the low-pass that runs live."""
    lagged, now, lag_s = thermal
    residual = series.kg - slope * series.time_s
    if lagged:
        residual -= lagged * (low_pass(series.time_s, series.temperature_k, lag_s) - reference_k)
    if now:
        residual -= now * (series.temperature_k - reference_k)
    for each in np.unique(series.level):
        inside = series.level == each
        residual[inside] -= residual[inside].mean()
    return residual


def noise(series: Series, residual: Any, longest_s: float) -> Any:
    """The `ull_noise_estimate` of a residual; a step in time above `longest_s` is a gap."""
    state: Any = ffi.new("ull_noise *")
    estimate: Any = ffi.new("ull_noise_estimate *")
    lib.ull_noise_init(state, 1e9)
    breaks = np.flatnonzero((np.diff(series.time_s) > longest_s) | (np.diff(series.level) != 0)) + 1
    run: Any
    for run in np.split(np.ascontiguousarray(residual), breaks):
        lib.ull_noise_pause(state)
        lib.ull_noise_run(state, ffi.from_buffer("double[]", run), len(run))
    lib.ull_noise_result(state, estimate)
    if math.isnan(estimate.sigma):
        raise NotHealthyError("its inventories are too torn by gaps to tell their noise: record without gaps")
    return estimate


def demand_no_step(series: Series, residual: Any, sigma: float, interval_s: float) -> None:
    """Means of neighbouring stretches of 1.6 s (at 10 Hz) that differ by more than noise ever does."""
    h = STEP_SAMPLES
    sums = np.concatenate([[0.0], np.cumsum(residual)])
    jumps = (sums[2 * h :] - 2 * sums[h:-h] + sums[: -2 * h]) / h
    together = series.level[2 * h - 1 :] == series.level[: len(residual) - 2 * h + 1]
    together &= series.time_s[2 * h - 1 :] - series.time_s[: len(together)] < 4 * h * interval_s
    jumps = np.abs(np.where(together, jumps, 0.0))
    at = int(np.argmax(jumps))
    if jumps[at] > STEP_SIGMAS * sigma * math.sqrt(2 / h):
        time_s = float(series.time_s[at + h])
        raise NotHealthyError(
            f"a step of {jumps[at]:.2g} kg: mark it in the recording's event column, or leave it out with"
            " --from and --to",
            time_s,
        )


def _chance(count: int) -> float:
    """What the largest of so many standard normal numbers, either sign, stays below in 95 of 100 cases."""
    return NormalDist().inv_cdf(1 - (1 - 0.95 ** (1 / count)) / 2)


def drift(bins: Binned, density: float) -> float | None:
    """Upper 95 % bound of a lasting slope; None where the recording is too short.

    For each length of window: the steepest. What noise cannot explain of it is there; and the scale that bounds it
    most tightly, the steepest and 1.645 standard errors more, bounds the rest.
    """
    span_s = float(bins.time_s[-1] - bins.time_s[0])
    length_s, least, bound = LASTING_S, 0.0, math.inf
    while length_s * WINDOWS_MIN <= span_s:
        slopes, sigmas = _slopes(bins, length_s, density)
        if len(slopes):
            steepest = int(np.argmax(np.abs(slopes)))
            slope, sigma = abs(float(slopes[steepest])), float(sigmas[steepest])
            least = max(least, slope - _chance(len(slopes)) * sigma)
            bound = min(bound, slope + UPPER_95 * sigma)
        length_s *= 2
    return max(least, bound) if math.isfinite(bound) else None


def _slopes(bins: Binned, length_s: float, density: float) -> tuple[Any, Any]:
    """Of windows of one length, each beginning in the middle of the one before."""
    slopes, sigmas = [], []
    begin_s, end_s = bins.time_s[0] - bins.span_s / 2, bins.time_s[-1]
    for number in range(int((end_s - begin_s) / length_s * 2)):
        first_s = begin_s + number * length_s / 2
        a, b = np.searchsorted(bins.time_s, (first_s, first_s + length_s))
        if (b - a) * bins.span_s < OF_A_WINDOW * length_s or bins.level[a] != bins.level[b - 1]:
            continue
        t = bins.time_s[a:b] - bins.time_s[a:b].mean()
        square = float(t @ t)
        slopes.append(float(t @ bins.kg[a:b]) / square)
        sigmas.append(math.sqrt(density / bins.span_s / square))
    return np.array(slopes), np.array(sigmas)


def swing(bins: Binned, density: float) -> float | None:
    """The largest passing change beyond noise: a mean over minutes against those before and after it."""
    span_s = float(bins.time_s[-1] - bins.time_s[0])
    largest: float | None = None
    for length_s in SWINGS_S:
        if length_s * BLOCKS_MIN > span_s or length_s < bins.span_s:
            continue
        block = ((bins.time_s - bins.time_s[0]) // length_s).astype(np.int64)
        first = np.flatnonzero(np.diff(block, prepend=-1))
        counts = np.diff(first, append=len(block))
        means = np.add.reduceat(bins.kg, first) / counts
        number, level = block[first], bins.level[first]
        sound = counts * bins.span_s >= OF_A_WINDOW * length_s
        sound[1:-1] &= sound[:-2] & sound[2:] & (number[2:] - number[:-2] == 2) & (level[2:] == level[:-2])
        bends = np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2)[sound[1:-1]]
        if len(bends):
            sigma = math.sqrt(1.5 * density / length_s)
            largest = max(largest or 0.0, float(bends.max()) - _chance(len(bends)) * sigma)
    return largest
