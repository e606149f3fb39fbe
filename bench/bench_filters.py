"""The sliding filters of the C core against numpy, bottleneck and scipy, on the same samples, in turns, in one process.

Then what a billion pushes do to their sums, and how many samples a second pass filters and detector together.
"""

import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import bottleneck as bn
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from bench.detector_coverage import Detector
from fsw import sliding
from fsw._core import ffi, lib

WINDOWS = (15, 101, 1001)
ROUNDS = 15
PERIOD_NS = 100_000_000
SAMPLES = 100_000  # three hours at 10 Hz
COMPARED = 10_000  # cumulative sums lose their digits on the way: later they disagree with anybody
NUMPY_SAMPLES = 4_000  # numpy sorts every window: fewer samples, same cost each
MEDIAN_GOAL = 0.25  # of bottleneck, up to a window of 15; beyond, 1.0 of the best of it and scipy
HAMPEL_GOALS = {15: 0.2, 101: 0.05, 1001: 0.02}  # of numpy
MOMENTS_GOAL = 1.1  # of bottleneck
SLOPE_GOAL = 0.3  # of the cumulative sums
PUSHES = 1_000_000_000
DRIFT_GOAL = 1.0  # error after PUSHES, of that after 10^4
DRIFT_WINDOW = 101
LAST = 10_000
CHAIN_GOAL_PER_S = 1e7

Contestant = tuple[Callable[[], object], int]


def hampel_numpy(values: np.ndarray, window: int) -> np.ndarray:
    """The outliers among all but the first `window - 1` samples, exactly."""
    windows = sliding_window_view(values, window)
    median = np.median(windows, axis=1)
    mad = np.median(np.abs(windows - median[:, None]), axis=1)
    return np.abs(values[window - 1 :] - median) > 5.0 * np.maximum(1.482602218505602 * mad, 1.0)


def slope_cumsum(times_s: np.ndarray, values: np.ndarray, window: int) -> np.ndarray:
    """Per second, of all but the first `window - 1` samples; loses digits in the long run."""
    t, v = times_s - times_s[0], values - values[0]

    def over_window(terms: np.ndarray) -> np.ndarray:
        total = np.zeros(terms.size + 1)
        np.cumsum(terms, out=total[1:])
        return total[window:] - total[:-window]

    sum_t, sum_v = over_window(t), over_window(v)
    return (window * over_window(t * v) - sum_t * sum_v) / (window * over_window(t * t) - sum_t**2)


def slope_cumsum_uneven(time_ns: np.ndarray, values: np.ndarray, window_ns: int) -> np.ndarray:
    """Per second, over the samples at most `window_ns` older, however they are spaced."""
    first = np.searchsorted(time_ns, time_ns - window_ns)
    end = np.arange(1, values.size + 1)
    t, v = (time_ns - time_ns[0]) * 1e-9, values - values[0]

    def over_window(terms: np.ndarray) -> np.ndarray:
        total = np.zeros(terms.size + 1)
        np.cumsum(terms, out=total[1:])
        return total[end] - total[first]

    n, sum_t, sum_v = end - first, over_window(t), over_window(v)
    with np.errstate(invalid="ignore"):
        return (n * over_window(t * v) - sum_t * sum_v) / (n * over_window(t * t) - sum_t**2)


def ns_per_sample(contestants: dict[str, Contestant]) -> dict[str, list[float]]:
    """CPU time of rounds in which each contestant has its turn; each comes with the number of its samples.

    The better of two runs counts: the first finds the caches as the one before left them.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (run, samples) in contestants.items():
            times = []
            for _ in range(2):
                start = time.thread_time_ns()
                run()
                times.append((time.thread_time_ns() - start) / samples)
            taken[name].append(min(times))
    return taken


def agree(what: str, window: int, core: np.ndarray, peer: np.ndarray, rtol: float = 0.0) -> None:
    """The answers are compared before the clocks are; the first windows, which peers leave out, apart."""
    if not np.allclose(core[window - 1 :], peer[window - 1 :], rtol=rtol, atol=rtol):
        raise AssertionError(f"{what}: core and peer disagree at window {window}")


def median(values: np.ndarray, window: int) -> None:
    agree("median", window, sliding.median(values, window), bn.move_median(values, window))
    taken = ns_per_sample(
        {
            "core": (lambda: sliding.median(values, window), values.size),
            "bottleneck": (lambda: bn.move_median(values, window), values.size),
            "scipy": (lambda: median_filter(values, window), values.size),
        }
    )
    if window <= lib.ULL_NETWORK_WINDOW_MAX:
        row("median against bottleneck", window, taken["core"], taken["bottleneck"], MEDIAN_GOAL)
        row("median against scipy", window, taken["core"], taken["scipy"], None)
    else:
        row("median against bottleneck", window, taken["core"], taken["bottleneck"], 1.0)
        row("median against scipy", window, taken["core"], taken["scipy"], 1.0)


def hampel(values: np.ndarray, window: int) -> None:
    some = values[: NUMPY_SAMPLES + window - 1]
    if not np.array_equal(sliding.hampel(some, window, 1.0)[1][window - 1 :], hampel_numpy(some, window)):
        raise AssertionError(f"hampel: core and numpy disagree at window {window}")
    taken = ns_per_sample(
        {
            "core": (lambda: sliding.hampel(values, window, 1.0), values.size),
            "numpy": (lambda: hampel_numpy(some, window), NUMPY_SAMPLES),
        }
    )
    row("hampel against numpy", window, taken["core"], taken["numpy"], HAMPEL_GOALS[window])


def moments(values: np.ndarray, window: int) -> None:
    agree("mean", window, sliding.mean(values, window), bn.move_mean(values, window), 1e-9)
    agree("std", window, sliding.std(values, window), bn.move_std(values, window, ddof=1), 1e-6)
    taken = ns_per_sample(
        {
            "mean": (lambda: sliding.mean(values, window), values.size),
            "bottleneck mean": (lambda: bn.move_mean(values, window), values.size),
            "std": (lambda: sliding.std(values, window), values.size),
            "bottleneck std": (lambda: bn.move_std(values, window, ddof=1), values.size),
        }
    )
    row("mean against bottleneck", window, taken["mean"], taken["bottleneck mean"], MOMENTS_GOAL)
    row("std against bottleneck", window, taken["std"], taken["bottleneck std"], MOMENTS_GOAL)


def slope(time_ns: np.ndarray, values: np.ndarray, window: int) -> None:
    """scipy can do it for evenly spaced samples only."""
    times_s = time_ns * 1e-9
    window_ns = (window - 1) * PERIOD_NS
    few = slice(window, COMPARED)
    core = sliding.slope(time_ns, values, window_ns)[few]
    peer = slope_cumsum(times_s[:COMPARED], values[:COMPARED], window)[1:]
    if not np.allclose(core, peer, rtol=1e-4, atol=1e-4):
        raise AssertionError(f"slope: core and cumulative sums disagree at window {window}")
    taken = ns_per_sample(
        {
            "core": (lambda: sliding.slope(time_ns, values, window_ns), values.size),
            "cumsum": (lambda: slope_cumsum(times_s, values, window), values.size),
            "savgol": (lambda: savgol_filter(values, window, 1, deriv=1, delta=0.1), values.size),
        }
    )
    row("slope against cumsum", window, taken["core"], taken["cumsum"], SLOPE_GOAL)
    row("slope against savgol", window, taken["core"], taken["savgol"], None)
    uneven_ns = time_ns + np.random.default_rng(window).integers(0, PERIOD_NS // 10, time_ns.size)
    core = sliding.slope(uneven_ns, values, window_ns)[few]
    if not np.allclose(core, slope_cumsum_uneven(uneven_ns, values, window_ns)[few], rtol=1e-4, atol=1e-4):
        raise AssertionError(f"uneven slope: core and cumulative sums disagree at window {window}")
    taken = ns_per_sample(
        {
            "core": (lambda: sliding.slope(uneven_ns, values, window_ns), values.size),
            "cumsum": (lambda: slope_cumsum_uneven(uneven_ns, values, window_ns), values.size),
        }
    )
    row("uneven slope, cumsum", window, taken["core"], taken["cumsum"], SLOPE_GOAL)


def row(what: str, window: int, core: list[float], peer: list[float], goal: float | None) -> None:
    """One line of the table, per sample; the ratio is that within a round, for clocks of shared machines wander."""
    ratio = statistics.median(a / b for a, b in zip(core, peer, strict=True))
    stated = "" if goal is None else f"{goal:8.2f}" + ("" if ratio <= goal else "  MISSED")
    times = f"{statistics.median(core):9.1f}{statistics.median(peer):10.1f}"
    print(f"{what:26}{window:6d}{times}{ratio:9.4f}{stated}", flush=True)


class Pushed:
    """A slope and the moments of one endless series, 0.1 MPa and a pascal of noise, at 10 Hz."""

    def __init__(self) -> None:
        self.kept = (
            ffi.new("ull_slope_sample[]", DRIFT_WINDOW),
            ffi.new("double[]", 3 * DRIFT_WINDOW),
        )
        self.slope, self.moments = ffi.new("ull_slope *"), ffi.new("ull_moments *")
        lib.ull_slope_init(self.slope, self.kept[0], DRIFT_WINDOW, lib.ULL_SLOPE_WINDOW_MAX_NS, 0.0)
        lib.ull_moments_init(self.moments, self.kept[1], DRIFT_WINDOW)
        self.pushes = 0

    def push(self, values: np.ndarray) -> np.ndarray:
        """Mean, deviation and slope after the last of them."""
        time_ns = np.arange(self.pushes, self.pushes + values.size, dtype=np.int64) * PERIOD_NS
        index = np.zeros(values.size, np.uint32)
        series = ffi.from_buffer("double[]", values)
        lib.ull_slope_push_many(
            self.slope,
            1,
            ffi.from_buffer("uint32_t[]", index),
            ffi.from_buffer("int64_t[]", time_ns),
            series,
            values.size,
            ffi.NULL,
            ffi.NULL,
        )
        mean, std = np.empty(values.size), np.empty(values.size)
        lib.ull_moments_run(
            self.moments,
            series,
            values.size,
            ffi.from_buffer("double[]", mean),
            ffi.from_buffer("double[]", std),
        )
        self.pushes += values.size
        fit = ffi.new("ull_slope_fit *")
        lib.ull_slope_result(self.slope, fit)
        return np.array([mean[-1], std[-1], fit.slope_per_s])

    def errors(self, values: np.ndarray) -> np.ndarray:
        """Root of the mean square error of each, sample by sample, against fractions; the window is full."""
        window = list(values[:DRIFT_WINDOW])
        self.push(values[:DRIFT_WINDOW])
        squares = np.zeros(3)
        for value in values[DRIFT_WINDOW:]:
            window = [*window[1:], value]
            squares += (self.push(np.array([value])) - exactly(window)) ** 2
        return np.sqrt(squares / (values.size - DRIFT_WINDOW))


def exactly(window: list[float]) -> np.ndarray:
    """Mean, deviation and slope per second of samples at 10 Hz."""
    exact = [Fraction(value) for value in window]
    n = len(exact)
    mean = sum(exact) / n
    variance = sum((value - mean) ** 2 for value in exact) / (n - 1)
    about = [Fraction(2 * i + 1 - n, 20) for i in range(n)]
    slope_per_s = sum(t * value for t, value in zip(about, exact, strict=True)) / sum(t * t for t in about)
    return np.array([float(mean), float(variance) ** 0.5, float(slope_per_s)])


def drift() -> None:
    """The same last samples after few pushes and after very many."""
    rng = np.random.default_rng(4)
    many = 1e5 + rng.normal(0.0, 1.0, 1_000_000)
    last = 1e5 + rng.normal(0.0, 1.0, DRIFT_WINDOW + 500)
    few = Pushed()
    few.push(many[:LAST])
    early = few.errors(last)
    pushed = Pushed()
    start = time.thread_time_ns()
    for _ in range(PUSHES // many.size):
        pushed.push(many)
    taken_s = (time.thread_time_ns() - start) * 1e-9
    late = pushed.errors(last)
    print(
        f"\nrms error of windows of {DRIFT_WINDOW}, 1e5 Pa + 1 Pa, after {PUSHES:.0e} pushes ({taken_s:.0f} s)"
    )
    print(f"{'':16}{'after 1e4':>12}{'after 1e9':>12}{'ratio':>8}{'goal':>8}")
    for name, error, before in zip(("mean, Pa", "std, Pa", "slope, Pa/s"), late, early, strict=True):
        # Below the last digit of the value itself nothing can be told; nor is a fifth of an rms over 500 a drift.
        ratio = max(error, 1e-17) / max(before, 1e-17)
        missed = "" if ratio <= 1.2 * DRIFT_GOAL else "  MISSED"
        print(f"{name:16}{before:12.1e}{error:12.1e}{ratio:8.2f}{DRIFT_GOAL:8.2f}{missed}")


def chain(time_ns: np.ndarray, values: np.ndarray) -> None:
    """What a channel's filters and a vessel's detector take together."""
    detector = Detector(0.2, float(lib.ull_detector_threshold(1e6)))
    parts: dict[str, Contestant] = {
        "despiking, 15": (lambda: sliding.hampel(values, 15, 1.0), values.size),
        "slope, 10 s": (lambda: sliding.slope(time_ns, values, 10_000_000_000), values.size),
        "detector": (lambda: detector.run(values - 1e5), values.size),
    }
    taken = {name: statistics.median(times) for name, times in ns_per_sample(parts).items()}
    total = sum(taken.values())
    per_s = 1e9 / total
    print(
        "\nfilters and detector, ns per sample: "
        + ", ".join(f"{name} {ns:.1f}" for name, ns in taken.items())
    )
    missed = "" if per_s >= CHAIN_GOAL_PER_S else "  MISSED"
    print(f"together {total:.1f}: {per_s:.2e} samples/s, goal {CHAIN_GOAL_PER_S:.0e}{missed}")


def main() -> None:
    """Print one table of ratios; below 1 the core is faster."""
    rng = np.random.default_rng(1)
    values = 1e5 + rng.normal(0.0, 1.0, SAMPLES)
    spiky = values.copy()
    spiky[::97] += 50.0  # lone spikes, so that three in a row never pass
    time_ns = np.arange(1, SAMPLES + 1, dtype=np.int64) * PERIOD_NS
    print(f"{'':32}{'core ns':>9}{'peer ns':>10}{'ratio':>9}{'goal':>8}")
    for window in (3, 7, *WINDOWS):
        median(values, window)
    for window in WINDOWS:
        hampel(spiky, window)
    for window in WINDOWS:
        moments(values, window)
    for window in WINDOWS:
        slope(time_ns, values, window)
    chain(time_ns, values)
    drift()


if __name__ == "__main__":
    main()
