"""Despiking and slope of the C core against numpy and scipy, on the same samples, taking turns in one process."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import savgol_filter

from fsw._core import ffi, lib

WINDOWS = (15, 101, 1001)
ROUNDS = 11
PERIOD_NS = 100_000_000
SAMPLES = 50_000
NUMPY_SAMPLES = 4_000  # numpy sorts every window: fewer samples, same cost each
HAMPEL_GOALS = (0.2, 0.05, 0.02)  # of the time of numpy, by window
SLOPE_GOAL = 0.3  # of the time of the cumulative sums


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


def ns_per_sample(contestants: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Median CPU time of rounds in which each contestant has its turn; each comes with the number of its samples."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (run, samples) in contestants.items():
            start = time.thread_time_ns()
            run()
            taken[name].append((time.thread_time_ns() - start) / samples)
    return {name: statistics.median(times) for name, times in taken.items()}


def despike(values: np.ndarray, window: int) -> dict[str, float]:
    """Hampel with exact MAD; the answers are compared before the clocks are."""
    memory = ffi.new("double[]", 2 * window)
    hampel = ffi.new("ull_hampel *")
    lib.ull_hampel_init(hampel, memory, window, 5.0, 1.0)
    flagged = np.zeros(values.size, np.uint8)
    value_in, flagged_out = ffi.from_buffer("double[]", values), ffi.from_buffer("uint8_t[]", flagged)
    some = values[: NUMPY_SAMPLES + window - 1]

    def core() -> None:
        lib.ull_hampel_clear(hampel)
        lib.ull_hampel_run(hampel, value_in, values.size, ffi.NULL, flagged_out)

    core()
    if not np.array_equal(flagged[window - 1 : some.size], hampel_numpy(some, window)):
        raise AssertionError(f"core and numpy disagree at window {window}")
    return ns_per_sample(
        {"core": (core, values.size), "numpy": (lambda: hampel_numpy(some, window), NUMPY_SAMPLES)}
    )


def slope(time_ns: np.ndarray, values: np.ndarray, window: int) -> dict[str, float]:
    """Sliding least-squares slope; scipy can do it for evenly spaced samples only."""
    slopes = np.empty(values.size)
    buffers = (ffi.from_buffer("int64_t[]", time_ns), ffi.from_buffer("double[]", values))
    slopes_out = ffi.from_buffer("double[]", slopes)
    times_s = time_ns * 1e-9
    window_ns = (window - 1) * PERIOD_NS

    def core() -> None:
        lib.ull_slope_run(*buffers, values.size, window_ns, slopes_out)

    core()
    if not np.allclose(slopes[window - 1 :], slope_cumsum(times_s, values, window), rtol=1e-4, atol=1e-4):
        raise AssertionError(f"core and cumulative sums disagree at window {window}")
    return ns_per_sample(
        {
            "core": (core, values.size),
            "cumsum": (lambda: slope_cumsum(times_s, values, window), values.size),
            "savgol": (lambda: savgol_filter(values, window, 1, deriv=1, delta=0.1), values.size),
        }
    )


def main() -> None:
    """Print one table of ratios; below 1 the core is faster."""
    rng = np.random.default_rng(1)
    values = 1e5 + rng.normal(0.0, 1.0, SAMPLES)
    values[::97] += 50.0  # lone spikes, so that three in a row never pass
    time_ns = np.arange(1, SAMPLES + 1, dtype=np.int64) * PERIOD_NS
    print(f"{'':28}{'core ns':>9}{'peer ns':>10}{'ratio':>9}{'goal':>8}")
    for window, goal in zip(WINDOWS, HAMPEL_GOALS, strict=True):
        taken = despike(values, window)
        row("despike against numpy", window, taken["core"], taken["numpy"], goal)
    for window in WINDOWS:
        taken = slope(time_ns, values, window)
        row("slope against cumsum", window, taken["core"], taken["cumsum"], SLOPE_GOAL)
        row("slope against savgol", window, taken["core"], taken["savgol"], None)


def row(what: str, window: int, core: float, peer: float, goal: float | None) -> None:
    """One line of the table, per sample."""
    stated = "" if goal is None else f"{goal:8.2f}" + ("" if core <= goal * peer else "  MISSED")
    print(f"{what:22}{window:6d}{core:9.1f}{peer:10.1f}{core / peer:9.4f}{stated}")


if __name__ == "__main__":
    main()
