"""ADWIN and Page-Hinkley of river, at thresholds with which they alarm falsely about once in 1e5 samples."""

from typing import Any

import numpy as np

from bench.detector_watch import CHUNK, Interval, Noise, tail

INTERVAL = 1e5  # samples between false alarms, about; what it is is measured
PEERS = ("ADWIN", "PageHinkley")
DELTA = 0.035  # of ADWIN; 0.002, as shipped, alarms far less often
THRESHOLD = 215.0  # of Page-Hinkley; 50, as shipped, alarms every 1600 samples
PUBLISHED = """\
river is not installed (pip install 'ullage[peers]'): one run, each at about one false alarm in 1e5 samples, gave
  ADWIN 36.1 / 95.0 / 356, PageHinkley 66 / 211 / 681 at falls of 0.1 / 0.01 / 0.001 sigma per sample"""


def installed() -> bool:
    try:
        import river.drift  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def make(name: str) -> Any:
    from river import drift  # noqa: PLC0415

    return (
        drift.ADWIN(delta=DELTA) if name == "ADWIN" else drift.PageHinkley(threshold=THRESHOLD, mode="down")
    )


def until_alarm(peer: Any, values: np.ndarray) -> int | None:
    """Samples, the one that alarms included."""
    for count, value in enumerate(values.tolist(), 1):
        peer.update(value)
        if peer.drift_detected:
            return count
    return None


def interval(name: str, alarms: int, seed: int) -> Interval:
    """It starts anew by itself after each alarm."""
    peer, noise, samples, counted = make(name), Noise(0.0, seed), 0, 0
    while counted < alarms:
        for value in noise.take(CHUNK).tolist():
            peer.update(value)
            counted += peer.drift_detected
        samples += CHUNK
    return Interval(samples, counted)


def delays(name: str, rate: float, baseline: int, runs: int, seed: int) -> np.ndarray:
    """As those of the watch."""
    noise, found = Noise(0.0, seed), []
    ramp = rate * np.arange(1, 2 * tail(rate, INTERVAL) + 1)
    while len(found) < runs:
        peer = make(name)
        if until_alarm(peer, noise.take(baseline)) is not None:
            continue
        alarm = until_alarm(peer, noise.take(ramp.size) - ramp)
        if alarm is None:
            raise RuntimeError(f"{name} missed a leak of {rate} sigma per sample")
        found.append(alarm)
    return np.array(found)
