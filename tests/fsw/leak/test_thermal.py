"""Temperatures: how restless they are, and what follows them late."""

import math

import numpy as np
import pytest

from fsw.leak.thermal import Lagged, Restlessness, Thermal

from .plant import NS


def test_restlessness_is_held_through_the_turning_points_of_a_cycle():
    restless = Restlessness()
    rng = np.random.default_rng(4)
    turning = []
    for i in range(0, 6000):  # one orbit of 92 min at 1 Hz: 10 K, at most 2 pi 10 / 5520 = 0.0114 K/s
        restless.push(i * NS + 1, 293 + 10 * math.sin(2 * math.pi * i / 5520) + rng.normal(0, 0.02))
        if abs(i % 2760 - 1380) < 60:
            turning.append(restless.k_per_s)
    assert min(turning) > 0.7 * 0.0114
    assert max(turning) < 1.05 * 0.0114


def test_noise_is_not_restlessness():
    restless = Restlessness()
    rng = np.random.default_rng(5)
    values = []
    for i in range(20_000):
        restless.push(i * NS // 10 + 1, 293 + rng.normal(0, 0.05))
        values.append(restless.k_per_s)
    assert max(values) < 0.1 / 3600


def test_a_mass_behind_a_resistance_follows_with_its_time_constant_whatever_the_spacing():
    lagged = Lagged(60.0)
    assert lagged.push(1, 290.0) == 290.0
    for t in (1, 7, 8, 30, 60):
        kelvin = lagged.push(1 + t * NS, 300.0)
    assert kelvin == pytest.approx(300 - 10 * math.exp(-1))
    assert Lagged(0.0).push(1, 295.0) == 295.0


def test_a_falling_rate_of_change_is_refused():
    with pytest.raises(ValueError, match="out of bounds"):
        Thermal(fastest="-1 K/h")
