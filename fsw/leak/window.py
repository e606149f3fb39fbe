"""One sliding least-squares slope of a bounded number of samples: denser ones are averaged first."""

import math
from typing import Any, NamedTuple

from fsw._core import ffi, lib

MIN_SAMPLES = 12  # below, a slope's own standard error is a guess
FILLED = 0.9  # share of the window that must lie between the oldest and the newest sample
SQRT_12 = math.sqrt(12)


class Fit(NamedTuple):
    """The line of a window, per second."""

    slope: float
    sigma: float  # by its residuals, inflated for AR(1) noise
    white: float  # standard error that noise of 1 per sqrt(Hz) gives the slope
    span_s: float


class Window:
    """The slope of the last `window_ns`, from at most `samples` means of what was pushed."""

    def __init__(self, window_ns: int, samples: int) -> None:
        self._filled_ns = int(FILLED * window_ns)
        self._step_ns = window_ns // samples
        self._ring: Any = ffi.new("ull_slope_sample[]", samples + 2)
        self._slope: Any = ffi.new("ull_slope *")
        self._result: Any = ffi.new("ull_slope_fit *")
        if lib.ull_slope_init(self._slope, self._ring, samples + 2, window_ns, 0.0) != lib.ULL_OK:
            raise ValueError(f"a window of {window_ns} ns with {samples} samples is out of bounds")
        self.clear()

    def clear(self) -> None:
        """Forget every sample."""
        lib.ull_slope_clear(self._slope)
        self.fit: Fit | None = None  # None until it is filled
        self.mean_ns, self.mean, self.weight = 0, 0.0, 0  # the last mean, and of how many samples
        self._due_ns = 0
        self._ns, self._sum, self._count = 0, 0.0, 0
        self._first_ns, self._first = 0, 0.0

    def push(self, time_ns: int, value: float, weight: int = 1) -> bool:
        """Take a mean of `weight` samples, later than the last; True when it led to a new mean and a new slope."""
        if self._count == 0:
            self._first_ns, self._first = time_ns, value
        self._ns += weight * (time_ns - self._first_ns)
        self._sum += weight * (value - self._first)
        self._count += weight
        if time_ns < self._due_ns:
            return False
        self._due_ns = time_ns + self._step_ns
        self.mean_ns = self._first_ns + self._ns // self._count
        self.mean = self._first + self._sum / self._count
        self.weight = self._count
        self._ns, self._sum, self._count = 0, 0.0, 0
        lib.ull_slope_push(self._slope, self.mean_ns, self.mean)
        result = self._result
        lib.ull_slope_result(self._slope, result)
        span_ns = result.span_ns
        if span_ns < self._filled_ns or result.count < MIN_SAMPLES:
            self.fit = None
        else:
            span_s = span_ns / 1e9
            white = SQRT_12 / (span_s * math.sqrt(span_s))  # Var slope = 12 sigma^2 dt / span^3
            self.fit = Fit(result.slope_per_s, result.sigma_slope_per_s, white, span_s)
        return True
