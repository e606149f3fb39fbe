"""Board files: what they resolve to, and every way to get one wrong."""

import contextlib
import math
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsw.board.load import BoardErrors, find, load, shipped
from fsw.limits import Check

BOARD = """
[board]
name = "rig"
rate = "10 Hz"
apid = 100

[lines.bus]
device = "/dev/ttyS0"
baud = 19200
format = "8E1"

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
timeout = "50 ms"

[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "1 mbar"
range = ["0 bar absolute", "10 bar absolute"]
max_rate = "5 bar/s"
stale_after = "1 s"
stuck_after = "20 s"

[instruments.tt]
line = "bus"
dialect = "modbus_rtu"
address = 2

[instruments.tt.channels.temperature]
quantity = "temperature"
unit = "degC"
register = 40003
type = "f32"
noise = "0.05 K"

[vessels.tank]
model = "gas"
pressure = "pt.pressure"
temperature = "tt.temperature"
volume = "4 L +/- 2 %"
fluid = "nitrogen"
limit = "3 bar absolute"
zero_leak = "592.15 sccm"

[limits.low]
parameter = "pt.pressure"
low = "4 bar absolute"
low_low = "30 psia"
deadband = "0.05 bar"
votes = "3 of 5"
response = "1 s"

[sinks.ground]
kind = "udp"
to = "127.0.0.1:10025"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def changed(old: str, new: str) -> str:
    assert BOARD.count(old) == 1, f"{old!r} must be there once"
    return BOARD.replace(old, new)


def problems(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(BoardErrors) as caught:
        load(write(folder, text))
    return {problem.path: str(problem) for problem in caught.value.problems}


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


WRONG = [
    # what is replaced, by what, key path, words of the message
    ('rate = "10 Hz"', 'rate = "10"', "board.rate", "Hz"),
    ('rate = "10 Hz"', 'rate = "0.5 Hz"', "board.rate", "1 to 1000 Hz"),
    ('rate = "10 Hz"', 'rate = "2 kHz"', "board.rate", "1 to 1000 Hz"),
    ('rate = "10 Hz"', "rate = 10", "board.rate", "no unit"),
    ("apid = 100", "apid = 2047", "board.apid", "must be at most 2046"),
    ("apid = 100", 'apid = 100\nhousekeeping = "0 s"', "board.housekeeping", "at least one tick"),
    ("apid = 100", 'apid = 100\nheartbeat = "10 ms"', "board.heartbeat", "at least one tick"),
    ("apid = 100", 'apid = 100\nheartbeat = "never"', "board.heartbeat", "number"),
    ("apid = 100", "", "board.apid", "is missing"),
    ("apid = 100", "apid = 100\napdi = 1", "board.apdi", "did you mean 'apid'"),
    ('name = "rig"', 'name = "Rig One"', "board.name", "small letters, digits"),
    ("baud = 19200", "bauds = 19200", "lines.bus.bauds", "did you mean 'baud'"),
    ('format = "8E1"', 'format = "8X1"', "lines.bus.format", 'must be data bits, parity and stop bits, as "8N1"'),
    ('device = "/dev/ttyS0"', 'device = "tcp:nowhere"', "lines.bus.device", "tcp:"),
    ("[lines.bus]", "[lines.pt]", "instruments.pt", "also the name of lines.pt"),
    ("[lines.bus]", "[lines.executive]", "lines.executive", "choose another name"),
    ('line = "bus"\ndialect = "modbus_rtu"\naddress = 1', 'line = "buss"\ndialect = "modbus_rtu"\naddress = 1',
     "instruments.pt.line", "did you mean 'bus'"),
    ('dialect = "modbus_rtu"\naddress = 1', 'dialect = "modbus"\naddress = 1',
     "instruments.pt.dialect", "did you mean 'modbus_rtu'"),
    ('dialect = "modbus_rtu"\naddress = 1', "address = 1", "instruments.pt.dialect", "built in: ascii_poll"),
    ("address = 1\n", "adress = 1\n", "instruments.pt.adress", "did you mean 'address'"),
    ("address = 1\n", "address = 300\n", "instruments.pt.address", "247"),
    ('timeout = "50 ms"', "timeout = 50", "instruments.pt.timeout", "no unit"),
    ('timeout = "50 ms"', 'timeout = "5 bar"', "instruments.pt.timeout", "another dimension"),
    ('timeout = "50 ms"', 'timeout = "2 ms"', "instruments.pt.timeout", "shorter than think"),
    ('timeout = "50 ms"', 'timeout = "2 s"', "instruments.pt.channels.pressure.stale_after", "must be at least"),
    ('reference = "absolute"', "", "instruments.pt.channels.pressure.reference", "is missing"),
    ('reference = "absolute"', 'reference = "gauge"', "instruments.pt.channels.pressure.ambient", "is missing"),
    ('reference = "absolute"', 'reference = "gauge"\nambient = "tt.temperature"',
     "instruments.pt.channels.pressure.ambient", "cannot be another channel"),
    ('reference = "absolute"', 'reference = "gauge"\nambient = "1 bar"',
     "instruments.pt.channels.pressure.ambient", "measured against"),
    ('reference = "absolute"', 'reference = "absolute"\nambient = "1 bar absolute"',
     "instruments.pt.channels.pressure.ambient", "leave it out"),
    ('unit = "degC"', 'unit = "degC"\nreference = "absolute"',
     "instruments.tt.channels.temperature.reference", "belongs to a pressure"),
    ('unit = "bar"', 'unit = "degC"', "instruments.pt.channels.pressure.unit", "another dimension"),
    ('unit = "bar"', "", "instruments.pt.channels.pressure.unit", "is missing"),
    ('noise = "1 mbar"', 'noise = "0 mbar"', "instruments.pt.channels.pressure.noise", "above 0"),
    ('noise = "1 mbar"', 'noise = "nan mbar"', "instruments.pt.channels.pressure.noise", "number"),
    ('noise = "1 mbar"', "noise = nan", "instruments.pt.channels.pressure.noise", "text in quotes"),
    ('noise = "0.05 K"', 'noise = "0.05 degC"', "instruments.tt.channels.temperature.noise", "written in K"),
    ('"10 bar absolute"]', '"10 bar"]', "instruments.pt.channels.pressure.range", "measured against"),
    ('"10 bar absolute"]', '"10 bar gauge"]', "instruments.pt.channels.pressure.range", "instrument is absolute"),
    ('"10 bar absolute"]', '"-1 bar absolute"]', "instruments.pt.channels.pressure.range", "below vacuum"),
    ('max_rate = "5 bar/s"', 'max_rate = "5 bar"', "instruments.pt.channels.pressure.max_rate", "Pa/s"),
    ('stale_after = "1 s"', 'stale_after = "100 ms"', "instruments.pt.channels.pressure.stale_after", "150 ms"),
    ('stuck_after = "20 s"', 'stuck_after = "0.1 s"', "instruments.pt.channels.pressure.stuck_after", "three samples"),
    ('stuck_after = "20 s"', "window = 8", "instruments.pt.channels.pressure.window", "odd"),
    ('stuck_after = "20 s"', 'rate_window = "100 ms"', "instruments.pt.channels.pressure.rate_window", "holds 2"),
    ("[instruments.tt.channels.temperature]", "[instruments.tt.channels.fault]", "instruments.tt.channels", "names"),
    ('model = "gas"', 'model = "gass"', "vessels.tank.model", "did you mean 'gas'"),
    ('model = "gas"', "", "vessels.tank.model", "is missing"),
    ('pressure = "pt.pressure"', 'pressure = "pt.presure"', "vessels.tank.pressure", "did you mean 'pt.pressure'"),
    ('pressure = "pt.pressure"', 'pressure = "tt.temperature"', "vessels.tank.pressure", "measures temperature"),
    ('pressure = "pt.pressure"', 'pressure = ""', "vessels.tank.pressure", "is not a channel"),
    ('volume = "4 L +/- 2 %"', 'volume = "4 kg"', "vessels.tank.volume", "m^3"),
    ('volume = "4 L +/- 2 %"', 'volume = "4 L +/- 2"', "vessels.tank.volume", "m^3"),
    ('volume = "4 L +/- 2 %"', "", "vessels.tank.volume", "is missing"),
    ('limit = "3 bar absolute"', 'limit = "3 barg"', "vessels.tank.limit", "must be absolute"),
    ('zero_leak = "592.15 sccm"', 'zero_leak = "1 L/h"', "vessels.tank", "volume rate"),
    ('zero_leak = "592.15 sccm"', 'leak_limit = "1 L/h"', "vessels.tank", "leak_limit is a volume rate"),
    ('zero_leak = "592.15 sccm"', 'detector.windows = ["2 s"]', "vessels.tank.detector.windows", "not a key here"),
    ('zero_leak = "592.15 sccm"', "detector.memory = 10", "vessels.tank.detector.memory", "64"),
    ('zero_leak = "592.15 sccm"', 'thermal.start = "3 degC"', "vessels.tank.thermal.start", "K"),
    ('zero_leak = "592.15 sccm"', 'thermal.start = "-1 K"', "vessels.tank.thermal.start", "0 or more"),
    ('zero_leak = "592.15 sccm"', 'thermal.unmeasured = "1 K"', "vessels.tank.thermal.unmeasured", "K/s"),
    ('temperature = "tt.temperature"', "", "vessels.tank", "needs temperature"),
    ('temperature = "tt.temperature"', 'temperature = "tt.temperature"\nassumed_temperature = "293 K"', "vessels.tank",
     "not both"),
    ('apid = 100', 'apid = 100\nfalse_alarms = "1 a year"', "board.false_alarms", "1 per"),
    ('fluid = "nitrogen"', 'fluid = "helum"', "vessels.tank.fluid", "helium"),
    ('parameter = "pt.pressure"', 'parameter = "pt.presure"', "limits.low.parameter", "did you mean 'pt.pressure"),
    ('low = "4 bar absolute"', 'low = "4 bar"', "limits.low.low", "measured against"),
    ('low = "4 bar absolute"', 'low = "4 K"', "limits.low.low", "Pa"),
    ('low = "4 bar absolute"', "low = inf", "limits.low.low", "no unit"),
    ('low = "4 bar absolute"', 'low = "1 bar absolute"', "limits.low.low", "must be above low_low"),
    ('deadband = "0.05 bar"', 'deadband = "3 bar"', "limits.low.deadband", "reaches from"),
    ('deadband = "0.05 bar"', 'deadband = "-1 bar"', "limits.low.deadband", "0 or more"),
    ('votes = "3 of 5"', 'votes = "6 of 5"', "limits.low.votes", "1 to m = 5"),
    ('votes = "3 of 5"', 'votes = "3/5"', "limits.low.votes", 'as "3 of 3"'),
    ('response = "1 s"', 'response = "300 ms"', "limits.low.response", "3 votes each 100 ms"),
    ('response = "1 s"', "severity = { low = 5 }", "limits.low.severity.low", "4"),
    ('response = "1 s"', "severity = { high = 2 }", "limits.low.severity.high", "no value"),
    ('response = "1 s"', 'severity = { low = 4 }\non_bad = "ignore"', "limits.low.on_bad", "severity 4"),
    ('low = "4 bar absolute"\nlow_low = "30 psia"', "", "limits.low", "at least one level"),
    ('kind = "udp"', 'kind = "upd"', "sinks.ground.kind", "did you mean 'udp'"),
    ('to = "127.0.0.1:10025"', 'to = "127.0.0.1"', "sinks.ground.to", "127.0.0.1"),
    ('to = "127.0.0.1:10025"', 'to = "127.0.0.1:10025"\nport = 1', "sinks.ground.port", "not a key here"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "words"), WRONG)
def test_a_wrong_key_is_refused_with_its_path_and_what_to_do(tmp_path, old, new, path, words):
    found = problems(tmp_path, changed(old, new))
    matching = [key for key in found if key == path or key.startswith(path)]
    assert matching, f"nothing about {path}: {found}"
    assert any(words in found[key] for key in matching), found


def test_all_errors_are_found_at_once(tmp_path):
    text = (
        changed('unit = "bar"', 'unit = "K"')
        .replace("30 psia", "30 K")
        .replace('pt.pressure"\ntemp', 'x.y"\ntemp')
    )
    found = problems(tmp_path, text)
    assert {"instruments.pt.channels.pressure.unit", "limits.low.low_low", "vessels.tank.pressure"} <= set(
        found
    )


def test_a_wrong_key_does_not_hide_what_is_wrong_elsewhere(tmp_path):
    text = BOARD.replace('dialect = "modbus_rtu"\naddress = 2', 'dialect = "modbus_rtu"\nadress = 2')
    text = text.replace('low = "4 bar absolute"', 'low = "4 kg"').replace(
        'rate = "10 Hz"', 'rate = "2000 Hz"'
    )
    found = problems(tmp_path, text)
    assert set(found) == {
        "instruments.tt.address",  # missing
        "instruments.tt.adress",  # unknown
        "board.rate",
        "limits.low.low",
    }  # and not that the line has no time at a rate that is refused


MISTAKES = {  # what is replaced -> by what, and the key path of the one problem that this is
    'name = "rig"': ('name = "Rig 1"', "board.name"),
    'rate = "10 Hz"': ('rate = "10"', "board.rate"),
    "apid = 100": ("apid = 4000", "board.apid"),
    "baud = 19200": ("bauds = 19200", "lines.bus.bauds"),
    'format = "8E1"': ('format = "8X1"', "lines.bus.format"),
    'device = "/dev/ttyS0"': ('device = ""', "lines.bus.device"),
    "address = 1\n": ("address = 300\n", "instruments.pt.address"),
    'line = "bus"\ndialect = "modbus_rtu"\naddress = 2': (
        'line = "buss"\ndialect = "modbus_rtu"\naddress = 2',
        "instruments.tt.line",
    ),
    'timeout = "50 ms"': ("timeout = 50", "instruments.pt.timeout"),
    'unit = "bar"': ('unit = "degC"', "instruments.pt.channels.pressure.unit"),
    'reference = "absolute"': ('reference = "absolut"', "instruments.pt.channels.pressure.reference"),
    'noise = "1 mbar"': ("noise = 1", "instruments.pt.channels.pressure.noise"),
    'max_rate = "5 bar/s"': ('max_rate = "5 bar"', "instruments.pt.channels.pressure.max_rate"),
    'quantity = "temperature"': ('quantity = "temprature"', "instruments.tt.channels.temperature.quantity"),
    'noise = "0.05 K"': ('noise = "0.05 bar"', "instruments.tt.channels.temperature.noise"),
    'pressure = "pt.pressure"': ('pressure = "pt.presure"', "vessels.tank.pressure"),
    'volume = "4 L +/- 2 %"': ('volume = "4 kg"', "vessels.tank.volume"),
    'fluid = "nitrogen"': ('fluid = "nitrogn"', "vessels.tank.fluid"),
    'parameter = "pt.pressure"': ('parameter = "pt.presure"', "limits.low.parameter"),
    'votes = "3 of 5"': ('votes = "6 of 5"', "limits.low.votes"),
    'response = "1 s"': ("severity = { low = 5 }", "limits.low.severity.low"),
    'kind = "udp"': ('kind = "upd"', "sinks.ground.kind"),
}


def test_many_mistakes_in_one_file_are_all_found_and_nothing_else(tmp_path):
    text = BOARD
    for old, (new, _) in MISTAKES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    assert set(problems(tmp_path, text)) == {path for _, path in MISTAKES.values()}


@pytest.mark.parametrize("old", MISTAKES)
def test_one_mistake_is_one_problem(tmp_path, old):
    new, path = MISTAKES[old]
    assert list(problems(tmp_path, changed(old, new))) == [path]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("[lines.bus]", "[lines.Bus]", "lines.Bus"),
        ("[sinks.ground]", "[limits.Low]\nparameter = 'x'\n[sinks.ground]", "limits.Low"),
        ('device = "/dev/ttyS0"', "", "lines.bus.device"),
        ('device = "/dev/ttyS0"', 'device = "tcp:nowhere"', "lines.bus.device"),
        ('dialect = "modbus_rtu"\naddress = 1', 'dialect = "modbus"', "instruments.pt.dialect"),
        ("address = 1\n", "", "instruments.pt.address"),
        ('unit = "bar"', "unit = 1", "instruments.pt.channels.pressure.unit"),
        ('reference = "absolute"', 'reference = "vacuum"', "instruments.pt.channels.pressure.reference"),
        ("register = 40003\ntype = \"f32\"\nnoise = \"1 mbar\"", 'register = 5\ntype = "f32"\nnoise = "1 mbar"',
         "instruments.pt.channels.pressure"),
        ('model = "gas"', 'model = "vacuum"', "vessels.tank.model"),
        ('low = "4 bar absolute"\nlow_low = "30 psia"', 'lo = "4 bar absolute"', "limits.low.lo"),
        ('[sinks.ground]', '[extra]\na = 1\n[sinks.ground]', "extra"),
    ],
)  # fmt: skip
def test_what_only_follows_from_a_mistake_is_not_shown(tmp_path, old, new, path):
    found = problems(tmp_path, changed(old, new).replace('kind = "udp"', 'kind = "upd"'))
    assert set(found) == {path, "sinks.ground.kind"}


def test_a_check_of_a_whole_table_is_made_although_a_key_of_it_is_missing(tmp_path):
    text = changed('noise = "1 mbar"', "").replace("register = 40003", "register = 5", 1)
    channel = "instruments.pt.channels.pressure"
    assert set(problems(tmp_path, text)) == {f"{channel}.noise", channel}


def test_without_any_line_or_instrument_the_rest_is_judged_all_the_same(tmp_path):
    found = problems(tmp_path, BOARD[BOARD.index("[vessels.tank]") :].replace("3 of 5", "6 of 5"))
    assert set(found) == {"board", "lines", "instruments", "limits.low.votes"}


def test_a_line_that_cannot_be_polled_in_time_is_refused_with_numbers(tmp_path):
    found = problems(tmp_path, changed('rate = "10 Hz"', 'rate = "100 Hz"'))
    # each: 17 bytes of 11 bits at 19200 baud, 3.5 characters of silence, 5 ms to think and 1 ms latency
    each_ms = (17 + 3.5) * 11 / 19.2 + 6
    needed = float(re.search(r"needs ([\d.]+) ms of each 10 ms", found["lines.bus"])[1])
    assert needed == pytest.approx(2 * each_ms, abs=0.1)
    assert "raise baud" in found["lines.bus"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\xff\x00garbage", "UTF-8"),
        (b"\x00\x01", "not TOML"),
        (b"[board\n", "line 1"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 10000, "not TOML"),
        (b"", "is missing"),
        (b"board = 3", "must be a table"),
        (b"#" * 1_000_001, "longer than"),
    ],
)
def test_any_file_gives_errors_and_never_a_traceback(tmp_path, content, words):
    path = tmp_path / "rig.toml"
    path.write_bytes(content)
    with pytest.raises(BoardErrors, match=words):
        load(path)


def test_a_directory_or_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(BoardErrors, match="not a regular file"):
        load(tmp_path)
    with pytest.raises(BoardErrors, match="not there"):
        load(tmp_path / "none.toml")
    with pytest.raises(BoardErrors, match="did you mean 'soyuz_ms'"):
        load("soyuz")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mutated_board_loads_or_is_refused(tmp_path, data):
    content = bytearray(BOARD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "rig.toml"
    path.write_bytes(bytes(content))
    with contextlib.suppress(BoardErrors):
        load(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(re.findall(r'(?<== )("[^"\n]*"|\d+)', BOARD)),
    st.sampled_from(
        [
            "nan",
            "inf",
            "-1",
            "true",
            "[]",
            "{}",
            '""',
            '"x.y"',
            '"1e999 Pa"',
            '"-5 K"',
            "1979-05-27",
            '"3 of 0"',
        ]
    ),
)
def test_any_value_of_another_type_is_refused_or_sound(tmp_path, old, new):
    try:
        board = load(write(tmp_path, BOARD.replace(f"= {old}", f"= {new}", 1)))
    except BoardErrors:
        return
    assert all(math.isfinite(channel.noise) and channel.noise > 0 for channel in board.channels)


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
