"""Fusion over a table: the fused series keeps its level whatever becomes of one instrument, and says when it cannot."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw.fusion import Fusion, Group, Instrument
from fsw.sample import Quality
from fsw.table import Parameter, Table

GOOD, UNCERTAIN, BAD, STALE = (
    int(each) for each in (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.STALE)
)
NS = 1_000_000_000
TICK_NS = NS // 10
LEVEL_PA = 5e5
NOISE_PA = 100.0
TOLERANCE_PA = 1000.0
OFFSETS_PA = (300.0, -400.0, 150.0)
LEARNED = 400  # ticks: the offsets are known


class Rig:
    """Two or three pressures at 10 Hz, 10 ms after one another."""

    def __init__(self, count, noise=(NOISE_PA,) * 3, every=(1, 1, 1), falls=True, seed=1, offsets=OFFSETS_PA):
        names = [f"pt{i}" for i in range(count)]
        names += ["fused", "spread", *(f"departs{i}" for i in range(count))]
        self.table = Table(Parameter(i, name, "Pa") for i, name in enumerate(names))
        instruments = tuple(
            Instrument(i, noise[i], every[i] * TICK_NS, count + 2 + i if count == 3 else None)
            for i in range(count)
        )
        group = Group(instruments, count, count + 1, TOLERANCE_PA, falls)
        self.fusion = Fusion([group], self.table)
        self.count, self.noise, self.every, self.offsets = count, noise, every, offsets
        self.rng = np.random.default_rng(seed)
        self.tick = 0

    def read(self, name):
        return self.table.read(self.table.rows[name])

    def step(self, error_pa=lambda t_s, i: 0.0, quality=lambda t_s, i: GOOD):
        """One tick: `error_pa` is added to the level, a STALE instrument is silent. The fused row."""
        self.tick += 1
        for i in range(self.count):
            noise_pa = self.rng.normal(0, self.noise[i])
            if self.tick % self.every[i]:
                continue
            time_ns = self.tick * TICK_NS - (self.count - i) * 10_000_000
            t_s = time_ns / NS
            said = quality(t_s, i)
            if said == STALE:
                self.table.quality[i] = STALE
                continue
            value = LEVEL_PA + self.offsets[i] + noise_pa + error_pa(t_s, i)
            self.table.write(i, value if said != BAD else math.nan, self.noise[i], time_ns, said)
        self.fusion.step()
        return self.read("fused")

    def run(self, ticks, *how):
        """The values of so many ticks, NaN where they are not GOOD."""
        rows = [self.step(*how) for _ in range(ticks)]
        return np.array([row.value if row.quality == GOOD else math.nan for row in rows])


@pytest.mark.parametrize("count", [2, 3])
def test_the_standard_error_is_that_of_inverse_variances_and_what_is_measured(count):
    noise = (100.0, 50.0, 200.0)
    rig = Rig(count, noise)
    rig.run(LEARNED)
    values = rig.run(4000)
    expected = 1 / math.sqrt(sum(1 / sigma**2 for sigma in noise[:count]))
    assert rig.read("fused").sigma == pytest.approx(expected)
    assert values.std() == pytest.approx(expected, rel=0.05)  # 4000 samples: 1.1 % at one sigma
    weights = [1 / sigma**2 for sigma in noise[:count]]
    offset = np.average(OFFSETS_PA[:count], weights=weights)  # nobody knows which of them is right
    assert values.mean() == pytest.approx(LEVEL_PA + offset, abs=10)


@given(
    count=st.sampled_from([2, 3]),
    who=st.integers(0, 1),
    how=st.sampled_from([BAD, STALE, UNCERTAIN]),
    offsets=st.tuples(*[st.floats(-800, 800)] * 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_losing_any_instrument_and_its_return_cost_sigma_and_no_step(count, who, how, offsets, seed):
    rig = Rig(count, seed=seed, offsets=offsets)
    rig.run(LEARNED)
    before = rig.run(600)
    lost = rig.run(600, lambda t, i: 0.0, lambda t, i: how if i == who else GOOD)
    sigma_pa = rig.read("fused").sigma
    after = rig.run(600)
    assert not np.isnan([before, lost, after]).any()
    assert sigma_pa == pytest.approx(NOISE_PA / math.sqrt(count - 1))
    # Means of 600 samples have 100 / sqrt(600) = 4 Pa at most, the offset 100 sqrt(2 / 256) = 9 Pa: five of them.
    assert abs(lost.mean() - before.mean()) < 50
    assert abs(after.mean() - before.mean()) < 30


@given(
    count=st.sampled_from([2, 3]), who=st.integers(0, 1), height=st.floats(-1e6, 1e6), seed=st.integers(0, 99)
)
@settings(max_examples=25, deadline=None)
def test_a_spike_of_one_never_enters_a_good_value(count, who, height, seed):
    rig = Rig(count, seed=seed)
    level = np.nanmean(rig.run(LEARNED))
    at_s = rig.tick / 10 + 5
    values = rig.run(100, lambda t, i: height if i == who and at_s <= t < at_s + 0.1 else 0.0)
    # What a gate of 6 sqrt(2) sigma lets through of one, by its weight, on top of five sigma of the mean.
    allowed = 6 * math.sqrt(2) * NOISE_PA / count + 5 * NOISE_PA / math.sqrt(count)
    assert np.nanmax(np.abs(values - level)) < allowed + 50
    # Of two: that tick, and the next, in which a sample is interpolated from it.
    assert np.isnan(values).sum() <= (2 if count == 2 else 0)


@pytest.mark.parametrize("rate_pa_per_s", [-30.0, -3.0, 3.0, 30.0])
@pytest.mark.parametrize("who", [0, 1, 2])
def test_of_three_the_one_that_drifts_is_named_and_the_truth_is_followed(rate_pa_per_s, who):
    rig = Rig(3)
    begin_s = 60.0
    rig.run(600)
    level = rig.run(400).mean()
    values = rig.run(6000, lambda t, i: rate_pa_per_s * max(0.0, t - begin_s - 40) if i == who else 0.0)
    assert not np.isnan(values).any()
    blocks = values.reshape(-1, 100).mean(1) - level
    assert np.abs(blocks).max() < 60  # of a drift of 1800 Pa and more; the mean of 100 has 5.8 Pa
    assert np.abs(blocks[-20:]).mean() < 25
    assert abs(rig.read(f"departs{who}").value) > TOLERANCE_PA
    assert math.copysign(1, rig.read(f"departs{who}").value) == math.copysign(1, rate_pa_per_s)
    for other in {0, 1, 2} - {who}:
        assert abs(rig.read(f"departs{other}").value) < 5 * NOISE_PA
    assert rig.read("spread").value > TOLERANCE_PA


@pytest.mark.parametrize("rate_pa_per_s", [-30.0, -3.0, -1.0])
@pytest.mark.parametrize("who", [0, 1])
def test_of_two_the_one_that_falls_alone_does_not_take_the_level_along(rate_pa_per_s, who):
    rig = Rig(2)
    rig.run(600)
    level = rig.run(400).mean()
    values = rig.run(9000, lambda t, i: rate_pa_per_s * max(0.0, t - 100) if i == who else 0.0)
    good = values[~np.isnan(values)]
    assert len(good) > 200
    blocks = good[: len(good) // 100 * 100].reshape(-1, 100).mean(1) - level
    assert blocks.min() > -80  # of which 500 Pa would be the mean's, at the tolerance
    if rate_pa_per_s * 900 < -1.5 * TOLERANCE_PA:  # beyond the tolerance neither is believed
        assert rig.read("fused").quality == UNCERTAIN
        assert rig.read("spread").value > TOLERANCE_PA


@pytest.mark.parametrize("rate_pa_per_s", [-100.0, -2.0, -0.2])
@pytest.mark.parametrize("every", [(1, 1, 1), (1, 10, 3)])
@pytest.mark.parametrize("count", [2, 3])
def test_what_all_of_them_see_comes_through_at_its_time_and_with_its_slope(count, every, rate_pa_per_s):
    rig = Rig(count, every=every)
    rig.run(3000)  # a tenth as many of the slowest
    rows = []
    for _ in range(2000):
        row = rig.step(lambda t, i: rate_pa_per_s * (t - 300))
        assert row.quality == GOOD
        rows.append((row.time_ns / NS - 300, row.value))
    t, value = np.array(sorted(set(rows))).T
    slope, _ = np.polyfit(t, value, 1)
    assert slope == pytest.approx(rate_pa_per_s, rel=0.02, abs=0.15)  # 200 s at 10 Hz: 0.03 Pa/s at one sigma


def test_one_asked_rarely_counts_for_what_it_tells_in_a_second():
    rig = Rig(2, every=(1, 10, 1))
    rig.run(5000)
    # Ten samples against one: 11 in a second, and the standard error of one of ten results is that of 1.1 samples.
    assert rig.read("fused").sigma == pytest.approx(NOISE_PA / math.sqrt(1.1))


def test_of_two_that_part_at_once_neither_is_believed_and_they_are_again_when_they_agree():
    rig = Rig(2)
    level = rig.run(LEARNED).mean()
    values = rig.run(300, lambda t, i: -5 * TOLERANCE_PA if i else 0.0)
    assert np.isnan(values).all()
    assert rig.read("spread").value == pytest.approx(5 * TOLERANCE_PA, rel=0.1)
    values = rig.run(300)
    assert np.isnan(values[:5]).all()
    assert not np.isnan(values[-200:]).any()
    assert values[-200:].mean() == pytest.approx(level, abs=60)


def test_when_one_of_two_that_disagree_is_unplugged_the_other_goes_on():
    rig = Rig(2)
    rig.run(LEARNED)
    rig.run(100, lambda t, i: 5 * TOLERANCE_PA * i)
    values = rig.run(100, lambda t, i: 5 * TOLERANCE_PA * i, lambda t, i: STALE if i else GOOD)
    assert np.isnan(values[:5]).all()
    assert not np.isnan(values[20:]).any()
    assert rig.read("spread").quality == BAD  # which can end no alarm


def test_three_that_all_disagree_are_no_value():
    rig = Rig(3)
    rig.run(LEARNED)
    rig.run(100, lambda t, i: 3 * TOLERANCE_PA * i)
    assert rig.read("fused").quality == UNCERTAIN


@pytest.mark.parametrize("count", [2, 3])
def test_instruments_that_never_agreed_are_found_out_at_the_start(count):
    rig = Rig(count, offsets=(5 * TOLERANCE_PA, 0.0, 100.0))
    values = rig.run(100)
    if count == 2:
        assert np.isnan(values[1:]).all()
    else:
        assert values[20:].mean() == pytest.approx(LEVEL_PA + 50, abs=50)
        assert abs(rig.read("departs0").value) > TOLERANCE_PA
    assert rig.read("spread").value > TOLERANCE_PA


@pytest.mark.parametrize("count", [2, 3])
def test_one_that_comes_late_joins_without_a_step(count):
    rig = Rig(count, offsets=(0.0, 700.0, -600.0))
    alone = rig.run(600, lambda t, i: 0.0, lambda t, i: STALE if i == 1 else GOOD)[100:]
    both = rig.run(1200)
    assert both.mean() == pytest.approx(alone.mean(), abs=30)
    assert rig.read("fused").sigma == pytest.approx(NOISE_PA / math.sqrt(count))


def test_without_any_good_input_it_is_what_the_best_of_them_is():
    rig = Rig(2)
    assert rig.read("fused").quality == STALE
    rig.run(LEARNED)
    for qualities, expected in (((UNCERTAIN, BAD), UNCERTAIN), ((BAD, STALE), BAD), ((STALE, STALE), STALE)):
        row = rig.step(lambda t, i: 0.0, lambda t, i, q=qualities: q[i])
        assert row.quality == expected
        assert math.isnan(row.value) == (expected != UNCERTAIN)
    assert rig.step().quality == GOOD


def test_the_marks_of_where_a_sample_came_from_stay():
    rig = Rig(2)
    rig.step()
    rig.run(3, lambda t, i: 0.0, lambda t, i: GOOD | int(Quality.REPLAY))
    assert rig.read("fused").quality & Quality.REPLAY


def test_a_temperature_follows_the_lower_of_two_since_warmth_would_read_as_a_leak():
    rig = Rig(2, falls=False)
    rig.run(600)
    level = rig.run(400).mean()
    values = rig.run(3000, lambda t, i: 3.0 * max(0.0, t - 100) if i else 0.0)
    good = values[~np.isnan(values)]
    assert good[: len(good) // 100 * 100].reshape(-1, 100).mean(1).max() < level + 80


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 5e5, 1e300, -1e300]),
            st.integers(0, 255),
            st.integers(-5, 5),
        ),
        max_size=200,
    )
)
@settings(max_examples=60, deadline=None)
def test_garbage_is_never_a_good_nan_and_time_only_advances(rows):
    rig = Rig(3)
    rig.run(20)
    now_ns = rig.tick * TICK_NS
    for row, value, quality, later in rows:
        now_ns += later * TICK_NS
        rig.table.write(row, value, NOISE_PA, now_ns, quality)
        before_ns = rig.read("fused").time_ns
        rig.fusion.step()
        fused = rig.read("fused")
        assert fused.time_ns >= before_ns
        assert math.isfinite(fused.value) or not fused.quality & GOOD


@pytest.mark.parametrize(
    ("count", "noise", "tolerance"),
    [(1, 1.0, 1.0), (4, 1.0, 1.0), (2, 0.0, 1.0), (2, 1.0, 0.0), (2, 1.0, math.inf)],
)
def test_what_cannot_be_fused_is_refused(count, noise, tolerance):
    with pytest.raises(ValueError, match="must be"):
        Group(tuple(Instrument(i, noise, TICK_NS) for i in range(count)), 5, 6, tolerance)


def test_a_tick_is_a_matter_of_a_microsecond():
    rig = Rig(3)
    rig.run(LEARNED)
    count, began = 2000, time.perf_counter()
    for tick in range(count):
        for i in range(3):
            rig.table.time_ns[i] = (rig.tick + tick + 1) * TICK_NS
        rig.fusion.step()
    assert (time.perf_counter() - began) / count < 50e-6  # some 2 us; the machine may be busy
