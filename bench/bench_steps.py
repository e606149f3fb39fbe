"""A step in the inventory is no leak: how often it is taken for one at first, by its size and how it is smoothed.

Through `ull_watch` at 10 Hz, white noise of sigma 1, noise and level learned from the baseline. The step is approached
as 1 - exp(-t / lag) from any time between two samples on.
"""

from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bench.detector_watch import Noise, Watch, learn
from fsw._core import lib

BASELINE, AFTER = 10_000, 4_000  # samples
GRID = 256  # samples: the baseline is longer by 0 to so many, for the detector's hypotheses have fixed places
INTERVAL = 1e8  # samples between false alarms
LAGS = (0, 2, 5, 10, 20)  # samples
SIZES = (1, 2, 3, 5, 10, 20, 50, 100, 1_000, 10_000)  # sigma
RUNS, SEED = 200, 21


def smoothed(lag: float, since: np.ndarray) -> np.ndarray:
    """A step of 1, `since` samples after it began."""
    return -np.expm1(-since / lag) if lag else np.ones(since.size)


def taken(lag: float, size: float, runs: int, seed: int) -> tuple[int, int]:
    """(those that were called a leak at some time within `AFTER`, those that were called an event)."""
    noise, leaks, events = Noise(0.0, seed), 0, 0
    while runs:
        quiet = noise.take(BASELINE + int(noise.rng.integers(GRID)))
        watch = Watch(learn(quiet), INTERVAL)
        if watch.run(quiet) is not None:
            continue  # a false alarm before
        runs -= 1
        since = np.arange(1, AFTER + 1) - noise.rng.random()
        certainty, happened = watch.judge(noise.take(AFTER) - size * smoothed(lag, since))
        leaks += bool((certainty >= 1.0).any())
        events += bool((happened == lib.ULL_WATCH_FALL).any())
    return leaks, events


def main() -> None:
    """One table of shares that were called a leak, one of those that were called an event sooner or later."""
    cases = [(lag, size) for lag in LAGS for size in SIZES]
    print(
        f"{RUNS} runs each, seeds {SEED} to {SEED + len(cases) - 1}; {BASELINE} samples before, {AFTER} after,"
        f" one false alarm in {INTERVAL:.0e}"
    )
    with ProcessPoolExecutor() as pool:
        found = {case: pool.submit(taken, *case, RUNS, SEED + i) for i, case in enumerate(cases)}
        for called, which in (("a leak", 0), ("an event", 1)):
            print(
                f"called {called}; across: sigma\n{'lag':>5}", "".join(f"{size:8d}" for size in SIZES), sep=""
            )
            for lag in LAGS:
                shares = [found[lag, size].result()[which] / RUNS for size in SIZES]
                print(f"{lag:5d}", "".join(f"{share:8.1%}" for share in shares), sep="", flush=True)


if __name__ == "__main__":
    main()
