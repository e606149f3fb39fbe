"""Inventories made of numbers - a level of 30 kg, 1 g of noise, ten samples a second - and a detector fed with them."""

import numpy as np

from fsw.leak.allowance import NONE
from fsw.leak.detector import Detector, Settings
from fsw.occurrence import Kind

from .plant import NS

SIGMA = 1e-3
HZ = 10
DT_NS = NS // HZ
YEAR_S = 3.15e7  # between false alarms: in the 10^4 to 10^5 samples of a test one comes with a chance of 1e-4
LEARNED = 2100  # samples: 8 batches of 256, and a few


def detector(false_alarm_s=YEAR_S, calibration=None, **keys):
    return Detector(Settings(**keys), false_alarm_s, calibration)


def run(target, inventory, start=0, declared=SIGMA, allowance=NONE):
    """Push from sample `start` on: how sure a leak is after each, and what happened as (sample, event)."""
    target.expect(declared, 0.0, allowance)
    certainty, events = [], []
    for i, kg in enumerate(inventory, start):
        certainty.append(target.push(1 + i * DT_NS, kg))
        events += [(i, event) for event in target.take_events()]
    return np.array(certainty), events


def kinds(events):
    return [event.kind for _, event in events if event.kind is not Kind.NOISE_KNOWN]


def quiet(n, seed):
    return 30 + np.random.default_rng(seed).normal(0, SIGMA, n)


def ramp(n, onset, per_sample):
    """Lost since `onset`, in standard deviations of a sample."""
    return SIGMA * per_sample * np.maximum(np.arange(n) - onset, 0)


def at(n):
    """The time of the last of n samples."""
    return 1 + (n - 1) * DT_NS
