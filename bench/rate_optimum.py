"""The leak rate as well as the runs of `bench_rate` can tell it: every onset weighed from every sample, noise known.

`python -m bench.rate_optimum`. The posterior mean over a grid of onsets, any rate as likely before, the level unknown;
an onset of age n has the weight 1, the same for all, or n^2 as in `csrc/ull_onset.c`. Bound as in `bench_rate`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bench.bench_rate import BASELINE, CASES, HZ, RUNS, bound, course

POWERS = (0, 2)
ONSETS, BLOCK = 1000, 100  # in the grid; runs at a time


def optimum(phi: float, rate: float, n: int, runs: int, seed: int) -> list[float]:
    """Bound over the rms error of the rate, for each of POWERS."""
    rng = np.random.default_rng(seed)
    sigma_onset = 2 * math.sqrt((1 + phi) / (1 - phi) / n) / rate  # of a free line, samples
    ages = np.linspace(max(n - 10 * sigma_onset, 4.0), n + 15 * sigma_onset, ONSETS)
    length = math.ceil(ages[-1]) + 1
    unit = np.full(BASELINE + n, (1 - phi) / math.sqrt(1 - phi * phi))  # a level of 1, whitened
    unit[0] = 1.0
    time = np.arange(-length, 1)
    ramps = np.array([_white(np.maximum(time + age, 0.0), phi) for age in ages])
    level = ramps @ unit[-length:] / (unit @ unit)
    information = np.sum(ramps * ramps, axis=1) - level * level * (unit @ unit)
    errors: list[NDArray[np.float64]] = []
    for _ in range(runs // BLOCK):
        falls = -np.array([course(rng, phi, rate, n)[-BASELINE - n :] for _ in range(BLOCK)])
        white = np.hstack((falls[:, :1], _white(falls, phi)))
        scores = white[:, -length:] @ ramps.T - np.outer(white @ unit, level)
        fit = np.where(scores > 0, scores * scores / (2 * information), -np.inf)
        weights = np.exp(fit - fit.max(axis=1, keepdims=True)) / np.sqrt(information)
        rates = scores / information
        errors.append(
            np.array([np.average(rates, axis=1, weights=weights * ages**power) for power in POWERS]) - rate
        )
    return [bound(phi, n) / math.sqrt(square) for square in np.mean(np.square(np.hstack(errors)), axis=1)]


def _white(values: NDArray[np.float64], phi: float) -> NDArray[np.float64]:
    """Of AR(1) noise of standard deviation 1; without the first sample."""
    return (values[..., 1:] - phi * values[..., :-1]) / math.sqrt(1 - phi * phi)


def main() -> None:
    """One line a case."""
    print(f"{'phi':>5}{'sigma/sample':>14}{'read after':>12}{'flat':>8}{'n^2':>8}")
    for number, (phi, rate, n) in enumerate(CASES):
        flat, squared = optimum(phi, rate, n, RUNS, 11 + number)
        print(f"{phi:5.1f}{rate:14g}{n / HZ:10.0f} s{flat:8.2f}{squared:8.2f}", flush=True)


if __name__ == "__main__":
    main()
