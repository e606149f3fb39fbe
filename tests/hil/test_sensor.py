"""What a sensor adds to the truth, each error by itself."""

import math

import numpy as np
import pytest

from hil.sensor import Options, Sensor

S = 1_000_000_000
TICK = S // 10


def sensor(truth=lambda _: 2e5, seed=1, **keys):
    return Sensor(Options(reads="rig.pressure", **keys), truth, "Pa", np.random.default_rng(seed))


def readings(instrument, count, step_ns=TICK):
    return np.array([instrument(i * step_ns) for i in range(count)])


def test_a_perfect_sensor_reads_the_truth():
    assert sensor(truth=lambda t: 1e5 + t)(17) == 100017


def test_white_noise_has_the_declared_sigma_and_no_memory():
    noise = readings(sensor(noise="100 Pa"), 20_000) - 2e5
    assert noise.mean() == pytest.approx(0, abs=3 * 100 / math.sqrt(20_000))
    assert noise.std() == pytest.approx(100, rel=0.03)
    assert np.corrcoef(noise[:-1], noise[1:])[0, 1] == pytest.approx(0, abs=0.03)


def test_wander_is_ar1_with_the_declared_correlation_time():
    noise = readings(sensor(wander="50 Pa", wander_time="1 s"), 40_000) - 2e5
    assert noise.std() == pytest.approx(50, rel=0.1)
    for lag in (1, 5, 10):
        assert np.corrcoef(noise[:-lag], noise[lag:])[0, 1] == pytest.approx(math.exp(-lag / 10), abs=0.05)


def test_the_same_seed_gives_the_same_readings():
    keys = {"noise": "100 Pa", "wander": "10 Pa"}
    assert (readings(sensor(**keys), 50) == readings(sensor(**keys), 50)).all()
    assert (readings(sensor(seed=2, **keys), 50) != readings(sensor(**keys), 50)).all()


def test_asked_twice_at_one_instant_it_says_the_same():
    noisy = sensor(noise="100 Pa")
    assert noisy(TICK) == noisy(TICK) != noisy(2 * TICK)


@pytest.mark.parametrize("step_ns", [TICK, S // 3])
def test_a_lag_answers_a_ramp_as_a_first_order_system(step_ns):
    """y = a (t - tau + tau exp(-t/tau)) for a ramp a t, whatever the sampling."""
    lagged = sensor(truth=lambda t: 500 * t / S, lag="2 s")
    for i in range(30):
        t = i * step_ns / S
        assert lagged(i * step_ns) == pytest.approx(500 * (t - 2 + 2 * math.exp(-t / 2)), abs=1e-6)


def test_offset_and_drift():
    wrong = sensor(offset="250 Pa", drift_per_hour="36 Pa")
    assert wrong(100 * S) == pytest.approx(2e5 + 250 + 1)


def test_resolution_gives_steps_and_range_saturates():
    stepped = sensor(truth=lambda t: 1e5 + 37 * t / S, resolution="1 mbar")
    assert [stepped(i * S) for i in range(4)] == [1e5, 1e5, 100100, 100100]
    clipped = sensor(truth=lambda t: t / S * 1e5, range=["1 bar", "3 bar"])
    assert [clipped(i * S) for i in range(5)] == [1e5, 1e5, 2e5, 3e5, 3e5]


def test_a_temperature_range_may_be_in_celsius_but_its_noise_may_not():
    options = Options(reads="rig.temperature", range=["-40 degC", "85 degC"], noise="0.1 K")
    hot = Sensor(options, lambda _: 400.0, "K", np.random.default_rng(0))
    assert hot(0) == pytest.approx(358.15)
    with pytest.raises(ValueError, match="a level where a difference is meant"):
        Options(reads="rig.temperature", noise="0.1 degC")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"reads": "pressure"}, "not <plant>.<variable>"),
        ({"reads": "rig.colour"}, "not <plant>.<variable>"),
        ({"reads": "rig.pressure", "noise": "1 K"}, "kind of Pa"),
        ({"reads": "rig.pressure", "wobble": "1 Pa"}, "Extra inputs"),
    ],
)
def test_a_wrong_channel_is_refused(keys, said):
    with pytest.raises(ValueError, match=said):
        Options(**keys)
