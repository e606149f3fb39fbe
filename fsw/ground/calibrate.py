"""From the inventories of a healthy vessel to its calibration, a whole recording at once: what is fitted, what is left.

What the recording is too short to tell stays as declared, and a note says so.
"""

import math
from dataclasses import replace

import numpy as np

from fsw._core import lib
from fsw.ground import residual
from fsw.ground.fit import best_fit, careful_slope, fit_at_once, plain_fit
from fsw.ground.lagged import Binned, thinned
from fsw.ground.series import Declared, NotHealthyError, Series
from fsw.leak.calibration import SURE, UPPER_95, Calibration
from fsw.leak.thermal import NS_PER_S

SAMPLES_MIN = lib.ULL_NOISE_BATCHES * lib.ULL_NOISE_BATCH + lib.ULL_NOISE_SEGMENT
SIGNIFICANT = 3.5  # standard errors; tens of lags are tried


def calibrate(series: Series, declared: Declared) -> Calibration:
    """The calibration. NotHealthyError for a recording that is too short, full of gaps or has steps in it."""
    interval_s = _interval(series)
    inventory_kg, reference_k = float(np.mean(series.kg)), float(np.mean(series.temperature_k))
    series = _even(series, inventory_kg, reference_k)
    binned = thinned(series.time_s, series.kg, series.temperature_k, series.level, 5 * interval_s)
    moved_k = _moved(binned)
    notes: list[str] = []
    fit = best_fit(binned, reference_k)
    lagged, now, sensitivity_sigma = fit.sensitivity
    significant = fit.two or abs(lagged) > SIGNIFICANT * sensitivity_sigma
    declared_per_k = declared.thermal.mismatch * declared.kg_per_k
    slope, slope_sigma = careful_slope(binned, fit, significant, declared, reference_k)
    if fit.two:  # two models of one temperature: as far as they differ, neither is sure
        slope_sigma = math.hypot(fit.slope[1], fit.slope[0] - slope)
        slope = fit.slope[0]
    if not significant:  # nor is its lag, which chance has chosen
        sensitivity_sigma = fit_at_once(binned, reference_k).sensitivity[2]
        fit, lagged, now = plain_fit(binned, reference_k), 0.0, 0.0
        if SURE * sensitivity_sigma > declared_per_k:
            notes.append(
                f"temperature as declared: it moved only {moved_k:.2g} K, too little to tell what it leaves"
            )
            sensitivity_sigma = declared_per_k / SURE
    left_kg = residual.of(series, fit.slope[0], (lagged, now, fit.lag_s), reference_k)
    noise = residual.noise(series, left_kg, 5 * interval_s)
    residual.demand_no_step(series, left_kg, noise.sigma_long_run, interval_s)
    density = noise.sigma_long_run**2 * interval_s  # kg^2 s: of a mean over t it leaves density / t
    bins = replace(binned, kg=fit.residual)
    drift, swing = residual.drift(bins, density), residual.swing(bins, density)
    span_s = float(series.time_s[-1] - series.time_s[0])
    if drift is None:
        drift = declared.thermal.unseen_drift * declared.kg_per_k
        need_h = residual.WINDOWS_MIN * residual.LASTING_S / 3600
        notes.append(
            f"lasting drift as declared: it takes {need_h:g} h to tell, here are {span_s / 3600:.2g}"
        )
    if swing is None:
        swing = declared.thermal.fastest * declared.thermal.lag / NS_PER_S * declared.kg_per_k
        need_min = residual.BLOCKS_MIN * residual.SWINGS_S[0] / 60
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
