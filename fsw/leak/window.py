"""One sliding least-squares slope of a bounded number of samples: denser ones are averaged first."""

from typing import Any, NamedTuple

from fsw._core import ffi, lib

MIN_SAMPLES = 12  # below, a slope's own standard error is a guess
FILLED = 0.9  # share of the window that must lie between the oldest and the newest sample


class Fit(NamedTuple):
    """The line of a window, per second."""

    slope: float
    sigma: float  # by its residuals, inflated for AR(1) noise


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
        self.fit: Fit | None = None  # None until it is filled
        self._due_ns = 0
        self._ns, self._sum, self._count = 0, 0.0, 0
        self._first_ns, self._first = 0, 0.0

    def push(self, time_ns: int, value: float) -> bool:
        """Take a sample, later than the last; True when it led to a new mean and a new slope."""
        if self._count == 0:
            self._first_ns, self._first = time_ns, value
        self._ns += time_ns - self._first_ns
        self._sum += value - self._first
        self._count += 1
        if time_ns < self._due_ns:
            return False
        self._due_ns = time_ns + self._step_ns
        mean_ns = self._first_ns + self._ns // self._count
        lib.ull_slope_push(self._slope, mean_ns, self._first + self._sum / self._count)
        self._ns, self._sum, self._count = 0, 0.0, 0
        result = self._result
        lib.ull_slope_result(self._slope, result)
        filled = result.span_ns >= self._filled_ns and result.count >= MIN_SAMPLES
        self.fit = Fit(result.slope_per_s, result.sigma_slope_per_s) if filled else None
        return True
