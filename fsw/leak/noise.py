"""The noise of a series from its differences, which a leak hardly touches: standard deviation and lag-1 autocorrelation."""

import math

MEMORY = 1000  # samples
PHI_MAX = 0.95
CLIP_SIGMA = 5.0  # a step counts as no more than this


class Noise:
    """Running moments of the differences d of neighbours. For AR(1) noise, whatever the trend:

    Var d = 2 sigma^2 (1 - phi) and Cov(d_k, d_(k-1)) = -sigma^2 (1 - phi)^2.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last: tuple[int, float] | None = None
        self._last_step = self._mean_step = 0.0
        self._square = self._product = 0.0
        self._interval_s = 0.0

    def push(self, time_ns: int, value: float, declared: float) -> None:
        """Take a sample of noise `declared` at least."""
        last, self._last = self._last, (time_ns, value)
        if last is None:
            return
        self._count += 1
        gain = max(1 / self._count, 1 / MEMORY)
        self._interval_s += gain * ((time_ns - last[0]) / 1e9 - self._interval_s)
        bound = CLIP_SIGMA * max(math.sqrt(2) * declared, math.sqrt(self._square))
        step = min(max(value - last[1], -bound), bound)
        self._mean_step += gain * (step - self._mean_step)
        step -= self._mean_step
        self._square += gain * (step * step - self._square)
        self._product += gain * (step * self._last_step - self._product)
        self._last_step = step

    @property
    def phi(self) -> float:
        """In [0, 0.95]."""
        if self._square <= 0:
            return 0.0
        return min(max(1 + 2 * self._product / self._square, 0.0), PHI_MAX)

    def density(self, declared: float) -> float:
        """sigma sqrt((1 + phi) / (1 - phi)) of the measured noise, or the declared noise where that is more, per sqrt(Hz).

        The standard error of a slope over a span T is then sqrt(12 / T^3) times this.
        """
        phi = self.phi
        long_run = math.sqrt(self._square * (1 + phi) / 2) / (1 - phi)
        return max(declared, long_run) * math.sqrt(self._interval_s)
