"""The sliding filters of the C core over whole numpy arrays: for replays and studies, never in the tick.

A value that is not finite is skipped: the window is that of the finite ones. At the beginning it holds what there is.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsw._core import ffi, lib

Floats = NDArray[np.float64]


def median(values: ArrayLike, window: int) -> Floats:
    """Of the last `window` finite values, 1 to 1025, at each place; NaN where the value is not finite."""
    series = _series(values)
    result = np.empty_like(series)
    memory = ffi.new("double[]", 2 * _bounded(window, 1, lib.ULL_MEDIAN_WINDOW_MAX))
    state = ffi.new("ull_median *")
    lib.ull_median_init(state, memory, window)
    lib.ull_median_run(state, _doubles(series), series.size, _doubles(result))
    return result


def mean(values: ArrayLike, window: int) -> Floats:
    """Of the last `window` finite values, 1 to 1025, at each place; NaN where the value is not finite."""
    series = _series(values)
    result = np.empty_like(series)
    _run_moments(series, window, _doubles(result), ffi.NULL)
    return result


def std(values: ArrayLike, window: int) -> Floats:
    """The standard deviation, by n - 1, of what `mean` is the mean of; NaN where that is less than two values."""
    series = _series(values)
    result = np.empty_like(series)
    _run_moments(series, window, ffi.NULL, _doubles(result))
    return result


def slope(time_ns: ArrayLike, values: ArrayLike, window_ns: int) -> Floats:
    """Least squares, per second, over the finite values at most `window_ns` older than each; NaN as in `std`."""
    series = _series(values)
    times = np.asarray(time_ns)
    if times.shape != series.shape or (times.size and not np.issubdtype(times.dtype, np.integer)):
        raise ValueError(
            f"time_ns: {times.dtype} of shape {times.shape}; give integer nanoseconds, one for each of the "
            f"{series.size} values"
        )
    times = np.ascontiguousarray(times, np.int64)
    _bounded(window_ns, 1, lib.ULL_SLOPE_WINDOW_MAX_NS, "window_ns")
    result = np.empty_like(series)
    run = (_pointer("int64_t[]", times), _doubles(series), series.size, window_ns, _doubles(result))
    if lib.ull_slope_run(*run, ffi.NULL) == lib.ULL_ORDER:
        stop = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
        raise ValueError(
            f"time_ns: [{stop}] = {times[stop]} is not after {times[stop - 1]}; sort the samples first"
        )
    return result


def hampel(
    values: ArrayLike, window: int, scale_min: float, k: float = 5.0
) -> tuple[Floats, NDArray[np.bool_]]:
    """The values, outliers replaced by the median, and which were: more than k max(1.4826 MAD, scale_min) from it.

    `window` is odd, 3 to 1025; `scale_min` is the noise, or the step / sqrt(12), of the values. After three outliers
    in a row they pass. What is not finite comes out as it is.
    """
    series = _series(values)
    _bounded(window, lib.ULL_HAMPEL_WINDOW_MIN, lib.ULL_HAMPEL_WINDOW_MAX)
    if window % 2 == 0:
        raise ValueError(f"window = {window}: give an odd number of samples")
    for name, number in (("scale_min", scale_min), ("k", k)):
        if not 0.0 < number < math.inf:
            raise ValueError(f"{name} = {number}: give a positive, finite number")
    cleaned = np.empty_like(series)
    flagged = np.empty(series.size, np.bool_)
    memory, state = ffi.new("double[]", 2 * window), ffi.new("ull_hampel *")
    lib.ull_hampel_init(state, memory, window, k, scale_min)
    flags = _pointer("uint8_t[]", flagged)
    lib.ull_hampel_run(state, _doubles(series), series.size, _doubles(cleaned), flags)
    return cleaned, flagged


def _run_moments(series: Floats, window: int, mean_out: Any, std_out: Any) -> None:
    memory = ffi.new("double[]", 3 * _bounded(window, 1, lib.ULL_MOMENTS_WINDOW_MAX))
    state = ffi.new("ull_moments *")
    lib.ull_moments_init(state, memory, window)
    lib.ull_moments_run(state, _doubles(series), series.size, mean_out, std_out)


def _series(values: ArrayLike) -> Floats:
    series = np.ascontiguousarray(values, np.float64)
    if series.ndim != 1:
        raise ValueError(f"values have shape {series.shape}: give one series, of one dimension")
    return series


def _bounded(number: int, low: int, high: int, name: str = "window") -> int:
    if not low <= number <= high or number != int(number):
        raise ValueError(f"{name} = {number}: give a whole number, {low} to {high}")
    return int(number)


def _doubles(array: Floats) -> Any:
    return _pointer("double[]", array)


def _pointer(c_type: str, array: Any) -> Any:
    return ffi.from_buffer(c_type, array)
