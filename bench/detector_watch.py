"""The whole judge of a leak (`ull_watch`: noise learned, steps held back), fed with noise of sigma 1 at 10 Hz."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.stats import chi2

from fsw._core import ffi, lib

PERIOD_NS = 100_000_000
CHUNK = 1 << 14
FOREVER = 1e9  # batches: the noise of a baseline is learned from all of it
GAP_NS = 3_600_000_000_000


class Noise:
    """AR(1) of standard deviation 1, in one endless piece."""

    def __init__(self, phi: float, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.phi = phi
        self.scale = math.sqrt(1.0 - phi * phi)
        self.state = np.array([phi * self.rng.standard_normal()])

    def take(self, count: int) -> np.ndarray:
        white = self.rng.standard_normal(count) * self.scale
        if self.phi == 0.0:
            return white
        values, self.state = lfilter([1.0], [1.0, -self.phi], white, zi=self.state)
        return values


@dataclass(frozen=True)
class Learned:
    """Noise as `fsw calibrate` writes it."""

    sigma: float
    phi: float
    error: float  # relative standard error of the long-run sigma


def learn(values: np.ndarray) -> Learned:
    state, estimate = ffi.new("ull_noise *"), ffi.new("ull_noise_estimate *")
    lib.ull_noise_init(state, FOREVER)
    lib.ull_noise_run(state, ffi.from_buffer("double[]", values), values.size)
    lib.ull_noise_result(state, estimate)
    student = 1.0 + 1.2 / (estimate.batches - 1)  # as there
    return Learned(estimate.sigma, estimate.phi, student * estimate.error_long_run / estimate.sigma_long_run)


class Watch:
    """One vessel with the noise of a calibration, asked for one false alarm in `interval` samples."""

    def __init__(self, noise: Learned, interval: float) -> None:
        period_s = PERIOD_NS / 1e9
        settings = ffi.new(
            "ull_watch_settings *",
            {
                "false_alarm_s": interval * period_s,
                "memory": 1e4,
                "levels": 12,
                "gap_ns": GAP_NS,
                "calibrated": 1,
                "phi": noise.phi,
                "interval_s": period_s,
                "error": noise.error,
            },
        )
        self.state = ffi.new("ull_watch *")
        if lib.ull_watch_init(self.state, settings) != lib.ULL_OK:
            raise ValueError("settings out of bounds")
        self.sample = ffi.new("ull_watch_sample *", {"sigma": noise.sigma})

    def restart(self) -> None:
        """Forget the level."""
        lib.ull_watch_restart(self.state)

    def judge(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """After each value the certainty, and what happened with it (`ull_watch_event`)."""
        certainty, events = np.empty(values.size), np.empty(values.size, np.uint8)
        lib.ull_watch_run(
            self.state,
            self.sample,
            PERIOD_NS,
            ffi.from_buffer("double[]", values),
            values.size,
            ffi.from_buffer("double[]", certainty),
            ffi.from_buffer("uint8_t[]", events),
        )
        self.sample.time_ns += values.size * PERIOD_NS
        return certainty, events

    def run(self, values: np.ndarray) -> int | None:
        """Index of the first alarm; restart then, for all values have been taken."""
        over = self.judge(values)[0] >= 1.0
        first = int(over.argmax())
        return first if over[first] else None


@dataclass(frozen=True)
class Interval:
    """Measured mean number of samples between false alarms."""

    samples: float
    alarms: int

    @property
    def mean(self) -> float:
        return self.samples / self.alarms

    @property
    def bounds(self) -> tuple[float, float]:
        """Exact, 95 %."""
        low = 2.0 * self.samples / chi2.ppf(0.975, 2 * self.alarms)
        return float(low), float(2.0 * self.samples / chi2.ppf(0.025, 2 * self.alarms))

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.samples + other.samples, self.alarms + other.alarms)


def until_alarm(watch: Watch, noise: Noise) -> int:
    """Samples."""
    since = 0
    while (alarm := watch.run(noise.take(CHUNK))) is None:
        since += CHUNK
    return since + alarm + 1


def interval_after_baseline(phi: float, baseline: int, interval: float, alarms: int, seed: int) -> Interval:
    """Each alarm is that of another watch, which learns noise and level from its own `baseline` and no more."""
    noise, samples, counted = Noise(phi, seed), 0, 0
    while counted < alarms:
        quiet = noise.take(baseline)
        watch = Watch(learn(quiet), interval)
        if watch.run(quiet) is None:
            samples += until_alarm(watch, noise)
            counted += 1
    return Interval(samples, counted)


def interval_after_calibration(
    phi: float, calibration: int, interval: float, alarms: int, seed: int
) -> Interval:
    """One calibration, many alarms; after each the level is learned anew, and that time counts."""
    noise, samples = Noise(phi, seed), 0
    watch = Watch(learn(noise.take(calibration)), interval)
    for _ in range(alarms):
        watch.restart()
        samples += until_alarm(watch, noise)
    return Interval(samples, alarms)


def tail(rate: float, interval: float) -> int:
    """Samples in which a leak is found for certain: six times the best delay."""
    return int(6.0 * (6.0 * float(lib.ull_detector_threshold(interval)) / rate**2) ** (1 / 3)) + 32


def delays(phi: float, rate: float, baseline: int, interval: float, runs: int, seed: int) -> np.ndarray:
    """Samples from the onset to the alarm, the first sample that is below the level counted as 1. Noise and level are
    learned from `baseline`."""
    noise, found = Noise(phi, seed), []
    ramp = rate * np.arange(1, tail(rate, interval) + 1)
    while len(found) < runs:
        quiet = noise.take(baseline)
        watch = Watch(learn(quiet), interval)
        if watch.run(quiet) is not None:
            continue  # a false alarm before
        alarm = watch.run(noise.take(ramp.size) - ramp)
        if alarm is None:
            raise RuntimeError(f"a leak of {rate} sigma per sample was missed")
        found.append(alarm + 1)
    return np.array(found)
