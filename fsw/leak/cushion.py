"""How the accumulator's gas answers a change of its volume: at once nearly adiabatically, in the end isothermally.

Gas that exchanges heat with wall and liquid in a time tau answers the volume rate Q that begins at t = 0 with
-dp/p = Q/V (1 + (k - 1) exp(-t / tau)) dt: an exponent that fades from k to 1. tau is seldom known better than by its
order of magnitude, so it is a range here, even in log(tau). Linear in the change, one tau at a time.
"""

import math
from dataclasses import dataclass

from fsw.quantity import Measured

SMALL = 0.1  # below, the closed form loses digits and the series has four


@dataclass(frozen=True, slots=True)
class Cushion:
    """A gas whose exponent is `fast` before it has exchanged heat and `slow` long after."""

    fast: Measured
    slow: Measured
    shortest_s: float
    longest_s: float

    def exponent(self, age_s: float, span_s: float) -> Measured:
        """What a least-squares slope over the last `span_s` sees of a change that began `age_s` >= `span_s` ago.

        Mean and standard error over the range of the exchange time (Simpson in its log) and both exponents.
        """
        middle_s = math.sqrt(self.shortest_s * self.longest_s)
        low = _adiabatic_share(age_s, span_s, self.shortest_s)
        middle = _adiabatic_share(age_s, span_s, middle_s)
        high = _adiabatic_share(age_s, span_s, self.longest_s)
        mean = (low + 4 * middle + high) / 6
        scatter = ((low - mean) ** 2 + 4 * (middle - mean) ** 2 + (high - mean) ** 2) / 6  # never below 0
        fast, slow = self.fast, self.slow
        step = fast.value - slow.value
        variance = (
            step * step * scatter
            + fast.sigma * fast.sigma * (scatter + mean * mean)
            + slow.sigma * slow.sigma * (scatter + (1 - mean) * (1 - mean))
        )
        return Measured(slow.value + step * mean, math.sqrt(variance))


def _adiabatic_share(age_s: float, span_s: float, exchange_s: float) -> float:
    """exp(-t / tau), as the least-squares slope over the last `span_s` weighs it: by 6 u (1 - u) along the window."""
    x = span_s / exchange_s
    before = math.exp(-max(age_s - span_s, 0.0) / exchange_s)
    if x < SMALL:
        return before * (1 - x / 2 + 0.15 * x * x)
    fade = math.exp(-x)
    return before * 6 / (x * x) * (1 + fade - 2 * (1 - fade) / x)
