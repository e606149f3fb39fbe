"""Recordings made of text: units, missing and bad samples, any sampling rate, and errors that name their place."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsw.board.board import Board
from fsw.board.load import load
from fsw.commands.replay import command
from fsw.ground.csv_recording import CsvRecording
from fsw.ground.csv_table import parse_time
from fsw.ground.recording import Item, Mark, RecordingError, Remark, Tick
from fsw.ground.replay import Replay, Reported
from fsw.sample import Quality, Sample
from tests.board_text import HEAD, PT, TANK, changed

INSTRUMENTS = """
[instruments.gauge]
line = "bus"
dialect = "modbus_rtu"
address = 2
[instruments.gauge.channels.pressure]
quantity = "pressure"
unit = "psi"
reference = "gauge"
ambient = "1 bar absolute"
register = 40003
type = "f32"
noise = "100 Pa"

[instruments.tt]
line = "bus"
dialect = "modbus_rtu"
address = 3
[instruments.tt.channels.inlet]
quantity = "temperature"
unit = "degC"
register = 40003
type = "f32"
noise = "0.05 K"
stale_after = "1 s"
[instruments.tt.channels.outlet]
quantity = "temperature"
unit = "degC"
register = 40005
type = "f32"
noise = "0.05 K"
stale_after = "1 s"

[instruments.dp]
line = "bus"
dialect = "modbus_rtu"
address = 4
[instruments.dp.channels.dp]
quantity = "pressure difference"
unit = "mbar"
register = 40003
type = "f32"
noise = "10 Pa"
"""
LOW = """
[limits.low]
parameter = "pt.pressure"
low = "5 bar absolute"
votes = "3 of 3"
"""
BOARD = (
    changed(HEAD, {'"/nowhere"': '"/nowhere"\nbaud = 115200'})
    + PT
    + INSTRUMENTS
    + changed(TANK, {"tt.temperature": "tt.inlet"})
    + LOW
)
S = 1_000_000_000


@pytest.fixture
def board(tmp_path: Path) -> Board:
    path = tmp_path / "small.toml"
    path.write_text(BOARD)
    return load(path)


@pytest.fixture
def read(board: Board, tmp_path: Path) -> Callable[[str], list[Item]]:
    def items(*texts: str) -> list[Item]:
        paths = [tmp_path / f"{number}.csv" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return list(CsvRecording(paths, board).items())

    return items


def ticks(items: list[Item]) -> list[Tick]:
    return [item for item in items if isinstance(item, Tick)]


def values(board: Board, items: list[Item]) -> dict[str, float]:
    """The last value of each parameter."""
    return {
        board.parameters[sample.row].name: sample.value for tick in ticks(items) for sample in tick.arrivals
    }


@pytest.mark.parametrize(
    ("column", "cell", "parameter", "si"),
    [
        ("pt [bar]", "6", "pt.pressure.raw", 6e5),
        ("pt.pressure [kPa]", "6", "pt.pressure.raw", 6e3),
        ("pt [kgf/cm^2]", "2", "pt.pressure.raw", 196_133.0),
        ("gauge [bar]", "2", "gauge.pressure.raw", 3e5),
        ("gauge [psi]", "0", "gauge.pressure.raw", 1e5),
        ("gauge [bar absolute]", "2", "gauge.pressure.raw", 2e5),
        ("gauge [psig]", "0", "gauge.pressure.raw", 1e5),
        ("tt.inlet [degC]", "22", "tt.inlet.raw", 295.15),
        ("tt.outlet [K]", "295.15", "tt.outlet.raw", 295.15),
        ("tt.outlet [degF]", "32", "tt.outlet.raw", 273.15),
        ("dp [mbar]", "-3", "dp.dp.raw", -300.0),
    ],
)
def test_units_become_si_as_the_board_measures(
    board: Board, read: Callable[..., list[Item]], column: str, cell: str, parameter: str, si: float
) -> None:
    found = values(board, read(f"time_s,{column}\n0,{cell}\n"))
    assert found[parameter] == pytest.approx(si, rel=1e-9)


def test_an_empty_cell_is_no_sample_and_nan_is_a_bad_one(
    board: Board, read: Callable[..., list[Item]]
) -> None:
    rows = {each.name: row for row, each in enumerate(board.parameters)}
    first, second, third, fourth = ticks(read("time_s,pt [bar]\n0,6\n0.1,\n0.2,nan\n0.3,6\n"))
    assert list(second.arrivals) == []
    pressure, fault = third.arrivals
    assert (pressure.row, pressure.quality) == (rows["pt.pressure.raw"], Quality.BAD)
    assert pressure.value != pressure.value
    assert (fault.row, fault.value) == (rows["pt.fault"], 7)  # BAD_VALUE, as in docs/protocols.md
    assert [sample.quality for sample in (*first.arrivals, *fourth.arrivals)] == [Quality.GOOD] * 4


def test_a_recording_slower_than_the_board_ticks_in_between(read: Callable[..., list[Item]]) -> None:
    found = ticks(read("time_s,pt [bar]\n" + "".join(f"{t},6\n" for t in (10, 10.5, 11))))
    assert [tick.unix_ns for tick in found] == [10 * S + i * S // 10 for i in range(11)]
    assert [bool(tick.arrivals) for tick in found] == [i % 5 == 0 for i in range(11)]


def test_a_recording_faster_than_the_board_comes_in_whole(read: Callable[..., list[Item]]) -> None:
    found = ticks(read("time_s,pt [bar]\n" + "".join(f"{i / 100:.2f},{i}\n" for i in range(101))))
    assert [tick.unix_ns for tick in found] == [i * S // 10 for i in range(11)]
    pressures = [s.value for tick in found for s in tick.arrivals if s.value > 7]
    assert pressures == pytest.approx([i * 1e5 for i in range(1, 101)])
    for tick in found:
        assert all(sample.time_ns <= tick.now_ns for sample in tick.arrivals)
        assert all(tick.now_ns - sample.time_ns < S // 10 for sample in tick.arrivals)


@pytest.mark.parametrize("interval_s", [0.01, 0.1, 0.5])
def test_a_leak_is_the_same_leak_at_any_sampling_rate(
    board: Board, tmp_path: Path, interval_s: float
) -> None:
    noise = random.Random(1)
    lines = ["time_s,pt [bar],tt.inlet [degC]"]
    for i in range(int(150 / interval_s)):
        t = i * interval_s
        pressure = 6 - 2e-3 * max(0.0, t - 60) + noise.gauss(0, 1e-3)
        lines.append(f"{t:.2f},{pressure:.6f},{22 + noise.gauss(0, 0.05):.4f}")
    path = tmp_path / "decay.csv"
    path.write_text("\n".join(lines))
    result = CliRunner().invoke(command, [str(board.path), str(path), "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    leaks = [each for each in found if each.get("alarm") == "tank.leak" and each["transition"] == "RAISE"]
    assert 60 < leaks[0]["time_s"] < 75
    last = found[-1]
    truth = 200 * 4e-3 * 28.0134e-3 / (8.314462618 * 295.15)  # V M / (R T) dp/dt
    assert last["leak_kg_per_s"] == pytest.approx(truth, abs=4 * last["leak_sigma_kg_per_s"])


def test_a_channel_that_falls_silent_is_stale_at_its_age(
    board: Board, read: Callable[..., list[Item]]
) -> None:
    rows = "".join(f"{i / 10},{6 + i % 2 / 1000 if i < 50 else ''},22\n" for i in range(100))
    reports = [
        each
        for each in Replay(board).run(read("time_s,pt [bar],tt.inlet [degC]\n" + rows))
        if isinstance(each, Reported)
    ]
    names = {limit.id: limit.name for limit in board.limits}
    stale = [each.unix_ns for each in reports if names[each.event.alarm] == "pt.pressure.stale"]
    assert stale == [6 * S]  # last heard at 4.9 s; more than 1 s ago for the first time at 6.0 s


def test_events_are_told_when_they_were_written_down(read: Callable[..., list[Item]]) -> None:
    found = read("time_s,event,pt [bar]\n0,,6\n0.1,valve opened,6\n0.2,,6\n")
    assert [item for item in found if isinstance(item, Mark)] == [Mark(S // 10, "valve opened")]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0.3", 300_000_000),
        ("1790000000.123456789", 1_790_000_000_123_456_789),
        ("-1.5", -1_500_000_000),
        ("1e3", 1_000 * S),
        ("1970-01-01T00:00:01", S),
        ("1970-01-01 00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T02:00:00+02:00", 0),
    ],
)
def test_times_are_exact(text: str, ns: int) -> None:
    assert parse_time(text)[0] == ns


def test_a_long_gap_does_not_take_for_ever(read: Callable[..., list[Item]]) -> None:
    found = read(f"time_s,pt [bar]\n0,6\n{300 * 86400},6\n{300 * 86400 + 0.1},6\n")
    assert len(ticks(found)) < 40_000
    assert [t.unix_ns for t in ticks(found)][-2:] == [300 * 86400 * S, 300 * 86400 * S + S // 10]
    assert any("without a row" in item.text for item in found if isinstance(item, Remark))


def test_several_files_go_on(read: Callable[..., list[Item]]) -> None:
    found = ticks(read("time_s,pt [bar]\n0,6\n0.1,6\n", "time_s,tt.inlet [K],pt [bar]\n0.2,295,6\n"))
    assert [len(tick.arrivals) for tick in found] == [2, 1, 3]


def test_what_does_not_fit_the_board_is_told(read: Callable[..., list[Item]]) -> None:
    told = [item.text for item in read("time_s,pt [bar]\n0,6\n2,6\n4,6\n") if isinstance(item, Remark)]
    assert any("pt.pressure comes each 2 s" in text and "stale" in text for text in told)
    assert any("no column for" in text and "tt.inlet" in text and "pt.pressure" not in text for text in told)


def test_a_column_without_a_value_is_told_as_such(read: Callable[..., list[Item]]) -> None:
    told = [item.text for item in read("time_s,pt [bar]\n0,\n0.1,\n") if isinstance(item, Remark)]
    assert any("not one value of pt.pressure" in text for text in told)
    assert any("no column for" in text and "tt.inlet" in text and "pt.pressure" not in text for text in told)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "line 1, column 1", "must be time_s"),
        ("t,pt [bar]\n", "line 1, column 1", "must be time_s"),
        ("time_s;pt [bar]\n", "line 1, column 1", "separated by commas"),
        ("time_s,pt\n", "line 1, column 2", "has no unit"),
        ("time_s,pt [furlonk]\n", "line 1, column 2", "not a known unit"),
        ("time_s,pt [degC]\n", "line 1, column 2", "another dimension"),
        ("time_s,pt [psig]\n", "line 1, column 2", "gauge"),
        ("time_s,gage [bar]\n", "line 1, column 2", "did you mean 'gauge'"),
        ("time_s,tt [degC]\n", "line 1, column 2", "tt.inlet or tt.outlet"),
        ("time_s,pt.flow [bar]\n", "line 1, column 2", "no channel 'flow'"),
        ("time_s,pt [bar],pt.pressure [Pa]\n", "line 1, column 3", "in column 2 already"),
        ("time_s,dp [degC]\n", "line 1, column 2", "degC"),
        ("time_s,pt [bar]\n", "line 2", "no rows"),
        ("time_s,pt [bar]\n0,six\n", "line 2, column 2", "'six' is not a number"),
        ("time_s,pt [bar]\n0,6\nsoon,6\n", "line 3, column 1", "'soon' is neither"),
        ("time_s,pt [bar]\n0,6\n,6\n", "line 3, column 1", "'' is neither"),
        ("time_s,pt [bar]\nnan,6\n", "line 2, column 1", "'nan' is neither"),
        ("time_s,pt [bar]\n1790000000000,6\n", "line 2, column 1", "in ms"),
        ("time_s,pt [bar]\n0,6,7\n", "line 2, column 3", "3 cells; the header has 2"),
        ("time_s,pt [bar]\n1,6\n0.5,6\n", "line 3, column 1", "time goes back"),
        ("time_s,pt [bar]\n1,6\n1970-01-01T00:00:02,6\n", "line 3, column 1", "all as dates"),
        ('time_s,pt [bar]\n1,"6\n', "line 2", "unexpected end"),
    ],
)
def test_every_error_names_file_line_and_column(
    read: Callable[..., list[Item]], tmp_path: Path, text: str, place: str, said: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / '0.csv'}, {place}")
    assert said in str(caught.value)


@pytest.mark.parametrize("good_lines", [1, 10, 10_000])
def test_a_byte_that_is_no_text_is_told_with_its_line(board: Board, tmp_path: Path, good_lines: int) -> None:
    path = tmp_path / "latin.csv"
    rows = "".join(f"{i},6,caf\u00e9\n" for i in range(good_lines)).encode()
    path.write_bytes(b"time_s,pt [bar],event\n" + rows + b"999999,6,caf\xe9\n")
    with pytest.raises(RecordingError, match=rf"latin\.csv, line {good_lines + 2}: is not UTF-8"):
        list(CsvRecording([path], board).items())


def test_many_lines_are_one_recording(board: Board, read: Callable[..., list[Item]]) -> None:
    rows = {each.name: row for row, each in enumerate(board.parameters)}
    cells = ["nan" if 1000 <= i < 1100 else str(i) for i in range(3001)]
    found = ticks(
        read("time_s,pt [Pa]\n" + "".join(f"{i / 100:.2f},{cell}\n" for i, cell in enumerate(cells)))
    )
    pressures = [[s.value for s in tick.arrivals if s.row == rows["pt.pressure.raw"]] for tick in found]
    assert [len(each) for each in pressures] == [1] + [10] * 300
    good = [value for each in pressures for value in each if value == value]
    assert good == [*range(1000), *range(1100, 3001)]
    faults = [(s.time_ns, s.value) for tick in found for s in tick.arrivals if s.row == rows["pt.fault"]]
    start_ns = found[0].now_ns
    assert [((ns - start_ns) / S, fault) for ns, fault in faults] == [(0.0, 0), (10.0, 7), (11.0, 0)]


def test_what_stands_before_a_wrong_line_is_replayed(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        "time_s,pt [bar]\n" + "".join(f"{i / 10},{'6' if i != 2500 else 'six'}\n" for i in range(3000))
    )
    found: list[Item] = []
    with pytest.raises(RecordingError, match="line 2502, column 2"):
        found.extend(CsvRecording([path], board).items())
    assert [tick.unix_ns for tick in ticks(found)] == [i * S // 10 for i in range(2499)]


@pytest.mark.parametrize("time", ["1.52.5", '"1.5\n2.5"', "4294967296.5", "1.5 s"])
def test_a_time_is_one_number(read: Callable[..., list[Item]], time: str) -> None:
    with pytest.raises(RecordingError, match=r"line \d.*time_s.*is neither seconds"):
        read(f"time_s,pt [bar]\n0.5,6\n{time},6\n3.5,6\n")


def test_what_is_no_text_is_refused_with_its_line(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"time_s,tt.inlet [\xb0C]\n0,22\n")
    with pytest.raises(RecordingError, match=r"line 1.*UTF-8"):
        list(CsvRecording([path], board).items())


def test_samples_are_samples(read: Callable[..., list[Item]]) -> None:
    assert all(type(s) is Sample for tick in ticks(read("time_s,pt [bar]\n0,6\n")) for s in tick.arrivals)
