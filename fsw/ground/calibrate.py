"""From the inventories of a healthy vessel to its calibration: whole recordings at once, by least squares.

kg = level + slope t + what temperature leaves + AR(1) noise. docs/calibration.md says why each step is as it is.
"""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from fsw._core import ffi, lib
from fsw.ground.lagged import Binned, low_pass, thinned
from fsw.leak.calibration import SURE, UPPER_95, Calibration
from fsw.leak.thermal import NS_PER_S, Thermal

SAMPLES_MIN = lib.ULL_NOISE_BATCHES * lib.ULL_NOISE_BATCH + lib.ULL_NOISE_SEGMENT
LAGS_S = np.geomspace(1.0, 3600.0, 13)
LONGEST_LAG = 0.2  # of the span: more cannot be told from a drift
NEWTON_STEPS, LOG_STEP_MAX = 8, 0.5
LAG_STEP = 0.02  # of its logarithm, for a derivative
SIGNIFICANT = 3.5  # standard errors; tens of lags are tried
WORTH_A_TERM = 20.0  # twice the log likelihood that a second term must bring
STEP_SAMPLES, STEP_SIGMAS = 16, 8.0
LASTING_S, SWINGS_S = 1800.0, (60.0, 120.0, 300.0, 600.0)
WINDOWS_MIN, BLOCKS_MIN = 4, 8  # of a span: lasting slopes, passing changes
OF_A_WINDOW = 0.6  # that must be there
TEMPERATURE_BLOCKS = 50  # whose means say how far it moved
COLLINEAR = 1e-13  # eigenvalues below this share of the largest are none
UNIFORM = 1 / math.sqrt(3)


class NotHealthyError(ValueError):
    """Nothing can be learned from this; the text says why and what to do. `at_s`: where, if it is somewhere."""

    def __init__(self, text: str, at_s: float | None = None) -> None:
        super().__init__(text)
        self.at_s = at_s


@dataclass(frozen=True, slots=True)
class Series:
    """One vessel's good inventories. `level`: a number that changes where the vessel was refilled or vented."""

    time_s: Any
    kg: Any
    temperature_k: Any
    level: Any


@dataclass(frozen=True, slots=True)
class Declared:
    """What the board says of the same."""

    noise_kg: float  # of one inventory
    kg_per_k: float  # what a kelvin that is not measured looks like
    thermal: Thermal
    zero_leak_kg_per_s: float
    pressure_pa: float  # the mean


@dataclass(frozen=True, slots=True)
class _Fit:
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


def calibrate(series: Series, declared: Declared) -> Calibration:
    """The calibration. NotHealthyError for a recording that is too short, full of gaps or has steps in it."""
    interval_s = _interval(series)
    inventory_kg, reference_k = float(np.mean(series.kg)), float(np.mean(series.temperature_k))
    series = _even(series, inventory_kg, reference_k)
    binned = thinned(series.time_s, series.kg, series.temperature_k, series.level, 5 * interval_s)
    moved_k = _moved(binned)
    notes: list[str] = []
    fit = _best_fit(binned, reference_k)
    lagged, now, sensitivity_sigma = fit.sensitivity
    significant = fit.two or abs(lagged) > SIGNIFICANT * sensitivity_sigma
    declared_per_k = declared.thermal.mismatch * declared.kg_per_k
    slope, slope_sigma = _careful_slope(binned, fit, significant, declared, reference_k)
    if fit.two:  # two models of one temperature: as far as they differ, neither is sure
        slope_sigma = math.hypot(fit.slope[1], fit.slope[0] - slope)
        slope = fit.slope[0]
    if not significant:  # nor is its lag, which chance has chosen
        sensitivity_sigma = _at_once(binned, reference_k).sensitivity[2]
        fit, lagged, now = _plain_fit(binned, reference_k), 0.0, 0.0
        if SURE * sensitivity_sigma > declared_per_k:
            notes.append(
                f"temperature as declared: it moved only {moved_k:.2g} K, too little to tell what it leaves"
            )
            sensitivity_sigma = declared_per_k / SURE
    residual = _residual(series, fit.slope[0], (lagged, now, fit.lag_s), reference_k)
    noise = _noise(series, residual, 5 * interval_s)
    _demand_no_step(series, residual, noise.sigma_long_run, interval_s)
    density = noise.sigma_long_run**2 * interval_s  # kg^2 s: of a mean over t it leaves density / t
    bins = replace(binned, kg=fit.residual)
    drift, swing = _drift(bins, density), _swing(bins, density)
    span_s = float(series.time_s[-1] - series.time_s[0])
    if drift is None:
        drift = declared.thermal.unseen_drift * declared.kg_per_k
        need_h = WINDOWS_MIN * LASTING_S / 3600
        notes.append(
            f"lasting drift as declared: it takes {need_h:g} h to tell, here are {span_s / 3600:.2g}"
        )
    if swing is None:
        swing = declared.thermal.fastest * declared.thermal.lag / NS_PER_S * declared.kg_per_k
        need_min = BLOCKS_MIN * SWINGS_S[0] / 60
        notes.append(
            f"passing changes as declared: it takes {need_min:g} min to tell, here are {span_s / 60:.2g}"
        )
    zero, zero_sigma = -slope, slope_sigma
    if zero - UPPER_95 * zero_sigma > max(declared.zero_leak_kg_per_s, 0.0):
        notes.append("it loses more than the zero_leak of the board: is it tight?")
    # Few batches know their own scatter badly: Student's t against the normal one.
    student = 1 + 1.2 / (noise.batches - 1)
    return Calibration(
        samples=len(series.kg),
        interval_s=interval_s,
        noise=noise.sigma / declared.noise_kg,
        phi=noise.phi,
        noise_error=student * noise.error_long_run / noise.sigma_long_run,
        kg_per_k=lagged,
        kg_per_k_now=now,
        kg_per_k_sigma=sensitivity_sigma,
        lag_s=fit.lag_s if significant else 0.0,
        reference_k=reference_k,
        inventory_kg=inventory_kg,
        temperature_span_k=moved_k,
        pressure_pa=declared.pressure_pa,
        zero_leak_kg_per_s=zero,
        zero_leak_sigma_kg_per_s=zero_sigma,
        drift_kg_per_s=drift,
        swing_kg=swing,
        notes=tuple(notes),
    )


def _even(series: Series, inventory_kg: float, reference_k: float) -> Series:
    """On the scale of logarithms, where what temperature leaves is a sum: see `Calibration.even_k`."""
    if float(np.min(series.kg)) <= 0 or float(np.min(series.temperature_k)) <= 0:
        raise NotHealthyError("its inventory or its temperature is 0 or less: is the board right?")
    return replace(
        series,
        kg=inventory_kg * (1 + np.log(series.kg / inventory_kg)),
        temperature_k=reference_k * (1 + np.log(series.temperature_k / reference_k)),
    )


def _interval(series: Series) -> float:
    """Median distance of neighbours."""
    count = len(series.kg)
    if count < SAMPLES_MIN:
        raise NotHealthyError(f"{count} good inventories; it takes {SAMPLES_MIN}: record for longer")
    if float(np.ptp(series.kg)) == 0:
        raise NotHealthyError("its inventory does not change by a bit: is the instrument alive?")
    steps = np.diff(series.time_s)
    interval_s = float(np.median(steps))
    missing = 1 - count * interval_s / float(np.sum(steps[np.diff(series.level) == 0]))
    if missing > 0.5:
        raise NotHealthyError(f"{missing:.0%} of its inventories are missing: record it without gaps")
    return interval_s


def _moved(binned: Binned) -> float:
    """How far the temperature moved, nearly from end to end; bins have little noise."""
    low, high = np.percentile(binned.temperature_k, (1, 99))
    return float(high - low)


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
) -> _Fit:
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
    return _Fit(values[:kept], covariance[:kept, :kept], lag_s, now, levels, misfit, residual, step)


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


def _plain_fit(binned: Binned, reference_k: float) -> _Fit:
    rho = 0.0
    for _ in range(3):
        fit = _fit(binned, rho, 0.0, False, reference_k)
        rho = _correlation(binned, fit.residual)
    return fit


def _careful_slope(
    binned: Binned, fit: _Fit, significant: bool, declared: Declared, reference_k: float
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


def _at_once(binned: Binned, reference_k: float) -> _Fit:
    fit = _fit(binned, 0.0, 0.0, True, reference_k)
    return _fit(binned, _correlation(binned, fit.residual), 0.0, True, reference_k)


def _best_fit(binned: Binned, reference_k: float) -> _Fit:
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


def _likeliest(binned: Binned, rho: float, now: bool, reference_k: float, span_s: float) -> _Fit:
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


def _residual(series: Series, slope: float, thermal: tuple[float, float, float], reference_k: float) -> Any:
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


def _noise(series: Series, residual: Any, longest_s: float) -> Any:
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


def _demand_no_step(series: Series, residual: Any, sigma: float, interval_s: float) -> None:
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


def _drift(bins: Binned, density: float) -> float | None:
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


def _swing(bins: Binned, density: float) -> float | None:
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
