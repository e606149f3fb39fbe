"""Long series for least squares: thinned to bins, low-passed at real times, whitened."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 32768  # at most, about: neighbours stand in for a bin, so an orbit needs hundreds of them
NEAR, NEAR_BINS = 32, 16  # samples, and at least so many bins, to either side tell a temperature
GONE = 1e-17  # of what was before: nothing is left of it


@dataclass(frozen=True, slots=True)
class Binned:
    """Means of so many neighbours each. A run is what has neither gap nor change of level inside."""

    time_s: Any
    kg: Any
    temperature_k: Any
    level: Any
    run: Any
    span_s: float  # of a bin
    near: int  # bins to either side that tell a bin's temperature

    def others(self) -> Any:
        """The temperature as the bins around tell it, without a bin's own and its neighbours'.

        The inventory holds the noise of its own temperature, and whitened that of its neighbours: a fit on that would
        undo what the model does with temperature wherever this hardly moves. Two means of different reach, so that a
        bend cancels.
        """
        place = np.arange(len(self.kg))
        edges = np.flatnonzero(np.diff(self.run, prepend=-1, append=-1))
        at = np.searchsorted(edges, place, "right")
        reach = np.minimum(place - edges[at - 1], edges[at] - 1 - place)  # never across a gap
        far = np.clip(reach, 2, self.near)
        close = np.maximum(far // 2, 2)
        mean_close, mean_far = self._around(place, close), self._around(place, far)
        ratio = _square(far) / _square(close)
        with np.errstate(invalid="ignore", divide="ignore"):
            straight = (ratio * mean_close - mean_far) / (ratio - 1)
        return np.where(far > close, straight, mean_close)

    def _around(self, place: Any, reach: Any) -> Any:
        """The mean of what is 2 to `reach` bins away."""
        sums = np.concatenate([[0.0], np.cumsum(self.temperature_k - self.temperature_k[0])])
        first, end = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(place))
        inner, beyond = np.maximum(place - 1, 0), np.minimum(place + 2, len(place))
        around = sums[end] - sums[beyond] + sums[inner] - sums[first]
        return self.temperature_k[0] + around / (end - beyond + inner - first)

    def lagged(self, lag_s: float) -> Any:
        """The temperature through a low-pass, of which a straight line joins the means; the newest two as `others`."""
        steps = np.diff(self.time_s, prepend=self.time_s[0] - self.span_s) / lag_s
        kept = np.exp(-steps)
        share = -np.expm1(-steps) / steps
        own, before = 1 - share, share - kept
        unlike = self.others() - self.temperature_k
        driven = own * self.temperature_k
        driven[1:] += before[1:] * self.temperature_k[:-1]
        driven[0], kept[0] = self.temperature_k[0], 0.0
        found = _scan(kept, driven) + own * unlike
        found[1:] += (before[1:] + kept[1:] * own[:-1]) * unlike[:-1]
        return found

    def whitened(self, values: Any, rho: float) -> Any:
        """Innovations of an AR(1) process; each run begins anew."""
        scale = 1 / math.sqrt(1 - rho * rho)
        together = self.run[1:] == self.run[:-1]
        white = values.copy()
        white[1:] = np.where(together, (values[1:] - rho * values[:-1]) * scale, values[1:])
        return white


def _square(reach: Any) -> Any:
    """Mean square distance of what is 2 to `reach` away."""
    return (reach * (reach + 1) * (2 * reach + 1) / 6 - 1) / (reach - 1)


def thinned(time_s: Any, kg: Any, temperature_k: Any, level: Any, longest_s: float) -> Binned:
    """Bins; a step in time above `longest_s` is a gap. Those that are less than half full are left out."""
    size = -(-len(kg) // BINS)
    run = np.concatenate([[0], np.cumsum((np.diff(time_s) > longest_s) | (np.diff(level) != 0))])
    first_of_run = np.flatnonzero(np.diff(run, prepend=-1))
    place = (np.arange(len(kg)) - first_of_run[run]) // size
    first = np.flatnonzero((np.diff(run, prepend=-1) != 0) | (np.diff(place, prepend=-1) != 0))
    counts = np.diff(first, append=len(kg))
    full = counts * 2 >= size

    def means(values: Any) -> Any:
        return (np.add.reduceat(values, first) / counts)[full]

    span_s = size * float(np.median(np.diff(time_s)))
    near = max(NEAR_BINS, NEAR // size)
    return Binned(
        means(time_s), means(kg), means(temperature_k), level[first][full], run[first][full], span_s, near
    )


def low_pass(time_s: Any, values: Any, lag_s: float) -> Any:
    """First order, at real times, as it runs live: y += (1 - exp(-dt / lag)) (x - y), from the first value."""
    if lag_s == 0:
        return values
    kept = np.exp(-np.diff(time_s, prepend=-math.inf) / lag_s)
    return _scan(kept, (1 - kept) * values)


def _scan(kept: Any, driven: Any) -> Any:
    """y[k] = kept[k] y[k-1] + driven[k], by doubling: log2(n) passes."""
    kept, y, step = kept.copy(), driven.copy(), 1
    while step < len(y) and float(kept[step:].max()) > GONE:
        y[step:] += kept[step:] * y[:-step]
        kept[step:] = kept[step:] * kept[:-step]
        step *= 2
    return y
