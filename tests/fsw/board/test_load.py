"""Board files: what they resolve to, where they are found. What is said of wrong ones: test_problem.py."""

import math
import shutil
from pathlib import Path

import pytest

from fsw.board.load import find, load, shipped
from fsw.limits import Check

from .rig import BOARD, changed, write


@pytest.fixture
def board(tmp_path):
    return load(write(tmp_path, BOARD))


def named(board, name):
    return next(limit for limit in board.limits if limit.name == name)


def row(board, name):
    return [parameter.name for parameter in board.parameters].index(name)


def test_a_channel_is_three_parameters_and_its_reply_is_converted_to_si(board):
    poll = board.lines[0].polls[0]
    assert poll.rows == (row(board, "pt.pressure.raw"),)
    assert (poll.scale, poll.offset) == ((1e5,), (0.0,))
    channel = board.channels[0]
    assert (channel.raw_row, channel.row) == (row(board, "pt.pressure.raw"), row(board, "pt.pressure"))
    assert channel.rate_row == row(board, "pt.pressure.rate")
    assert (channel.low, channel.high, channel.max_rate) == (0.0, 1e6, 5e5)
    assert channel.noise == pytest.approx(100.0)
    assert channel.max_age_ns == 1_000_000_000
    assert board.lines[0].polls[1].offset == (273.15,)


def test_units_of_parameters_are_si(board):
    units = {parameter.name: parameter.unit for parameter in board.parameters}
    assert units["pt.pressure.rate"] == "Pa/s"
    assert units["tt.temperature"] == "K"
    assert units["tank.leak_rate"] == "kg/s"
    assert units["bus.requests"] == ""


def test_limits_are_in_the_parameters_unit(board):
    limit = named(board, "low")
    assert limit.low == pytest.approx(4e5)
    assert limit.low_low == pytest.approx(30 * 6894.757, rel=1e-6)
    assert limit.deadband == pytest.approx(5e3)
    assert math.isnan(limit.high)
    assert (limit.n, limit.m) == (3, 5)
    assert limit.max_age_ns == 1_000_000_000  # the channel's stale_after


def test_chatter_and_reminders_are_the_limits_own(tmp_path):
    text = changed('response = "1 s"', 'response = "1 s"\nchatter = "5 per 1 min"\nremind = "10 min"')
    low = named(load(write(tmp_path, text)), "low")
    assert (low.chatter_n, low.chatter_window_ns, low.remind_ns) == (5, 60 * 10**9, 600 * 10**9)


def test_every_channel_and_vessel_has_its_companions(board):
    checks = {limit.name: limit.check for limit in board.limits}
    assert checks == {
        "low": Check.LIMIT,
        "pt.pressure.bad": Check.QUALITY,
        "pt.pressure.stale": Check.STALE,
        "pt.pressure.stuck": Check.FLAT_LINE,
        "tt.temperature.bad": Check.QUALITY,
        "tt.temperature.stale": Check.STALE,
        "pt.pressure.spike": Check.DISAGREE,
        "pt.pressure.jump": Check.DISAGREE,
        "tt.temperature.spike": Check.DISAGREE,
        "tank.leak": Check.LIMIT,
    }
    bad = named(board, "pt.pressure.bad")
    assert (bad.n, bad.m, bad.report_row) == (3, 3, row(board, "pt.fault"))


def test_a_leak_alarm_votes_on_certainty_and_reports_the_rate_against_the_zero_leak(board):
    leak = named(board, "tank.leak")
    assert leak.row == row(board, "tank.leak_certainty")
    assert leak.report_row == row(board, "tank.leak_rate")
    assert leak.severity_at(3) == 4
    # 592.15 sccm = 1 Pa m3/s at 0 degC of nitrogen: Q M / (R T0)
    assert leak.report_limit == pytest.approx(28.0134e-3 / (8.314462618 * 273.15), rel=1e-5)


def test_a_leak_limit_is_an_alarm_of_its_own_that_must_be_surely_exceeded(tmp_path):
    board = load(write(tmp_path, changed('zero_leak = "592.15 sccm"', 'leak_limit = "1184.3 sccm"')))
    alarm = named(board, "tank.leak_limit")
    assert alarm.row == row(board, "tank.leak_rate")
    # twice 592.15 sccm, which are 1 Pa m3/s at 0 degC
    assert alarm.high == pytest.approx(2 * 28.0134e-3 / (8.314462618 * 273.15), rel=1e-5)
    assert (alarm.sigma_k, alarm.sure) == (3.0, True)
    assert (alarm.severity_at(3), named(board, "tank.leak").severity_at(3)) == (4, 3)


def test_vessels_share_the_false_alarms_of_the_board(tmp_path):
    tank = BOARD[BOARD.index("[vessels.tank]") : BOARD.index("[limits.low]")]
    two = BOARD.replace("apid = 100", 'apid = 100\nfalse_alarms = "1 per 30 days"')
    board = load(write(tmp_path, two + tank.replace("tank", "flask")))
    assert [vessel.false_alarm_s for vessel in board.vessels] == [60 * 86400.0] * 2


def test_a_year_is_the_default_between_two_false_alarms(board):
    assert board.vessels[0].false_alarm_s == pytest.approx(365.25 * 86400)


def test_a_gas_without_a_thermometer_has_an_assumed_temperature(tmp_path):
    assumed = changed('temperature = "tt.temperature"', 'assumed_temperature = "20 degC +/- 5 K"')
    (vessel,) = load(write(tmp_path, assumed)).vessels
    assert vessel.inputs.temperature is None
    assumed_k = vessel.model.assumed_temperature_k
    assert (assumed_k.value, assumed_k.sigma) == pytest.approx((293.15, 5.0))


def test_event_ids_follow_alarm_ids(board):
    assert all(limit.event == 0x1000 + limit.id for limit in board.limits)
    assert [limit.id for limit in board.limits] == list(range(1, len(board.limits) + 1))


def test_housekeeping_holds_all_but_raw_in_sets_that_fit(board):
    names = [board.parameters[each].name for a_set in board.housekeeping for each in a_set.rows]
    assert names == [p.name for p in board.parameters if not p.name.endswith(".raw")]


def test_loading_writes_nothing_and_is_the_same_each_time(tmp_path):
    path = write(tmp_path, BOARD)
    first, second = load(path), load(path)
    assert [p.id for p in first.parameters] == [p.id for p in second.parameters]
    assert first.limits_crc32 == second.limits_crc32
    assert list(tmp_path.iterdir()) == [path]


def test_a_gauge_pressure_is_made_absolute_everywhere(tmp_path):
    text = changed('reference = "absolute"', 'reference = "gauge"\nambient = "1 bar absolute"')
    text = text.replace('["0 bar absolute", "10 bar absolute"]', '["0 barg", "10 bar absolute"]')
    text = text.replace('low = "4 bar absolute"', 'low = "4 bar gauge"')
    board = load(write(tmp_path, text))
    assert board.lines[0].polls[0].offset == (1e5,)
    assert (board.channels[0].low, board.channels[0].high) == (1e5, 1e6)
    assert named(board, "low").low == pytest.approx(5e5)


def test_a_sealed_gauge_is_sealed_at_one_atmosphere_unless_told(tmp_path):
    board = load(write(tmp_path, changed('reference = "absolute"', 'reference = "sealed gauge"')))
    assert board.lines[0].polls[0].offset == (101325.0,)


def test_often_asked_instruments_come_first(tmp_path):
    board = load(
        write(tmp_path, changed("address = 1", "address = 1\nevery = 5").replace('response = "1 s"', ""))
    )
    assert [poll.instrument for poll in board.lines[0].polls] == ["tt", "pt"]


@pytest.mark.parametrize("name", ["bench_rig", "decay_tester", "progress_ms", "soyuz_ms", "station_cabin"])
def test_the_shipped_boards_load_and_their_ids_are_locked(name):
    board = load(name)
    assert board.name == name
    assert not board.ids.added, f"run `fsw check {name}` and commit its ids"
    assert {sink.kind for sink in board.sinks} == {"udp", "recorder"}


def test_there_are_no_other_shipped_boards():
    assert set(shipped()) == {"bench_rig", "decay_tester", "progress_ms", "soyuz_ms", "station_cabin"}


def test_a_file_comes_before_a_shipped_board_of_the_same_name(tmp_path, monkeypatch):
    shutil.copy(find("bench_rig"), tmp_path / "bench_rig")
    monkeypatch.chdir(tmp_path)
    assert find("bench_rig") == Path("bench_rig")
