"""Board files that are wrong: every way to get one wrong is told with its key and what to do, all of them at once."""

import contextlib
import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsw.board.load import BoardErrors, load

from .rig import BOARD, changed, write


def problems(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(BoardErrors) as caught:
        load(write(folder, text))
    return {problem.path: str(problem) for problem in caught.value.problems}


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
