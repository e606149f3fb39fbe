"""Channel filters over a table: what a tick's arrivals make of the raw, despiked and rate rows."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw._core import lib
from fsw.filters import BATCH, Channel, Filters
from fsw.sample import Fault, Quality, Sample
from fsw.table import Parameter, Table

MS = 1_000_000
PERIOD_NS = 100 * MS
RAW, ROW, RATE, COUNTER = range(4)
NOISE_PA = 100.0


class Rig:
    """One pressure channel at 10 Hz, and one counter that belongs to no channel."""

    def __init__(self, **changes):
        defaults = {
            "low": 0.0,
            "high": 1e6,
            "max_rate": 1e5,
            "rate_window_ns": 2_000 * MS,
            "max_age_ns": 1_000 * MS,
        }
        self.table = Table(
            [Parameter(i + 1, name, "Pa") for i, name in enumerate(("raw", "row", "rate", "count"))]
        )
        self.filters = Filters([Channel(RAW, ROW, RATE, NOISE_PA, **(defaults | changes))], self.table)
        self.now_ns = 0

    def tick(self, *values, quality=Quality.GOOD):
        """One period later; the values arrived evenly within it. Returns the despiked row."""
        for i, value in enumerate(values):
            when_ns = self.now_ns + (i + 1) * PERIOD_NS // len(values)
            self.arrivals = [Sample(RAW, when_ns, value, quality)]
            self.filters.push(when_ns, self.arrivals)
        self.now_ns += PERIOD_NS
        self.filters.push(self.now_ns, [])
        return self.table.read(ROW)

    def fill(self, level=5e5, ticks=40):
        for i in range(ticks):
            self.tick(level + (NOISE_PA if i % 2 else -NOISE_PA))


def test_quality_bits_are_the_same_in_c_and_python():
    for name in ("GOOD", "UNCERTAIN", "BAD", "STALE"):
        assert getattr(lib, f"ULL_{name}") == Quality[name]
    assert lib.ULL_FAULT_OUT_OF_RANGE == Fault.OUT_OF_RANGE
    assert lib.ULL_FAULT_IMPLAUSIBLE == Fault.IMPLAUSIBLE
    assert lib.ULL_TRUST == Quality.GOOD | Quality.UNCERTAIN | Quality.BAD | Quality.STALE
    assert lib.ULL_SOURCE == Quality.SIM | Quality.TEST | Quality.REPLAY | Quality.GATED


def test_a_good_sample_is_passed_on_at_once_with_its_noise():
    rig = Rig()
    rig.fill()
    reading = rig.tick(5e5 + 37.0)
    assert reading.value == 5e5 + 37.0
    assert reading.time_ns == rig.now_ns
    assert reading.quality == Quality.GOOD
    assert reading.sigma >= NOISE_PA
    assert rig.table.read(RAW).value == 5e5 + 37.0


def test_coarse_steps_are_noise_too():
    rig = Rig(resolution=1000.0)
    rig.fill(ticks=20)
    assert rig.tick(5e5).sigma == pytest.approx(1000.0 / math.sqrt(12.0))


def test_a_leak_is_its_rate_with_the_standard_error_of_a_straight_line():
    rng = np.random.default_rng(3)
    rig = Rig(rate_window_ns=10_000 * MS)
    samples = 5e5 - 286.0 * np.arange(200) * 0.1 + rng.normal(0.0, NOISE_PA, 200)
    for value in samples:
        rig.tick(value)
    rate = rig.table.read(RATE)
    kept = samples[-101:]
    assert rate.quality == Quality.GOOD
    assert rate.value == pytest.approx(np.polyfit(np.arange(101) * 0.1, kept, 1)[0], rel=1e-9)
    white = NOISE_PA * math.sqrt(12 / (101 * (101**2 - 1))) / 0.1
    assert white * 0.8 < rate.sigma < white * 1.5
    assert abs(rate.value + 286.0) < 4 * rate.sigma


def test_a_rate_that_cannot_be_told_yet_is_no_number():
    rig = Rig()
    for _ in range(10):
        rig.tick(5e5)
        rate = rig.table.read(RATE)
        assert math.isnan(rate.value)
        assert rate.quality == Quality.UNCERTAIN
    rig.tick(5e5)
    assert rig.table.read(RATE).quality == Quality.GOOD


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e6 + 1.0, 7e5])
def test_nothing_incredible_becomes_a_value(value):
    rig = Rig()
    rig.fill()
    reading = rig.tick(value)
    assert reading.quality == Quality.BAD
    assert math.isnan(reading.value)
    assert math.isnan(rig.table.read(RATE).value)
    assert rig.tick(5e5).quality == Quality.GOOD


def test_a_sample_that_came_bad_stays_bad():
    rig = Rig()
    rig.fill()
    rig.now_ns += PERIOD_NS
    rig.filters.push(rig.now_ns, [Sample(RAW, rig.now_ns, 5e5, Quality.BAD, Fault.CHECKSUM)])
    assert rig.table.read(ROW).quality == Quality.BAD
    assert rig.table.read(RAW).quality == Quality.BAD


def test_a_spike_becomes_the_median_and_leaves_the_rate_alone():
    rig = Rig()
    rig.fill()
    reading = rig.tick(5e5 + 5000.0)
    assert reading.quality == Quality.UNCERTAIN
    assert abs(reading.value - 5e5) <= NOISE_PA
    assert abs(rig.table.read(RATE).value) < 100.0
    assert rig.tick(5e5).quality == Quality.GOOD


def test_a_gross_leak_is_not_a_spike():
    rig = Rig()
    rig.fill()
    qualities = [rig.tick(5e5 - 6000.0 * (i + 1)).quality for i in range(10)]
    assert qualities == [Quality.UNCERTAIN] * 3 + [Quality.GOOD] * 7
    assert rig.table.read(RATE).value < -5000.0


def test_a_refill_is_believed_when_three_samples_agree():
    rig = Rig()
    rig.fill()
    qualities = [rig.tick(9e5 + i).quality for i in range(4)]
    assert qualities == [Quality.BAD, Quality.BAD, Quality.GOOD, Quality.GOOD]
    assert rig.table.read(ROW).value == 9e5 + 3


def test_ten_minutes_of_garbage_are_never_good_and_leave_nothing_behind():
    rng = np.random.default_rng(8)
    rig = Rig()
    rig.fill()
    believed = 0
    for value in rng.uniform(-1e7, 1e7, 6000):
        believed += rig.tick(value).quality == Quality.GOOD
    assert believed <= 6  # by chance in range and within reach of the two before it
    assert [rig.tick(5e5).quality for _ in range(20)][-1] == Quality.GOOD
    assert rig.table.read(ROW).value == 5e5


def test_silence_is_stale_and_never_a_pass():
    rig = Rig()
    rig.fill()
    silent_since_ns = rig.now_ns
    rig.filters.push(silent_since_ns + 1_000 * MS - 1, [])
    assert rig.table.read(ROW).quality == Quality.GOOD
    rig.filters.push(silent_since_ns + 1_000 * MS, [])
    for row in (RAW, ROW, RATE):
        assert rig.table.read(row).quality == Quality.STALE
    assert rig.table.read(ROW).value == 5e5 + NOISE_PA


def test_where_a_sample_came_from_is_kept_in_every_row():
    rig = Rig()
    for _ in range(40):
        rig.tick(5e5, quality=Quality.GOOD | Quality.SIM)
    for row in (RAW, ROW, RATE):
        assert rig.table.read(row).quality == Quality.GOOD | Quality.SIM
    rig.tick(math.nan, quality=Quality.GOOD | Quality.REPLAY)
    assert rig.table.read(ROW).quality == Quality.BAD | Quality.REPLAY
    rig.now_ns += 2_000 * MS
    rig.filters.push(rig.now_ns, [])
    assert rig.table.read(ROW).quality == Quality.STALE | Quality.REPLAY


def test_a_row_of_no_channel_is_written_as_it_came():
    rig = Rig()
    rig.filters.push(5, [Sample(COUNTER, 5, 12.0)])
    assert rig.table.read(COUNTER)[0::2] == (12.0, 5)
    assert rig.table.read(COUNTER).quality == Quality.GOOD


def test_a_sample_that_goes_back_in_time_is_refused_and_counted():
    rig = Rig()
    rig.fill()
    rig.filters.push(rig.now_ns, [Sample(RAW, rig.now_ns - PERIOD_NS, 1e5), Sample(RAW, rig.now_ns, 1e5)])
    assert rig.filters.refused == 2
    assert rig.table.read(RAW).value == 5e5 + NOISE_PA


def test_more_arrivals_than_a_batch_are_all_taken_in_order():
    rig = Rig()
    rig.filters.push(0, [Sample(RAW, i + 1, 5e5 + i * 1e-3) for i in range(2 * BATCH + 1)])
    assert rig.table.read(ROW).value == 5e5 + 2 * BATCH * 1e-3
    assert rig.filters.refused == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(width=64, allow_nan=True, allow_infinity=True),
            st.integers(0, 255),
            st.integers(-(10**9), 10**9),
        ),
        max_size=60,
    )
)
def test_whatever_arrives_a_usable_row_is_finite_in_range_and_has_a_sigma(arrivals):
    rig = Rig()
    now_ns = 0
    for value, quality, step_ns in arrivals:
        now_ns += abs(step_ns)
        rig.filters.push(now_ns, [Sample(RAW, now_ns + min(step_ns, 0), value, quality)])
        for row in (ROW, RATE):
            reading = rig.table.read(row)
            usable = reading.quality & Quality.GOOD
            assert not usable or (math.isfinite(reading.value) and reading.sigma > 0)
        reading = rig.table.read(ROW)
        if reading.quality & (Quality.GOOD | Quality.UNCERTAIN):
            assert 0.0 <= reading.value <= 1e6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("noise", -1.0),
        ("noise", 0.0),
        ("low", 2e6),
        ("max_rate", math.nan),
        ("window", 14),
        ("window", 1027),
        ("k", 0.0),
        ("rate_window_ns", 0),
        ("rate_capacity", 1),
        ("max_age_ns", 0),
    ],
)
def test_a_setting_out_of_bounds_names_itself(field, value):
    good = {"raw_row": 0, "row": 1, "rate_row": 2, "noise": 1.0, "high": 1e6}
    with pytest.raises(ValueError, match=f"row 1: {field} = "):
        Channel(**(good | {field: value}))


def test_two_channels_do_not_share_a_row():
    table = Table([Parameter(i, str(i), "Pa") for i in range(6)])
    with pytest.raises(ValueError, match="must all differ"):
        Filters([Channel(0, 1, 2, 1.0), Channel(3, 1, 5, 1.0)], table)


def test_the_core_keeps_up_with_sixty_four_channels_at_a_kilohertz():
    """A guard against gross slowness only; ratios are measured by the benchmarks."""
    table = Table([Parameter(i, str(i), "Pa") for i in range(192)])
    filters = Filters([Channel(i, 64 + i, 128 + i, NOISE_PA) for i in range(64)], table)
    ticks = [[Sample(i, (tick + 1) * MS, 1e5 + tick % 3) for i in range(64)] for tick in range(200)]
    start = time.process_time()
    for tick, arrivals in enumerate(ticks):
        filters.push((tick + 1) * MS, arrivals)
    assert time.process_time() - start < 0.2
