"""How noisy a series is over long spans, whatever the colour of its noise and whether it leaks."""

import math

SCALES = 4  # means of 1, 4, 16 and 64 samples
SHARE = 4
MEMORY = 256  # second differences at each scale
ENOUGH = 8
CLIP_SIGMA = 5.0  # a step, or the onset of a leak, counts as no more than this


class Noise:
    """Second differences of the means of 1, 4, 16, 64 samples: blind to any straight line, so to a steady leak.

    For means of m samples E d^2 = 6 S / m, where S is the long-run variance (sigma^2 (1 + phi) / (1 - phi) for AR(1)
    noise) as soon as m is long against the noise's memory, and less before: the largest over the scales is taken.
    """

    def __init__(self) -> None:
        self._scales = [_Scale(SHARE**i) for i in range(SCALES)]
        self._last_ns = 0
        self._interval_s = 0.0
        self._count = 0

    def pause(self) -> None:
        """What comes next has nothing to do with what was; the noise is the same."""
        self._last_ns = 0
        for scale in self._scales:
            scale.pause()

    def push(self, time_ns: int, value: float, declared: float) -> None:
        """Take a sample, whose noise is believed to be `declared`."""
        if self._last_ns:
            self._count = min(self._count + 1, MEMORY)
            self._interval_s += ((time_ns - self._last_ns) / 1e9 - self._interval_s) / self._count
        self._last_ns = time_ns
        for scale in self._scales:
            mean = scale.push(value, declared)
            if mean is None:
                return
            value = mean

    def density(self, declared: float) -> float:
        """The measured noise of one sample, or the declared where that is more, per sqrt(Hz)."""
        long_run = max([scale.upper for scale in self._scales])  # faster than a generator
        return max(declared, long_run) * math.sqrt(self._interval_s)


class _Scale:
    """One scale: takes values, gives the mean of each `SHARE` of them."""

    def __init__(self, samples: int) -> None:
        self._samples = samples  # in one value
        self._square = 0.0
        self._count = 0
        self.upper = 0.0  # sqrt(S), one standard error up
        self.pause()

    def pause(self) -> None:
        self._before = self._last = math.nan
        self._sum, self._summed = 0.0, 0

    def push(self, value: float, declared: float) -> float | None:
        bend = value - 2 * self._last + self._before
        self._before, self._last = self._last, value
        if not math.isnan(bend):  # there were two before
            self._learn(bend * bend * self._samples / 6, declared * declared)
        self._sum += value
        self._summed += 1
        if self._summed < SHARE:
            return None
        mean = self._sum / SHARE
        self._sum, self._summed = 0.0, 0
        return mean

    def _learn(self, square: float, declared_square: float) -> None:
        bound = CLIP_SIGMA * CLIP_SIGMA * max(self._square, declared_square)
        self._count = min(self._count + 1, MEMORY)
        self._square += (min(square, bound) - self._square) / self._count
        if self._count >= ENOUGH:
            self.upper = math.sqrt(self._square) * (1 + 1 / math.sqrt(self._count))
