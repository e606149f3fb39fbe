"""Inventory against time and temperature, by generalised least squares on bins.

kg = level + slope t + what temperature leaves + AR(1) noise. docs/calibration.md says why each step is as it is.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fsw.ground.lagged import Binned
from fsw.ground.series import Declared
from fsw.leak.thermal import NS_PER_S

LAGS_S = np.geomspace(1.0, 3600.0, 13)
LONGEST_LAG = 0.2  # of the span: more cannot be told from a drift
NEWTON_STEPS, LOG_STEP_MAX = 8, 0.5
LAG_STEP = 0.02  # of its logarithm, for a derivative
WORTH_A_TERM = 20.0  # twice the log likelihood that a second term must bring
COLLINEAR = 1e-13  # eigenvalues below this share of the largest are none
UNIFORM = 1 / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Fit:
    """Generalised least squares on bins. The columns: levels, time, then what temperature leaves."""

    values: Any
    covariance: Any
    lag_s: float
    now: bool  # a term of the temperature as read; with a lag: besides the lagged one
    levels: int
    misfit: float  # sum of the squared whitened residuals
    residual: Any
    lag_step: float  # by which the logarithm of the lag should be larger, where that was asked for

    @property
    def slope(self) -> tuple[float, float]:
        """(kg/s, standard error)."""
        at = self.levels
        return float(self.values[at]), math.sqrt(self.covariance[at, at])

    @property
    def sensitivity(self) -> tuple[float, float, float]:
        """(of the lagged temperature, besides it of that as read, standard error of their sum)."""
        first, count = self.levels + 1, int(self.lag_s > 0) + int(self.now)
        terms = [float(each) for each in self.values[first : first + count]]
        sigma = math.sqrt(float(np.sum(self.covariance[first : first + count, first : first + count])))
        return terms[0], terms[1] if count == 2 else 0.0, sigma

    @property
    def two(self) -> bool:
        """Whether it has both terms."""
        return self.lag_s > 0 and self.now


def _columns(binned: Binned, lag_s: float, now: bool, reference_k: float) -> list[Any]:
    """Levels, time, temperature terms; then what the fluid still had of the time before the recording."""
    levels = [(binned.level == each).astype(float) for each in np.unique(binned.level)]
    columns = [*levels, binned.time_s - binned.time_s.mean()]
    if lag_s > 0:
        columns.append(binned.lagged(lag_s) - reference_k)
    if now:
        columns.append(binned.others() - reference_k)
    if lag_s > 0:
        columns.append(np.exp(-(binned.time_s - binned.time_s[0]) / lag_s))
    return columns


def _fit(
    binned: Binned, rho: float, lag_s: float, now: bool, reference_k: float, with_lag: bool = False
) -> Fit:
    """`with_lag`: the error of the lag is in the errors of all else."""
    design = _columns(binned, lag_s, now, reference_k)
    levels, kept = len(np.unique(binned.level)), len(design)
    if with_lag and lag_s > 0:
        # Gauss and Newton's column for ln(lag), at a sensitivity fitted first.
        first = _fit(binned, rho, lag_s, now, reference_k).values[levels + 1]
        shift = math.exp(LAG_STEP / 2)
        column = first * (binned.lagged(lag_s * shift) - binned.lagged(lag_s / shift)) / LAG_STEP
        if float(np.ptp(column)) > 0:
            design.append(column)
    scale = np.array([math.sqrt(float(np.mean(column**2))) or 1.0 for column in design])
    white = [binned.whitened(column, rho) for column in design]
    target = binned.whitened(binned.kg, rho)
    # Scalar products one by one: the threads of a matrix library cost more than such small sums take.
    gram = np.array([[float(a @ b) for a in white] for b in white]) / np.outer(scale, scale)
    inverse = np.linalg.pinv(gram, rcond=COLLINEAR, hermitian=True) / np.outer(scale, scale)
    values = inverse @ np.array([float(column @ target) for column in white])
    left = target - sum(value * column for value, column in zip(values, white, strict=True))
    misfit = float(left @ left)
    residual = binned.kg - sum(value * column for value, column in zip(values, design, strict=True))
    covariance = misfit / max(1, len(left) - len(design)) * _inflation(left) ** 2 * inverse
    step = float(values[kept]) if len(design) > kept else 0.0
    return Fit(values[:kept], covariance[:kept, :kept], lag_s, now, levels, misfit, residual, step)


def _inflation(white: Any) -> float:
    """By how much slow noise exceeds what white residuals would leave in means of 4, 16, 64 ... of them."""
    variance, most = float(np.mean(white**2)), 1.0
    length = 4
    while len(white) // length >= 16:
        count = len(white) // length
        means = white[: count * length].reshape(count, length).mean(axis=1)
        most = max(most, float(np.mean(means**2)) * length / variance if variance > 0 else 1.0)
        length *= 4
    return math.sqrt(most)


def _correlation(binned: Binned, residual: Any) -> float:
    together = binned.run[1:] == binned.run[:-1]
    square = float(np.sum(residual**2))
    found = float(np.sum(residual[1:][together] * residual[:-1][together])) / square if square > 0 else 0.0
    return min(max(found, 0.0), 0.97)


def plain_fit(binned: Binned, reference_k: float) -> Fit:
    """Without a temperature term."""
    rho = 0.0
    for _ in range(3):
        fit = _fit(binned, rho, 0.0, False, reference_k)
        rho = _correlation(binned, fit.residual)
    return fit


def careful_slope(
    binned: Binned, fit: Fit, significant: bool, declared: Declared, reference_k: float
) -> tuple[float, float]:
    """The slope with what temperature may hide of it: by the board's bounds, where the recording does not know better.

    A temperature that bends but once looks like a leak to whoever does not know by how much the fluid lags.
    """
    thermal, rho = declared.thermal, _correlation(binned, fit.residual)
    lag_s = fit.lag_s if significant and not fit.two else 0.0
    columns = _columns(binned, lag_s, not lag_s, reference_k)
    bounds = [math.inf] * len(columns)
    if not significant:
        bounds[fit.levels + 1] = thermal.mismatch * declared.kg_per_k
    if thermal.lag:
        columns.append(binned.lagged(thermal.lag / NS_PER_S) - binned.others())
        bounds.append(declared.kg_per_k)
    white = [binned.whitened(column, rho) for column in columns]
    target = binned.whitened(binned.kg, rho)
    variance = fit.misfit / len(target)
    known = [variance / max(UNIFORM * bound, 1e-300) ** 2 for bound in bounds]
    gram = np.array([[float(a @ b) for a in white] for b in white]) + np.diag(known)
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    inverse = np.linalg.pinv(gram / np.outer(scale, scale), rcond=COLLINEAR, hermitian=True)
    inverse /= np.outer(scale, scale)
    values = inverse @ np.array([float(column @ target) for column in white])
    left = target - sum(value * column for value, column in zip(values, white, strict=True))
    sigma = math.sqrt(float(left @ left) / len(left) * inverse[fit.levels, fit.levels]) * _inflation(left)
    return float(values[fit.levels]), sigma


def fit_at_once(binned: Binned, reference_k: float) -> Fit:
    """With the temperature as read."""
    fit = _fit(binned, 0.0, 0.0, True, reference_k)
    return _fit(binned, _correlation(binned, fit.residual), 0.0, True, reference_k)


def best_fit(binned: Binned, reference_k: float) -> Fit:
    """The likeliest fit with a temperature term, or with two where the second is worth it."""
    span_s = float(binned.time_s[-1] - binned.time_s[0])
    rho = 0.0  # at first: what a wrong lag leaves is no noise, and whitened by it a temperature is mostly its own noise
    for _ in range(2):
        at_once = _fit(binned, rho, 0.0, True, reference_k)
        later = _likeliest(binned, rho, False, reference_k, span_s)
        both = _likeliest(binned, rho, True, reference_k, span_s)
        best = min(at_once, later, key=lambda fit: fit.misfit)
        if len(binned.time_s) * math.log(best.misfit / max(both.misfit, 1e-300)) > WORTH_A_TERM:
            best = both
        rho = _correlation(binned, best.residual)
    last = _fit(binned, rho, best.lag_s, best.now, reference_k, with_lag=True)
    # A lag that is still on its way, or at the end of its range, is not known: nor is what depends on it.
    terms = slice(best.levels + 1, best.levels + 1 + int(best.lag_s > 0) + int(best.now))
    unsettled = float(np.sum((last.values - best.values)[terms]))
    covariance = last.covariance.copy()
    covariance[terms.start, terms.start] += unsettled**2
    return replace(last, covariance=covariance)


def _likeliest(binned: Binned, rho: float, now: bool, reference_k: float, span_s: float) -> Fit:
    """Over the grid of lags, then by Gauss and Newton from the best of it."""
    lags = LAGS_S[: max(2, int(np.searchsorted(LAGS_S, LONGEST_LAG * span_s)))]
    best = min((_fit(binned, rho, float(lag), now, reference_k) for lag in lags), key=lambda fit: fit.misfit)
    for _ in range(NEWTON_STEPS):
        step = _fit(binned, rho, best.lag_s, now, reference_k, with_lag=True).lag_step
        lag_s = best.lag_s * math.exp(min(max(step, -LOG_STEP_MAX), LOG_STEP_MAX))
        closer = _fit(binned, rho, min(max(lag_s, lags[0]), lags[-1]), now, reference_k)
        if not closer.misfit < best.misfit:
            break
        best = closer
    return best
