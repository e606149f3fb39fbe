"""What may move without a leak: bounds, and the detector that is told of them."""

import math

import numpy as np
import pytest

from fsw.leak.allowance import NONE, Allowance

from .inventories import HZ, at, detector, quiet, ramp, run
from .plant import NS


def falling(inventory, allowance):
    return run(detector(), inventory, allowance=allowance)[0].max()


def test_a_lasting_slope_within_its_bound_is_no_leak_and_one_beyond_is():
    n, bound = 30_000, Allowance(lasting_kg_per_s=1e-4)  # 0.01 sigma a sample
    assert falling(quiet(n, 23) - ramp(n, 5000, 0.01), bound) < 1
    assert falling(quiet(n, 23) - ramp(n, 0, 0.01), bound) < 1
    assert falling(quiet(n, 23) - ramp(n, 5000, 0.02), bound) >= 1


def test_a_change_that_comes_and_stays_is_no_leak_within_its_bound():
    n, bound = 12_000, Allowance(passing_kg=0.1, passing_kg_per_s=2e-3)
    fall = np.maximum(np.arange(n) - 5000, 0) / HZ
    assert falling(quiet(n, 24) - np.minimum(2e-3 * fall, 0.1), bound) < 1
    assert falling(quiet(n, 24) - np.minimum(1e-3 * fall, 0.1), bound) < 1
    assert falling(quiet(n, 24) - 2e-3 * fall, bound) >= 1  # it goes on
    assert falling(quiet(n, 24) - 1e-2 * fall, bound) >= 1  # it is faster


def test_what_settles_after_a_start_is_no_leak_within_its_bound():
    n, bound = 12_000, Allowance(settling_kg=0.1, settling_s=60.0, settling_ns=1)
    left = 1 / (1 + np.arange(n) / HZ / 60) ** 2
    assert falling(quiet(n, 25) + 0.1 * left, bound) < 1
    assert falling(quiet(n, 25) + 0.3 * left, bound) >= 1
    late = quiet(n, 25) - ramp(n, 10_000, 0.1)  # long after it is over, 0.001 of it being left
    assert falling(late, bound) >= 1


def test_what_may_move_is_in_the_error_of_the_rate_as_the_spread_of_a_bound():
    n, lasting = 20_000, 1e-4
    target = detector()
    run(target, quiet(n, 26), allowance=Allowance(lasting_kg_per_s=lasting))
    assert target.verdict(at(n)).sigma == pytest.approx(lasting / math.sqrt(3), rel=0.2)


def test_bounds_over_a_span():
    assert NONE.over(10.0, 0) == 0
    # 1.5: most that a bent course leaves of its mean slope in a straight line
    assert Allowance(1.0, 60.0, 10.0).over(2.0, 0) == 1.0 + 1.5 * 10.0
    assert Allowance(1.0, 60.0, 10.0).over(900.0, 0) == pytest.approx(1.0 + 1.5 * 60 / 900)
    # 8 kg at 0, 2 kg after 60 s: 6 kg in a minute
    assert Allowance(0, 0, 0, 8.0, 60.0, 0).over(60.0, 60 * NS) == pytest.approx(1.5 * 6 / 60)
    assert Allowance(0, 0, 0, 8.0, 60.0, 0).over(60.0, 6000 * NS) < 1e-4
