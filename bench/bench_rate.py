"""The stated interval of the leak rate, read 60 s and 600 s after the onset at 10 Hz: how often it holds the truth.

Through `fsw.leak.detector.Detector`, noise learned, the onset anywhere between two samples. The bound is that of a
straight line of unknown level through what came since the onset: sd = sigma sqrt(12 (1 + phi) / ((1 - phi) n^3)).
"""

import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from fsw._core import ffi, lib
from fsw.leak.allowance import Allowance
from fsw.leak.detector import CERTAIN, Detector, Settings

PERIOD_NS, HZ = 100_000_000, 10.0
BASELINE, RUNS = 10_000, 2_000
YEAR_S = 31_557_600.0
CASES = [(phi, rate, n) for phi in (0.0, 0.5) for rate in (0.1, 0.01, 0.003) for n in (600, 6000)]


def read(phi: float, rate: float, n: int, runs: int, seed: int) -> tuple[int, int, float]:
    """(certain, held within 1.96 sigma, rms error in sigma per sample)."""
    rng = np.random.default_rng(seed)
    certain, held, squares = 0, 0, 0.0
    for _ in range(runs):
        values = course(rng, phi, rate, n)
        detector = Detector(Settings(), YEAR_S)
        detector.expect(1.0, 0.0, Allowance())
        detector._sample.time_ns = 1
        lib.ull_watch_run(
            detector._watch,
            detector._sample,
            PERIOD_NS,
            ffi.from_buffer("double[]", values),
            values.size,
            ffi.NULL,
            ffi.NULL,
        )
        verdict = detector.verdict(1 + (values.size - 1) * PERIOD_NS)
        if verdict is None or detector._watch.certainty < CERTAIN:
            continue
        certain += 1
        error = verdict.rate / HZ - rate
        held += abs(error) < 1.96 * verdict.sigma / HZ
        squares += error * error
    return certain, held, math.sqrt(squares / max(certain, 1))


def course(rng: np.random.Generator, phi: float, rate: float, n: int) -> NDArray[np.float64]:
    """A level of 0, BASELINE samples of it, and then a fall; unit sigma of one sample."""
    white = rng.standard_normal(BASELINE + n) * math.sqrt(1 - phi * phi)
    values: NDArray[np.float64] = lfilter([1.0], [1.0, -phi], white)
    values[BASELINE:] -= rate * (np.arange(1, n + 1) - rng.random())
    return values


def bound(phi: float, n: int) -> float:
    """Standard error of the rate, sigma per sample."""
    return math.sqrt(12 * (1 + phi) / ((1 - phi) * n**3))


def main() -> None:
    """One line a case."""
    print(f"{RUNS} runs each, {BASELINE} samples before; goal 93 to 97 %, bound over rms error at least 0.9")
    print(
        f"{'phi':>5}{'sigma/sample':>14}{'read after':>12}{'certain':>9}{'95 % holds':>12}{'bound/rms':>11}"
    )
    with ProcessPoolExecutor() as pool:
        runs = [pool.submit(read, *case, RUNS, 11 + number) for number, case in enumerate(CASES)]
        for (phi, rate, n), run in zip(CASES, runs, strict=True):
            certain, held, rms = run.result()
            share, efficiency = held / max(certain, 1), bound(phi, n) / rms
            missed = "" if 0.93 <= share <= 0.97 and efficiency >= 0.9 else "  MISSED"
            print(f"{phi:5.1f}{rate:14g}{n / HZ:10.0f} s{certain:9d}{share:12.1%}{efficiency:11.2f}{missed}")


if __name__ == "__main__":
    main()
