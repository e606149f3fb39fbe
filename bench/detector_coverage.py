"""How often the 95 % intervals of rate and onset hold the truth (`ull_detector`, noise given)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.detector_watch import PERIOD_NS, Noise
from fsw._core import ffi, lib

LEAKS = (0.0005, 0.001, 0.002, 0.003, 0.01, 0.03, 0.1, 0.3)  # of fall, sigma per sample; read at
AFTER = (150, 600, 6_000)  # samples after the onset, where the leak stands out by
LEAST_Z = 4.0
INTERVAL = 1e6  # samples between false alarms


class Detector:
    """One vessel at an even 10 Hz; noise of sigma 1."""

    def __init__(self, phi: float, threshold: float) -> None:
        settings = ffi.new(
            "ull_detector_settings *",
            {
                "interval_ns": PERIOD_NS,
                "sigma": 1.0,
                "phi": phi,
                "threshold": threshold,
                "memory": 1e4,
                "levels": 12,
            },
        )
        self.state = ffi.new("ull_detector *")
        if lib.ull_detector_init(self.state, settings) != lib.ULL_OK:
            raise ValueError("settings out of bounds")
        self.samples = 0

    def restart(self) -> None:
        lib.ull_detector_restart(self.state)
        self.samples = 0

    def verdict(self) -> Any:
        verdict = ffi.new("ull_detector_verdict *")
        lib.ull_detector_result(self.state, verdict)
        return verdict

    def run(self, values: np.ndarray) -> int | None:
        """Index of the first alarm."""
        time_ns = np.arange(self.samples, self.samples + values.size, dtype=np.int64) * PERIOD_NS
        certainty = np.empty(values.size)
        lib.ull_detector_run(
            self.state,
            ffi.from_buffer("int64_t[]", time_ns),
            ffi.from_buffer("double[]", values),
            values.size,
            ffi.from_buffer("double[]", certainty),
        )
        self.samples += values.size
        over = certainty >= 1.0
        first = int(over.argmax())
        return first if over[first] else None


@dataclass(frozen=True)
class Coverage:
    """Of the 95 % intervals, read at a fixed time, alarm or not; rates in sigma per sample, times in samples."""

    rate: float
    onset: float
    alarmed: float
    bias: float  # of the rate, in units of the bound
    efficiency: float  # bound over root mean square error of the rate


def bound(phi: float, after: int) -> float:
    """Cramer and Rao, sigma per sample: a line of unknown onset and level. A level that is known does not lower it."""
    return math.sqrt(12.0 * (1.0 + phi) / (1.0 - phi) / after**3)


def standing_out(phi: float, leak: float, after: int) -> float:
    """z of a leak whose onset and level are known."""
    return leak * math.sqrt(after**3 / 3.0 * (1.0 - phi) / (1.0 + phi))


def coverage(phi: float, leak: float, baseline: int, runs: int, seed: int) -> dict[int, Coverage]:
    """For each `AFTER` that tells anything; the onset is anywhere in `baseline` to twice that."""
    detector = Detector(phi, float(lib.ull_detector_threshold(INTERVAL)))
    read = [after for after in AFTER if standing_out(phi, leak, after) > LEAST_Z]
    rng = np.random.default_rng(seed)
    seen: dict[int, list[tuple[float, ...]]] = {after: [] for after in read}
    for run in range(runs):
        onset = int(rng.integers(baseline, 2 * baseline))
        size = onset + read[-1] + 1
        values = Noise(phi, seed * 1_000_003 + run).take(size) - leak * np.maximum(np.arange(size) - onset, 0)
        detector.restart()
        for after in read:
            detector.run(values[detector.samples : onset + after + 1])
            v = detector.verdict()
            seconds = PERIOD_NS / 1e9
            seen[after].append(
                (
                    v.rate_per_s * seconds - leak,
                    v.sigma_rate_per_s * seconds,
                    v.onset_ns / PERIOD_NS - onset,
                    v.sigma_onset_s / seconds,
                    v.certainty,
                )
            )
    table = {}
    for after in read:
        error, sigma, late, sigma_late, certainty = np.array(seen[after]).T
        table[after] = Coverage(
            rate=float(np.mean(np.abs(error) < 1.96 * sigma)),
            onset=float(np.mean(np.abs(late) < 1.96 * sigma_late)),
            alarmed=float(np.mean(certainty >= 1.0)),
            bias=float(np.mean(error) / bound(phi, after)),
            efficiency=float(bound(phi, after) / np.sqrt(np.mean(error**2))),
        )
    return table
