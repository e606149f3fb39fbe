"""One sliding least-squares slope with a bounded number of samples, whatever the rate: dense samples are averaged first."""

from typing import Any

from fsw._core import ffi, lib

MIN_SAMPLES = 12  # below, a slope's own standard error is a guess
FILLED = 0.9  # share of the window that must lie between the oldest and the newest sample


class Window:
    """The slope of the last `window_ns`, from at most `samples` means of what was pushed."""

    def __init__(self, window_ns: int, samples: int) -> None:
        self.window_s = window_ns / 1e9
        self._filled_ns = int(FILLED * window_ns)
        self._step_ns = window_ns // samples
        self._ring: Any = ffi.new("ull_slope_sample[]", samples + 2)
        self._slope: Any = ffi.new("ull_slope *")
        self._fit: Any = ffi.new("ull_slope_fit *")
        if lib.ull_slope_init(self._slope, self._ring, samples + 2, window_ns, 0.0) != lib.ULL_OK:
            raise ValueError(f"a window of {window_ns} ns with {samples} samples is out of bounds")
        self.clear()

    def clear(self) -> None:
        """Forget every sample."""
        lib.ull_slope_clear(self._slope)
        self.slope = self.sigma = self.span_s = 0.0  # per second; sigma is AR(1)-inflated
        self.filled = False
        self._due_ns = 0
        self._first: tuple[int, float] | None = None
        self._sum_ns = self._count = 0
        self._sum = 0.0

    def push(self, time_ns: int, value: float) -> bool:
        """Take a sample, later than the last; True when `slope`, `sigma`, `span_s` and `filled` were renewed."""
        if self._first is None:
            self._first = (time_ns, value)
        first_ns, first = self._first
        self._sum_ns += time_ns - first_ns
        self._sum += value - first
        self._count += 1
        if time_ns < self._due_ns:
            return False
        self._due_ns = time_ns + self._step_ns
        lib.ull_slope_push(
            self._slope, first_ns + self._sum_ns // self._count, first + self._sum / self._count
        )
        self._first = None
        self._sum_ns = self._count = 0
        self._sum = 0.0
        fit = self._fit
        lib.ull_slope_result(self._slope, fit)
        self.filled = fit.span_ns >= self._filled_ns and fit.count >= MIN_SAMPLES
        if self.filled:
            self.slope, self.sigma, self.span_s = fit.slope_per_s, fit.sigma_slope_per_s, fit.span_ns / 1e9
        return True
