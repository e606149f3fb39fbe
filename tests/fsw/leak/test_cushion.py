"""The gas cushion against the heat equation of a gas with one time constant, integrated."""

import math

import numpy as np
import pytest

from fsw.leak.cushion import Cushion
from fsw.quantity import Measured

FAST, SLOW = Measured(1.4, 0.0), Measured(1.0, 0.0)


def seen(age_s, span_s, exchange_s):
    """Slope of ln p over that of -ln V, small constant flow from t = 0: dTg/Tg = -(k - 1) dV/V - (Tg - T)/(tau T)."""
    t = np.linspace(0.0, age_s, 20_001)
    dt, theta = t[1], np.zeros_like(t)
    for i in range(1, len(t)):
        theta[i] = theta[i - 1] * math.exp(-dt / exchange_s) - 0.4 * dt
    late = t >= age_s - span_s
    return -np.polyfit(t[late], (theta - t)[late], 1)[0]


@pytest.mark.parametrize("exchange_s", [10.0, 60.0, 300.0])
@pytest.mark.parametrize(("age_s", "span_s"), [(3.0, 2.0), (60.0, 32.0), (60.0, 60.0), (1200.0, 1024.0)])
def test_one_exchange_time_is_seen_as_integrated(age_s, span_s, exchange_s):
    cushion = Cushion(FAST, SLOW, exchange_s, exchange_s)
    exponent = cushion.exponent(age_s, span_s)
    assert exponent.value == pytest.approx(seen(age_s, span_s, exchange_s), abs=5e-4)
    assert exponent.sigma == pytest.approx(0.0, abs=1e-6)


def test_a_young_change_is_fast_and_an_old_one_slow():
    cushion = Cushion(Measured(1.3, 0.15), Measured(1.0, 0.05), 10.0, 300.0)
    young, old = cushion.exponent(0.01, 0.01), cushion.exponent(1e5, 1e3)
    assert (young.value, young.sigma) == (pytest.approx(1.3, abs=1e-3), pytest.approx(0.15, abs=1e-3))
    assert (old.value, old.sigma) == (pytest.approx(1.0), pytest.approx(0.05))


@pytest.mark.parametrize("age_s", [5.0, 20.0, 60.0, 300.0, 1200.0])
def test_the_band_contains_every_gas_between_isothermal_and_adiabatic(age_s):
    exponent = Cushion(Measured(1.3, 0.15), Measured(1.0, 0.05), 10.0, 300.0).exponent(age_s, age_s / 1.5)
    for truth in (1.0, seen(age_s, age_s / 1.5, 10.0), seen(age_s, age_s / 1.5, 300.0)):
        assert abs(truth - exponent.value) < 2.3 * exponent.sigma


def test_the_closed_form_and_its_series_meet():
    cushion = Cushion(FAST, SLOW, 10.0, 10.0)
    assert cushion.exponent(1.0, 0.9999999).value == pytest.approx(cushion.exponent(1.0, 1.0).value, abs=1e-4)
