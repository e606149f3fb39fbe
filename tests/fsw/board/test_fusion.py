"""Boards with redundant instruments: what they lead to, and what is said of wrong ones."""

from pathlib import Path

import pytest

from fsw.board.load import BoardErrors, load
from fsw.limit import Check
from tests.board_text import HEAD, TANK, TT, changed

OTHER_LINE = """
[lines.other]
device = "/nowhere/else"
"""
TWO_LINES = (
    changed(HEAD, {'"/nowhere"': '"/nowhere"\nbaud = 57600'})
    + OTHER_LINE
    + changed(TT, {"address = 2": "address = 9"})
)
PRESSURE = """
[instruments.pt{i}]
line = "{line}"
dialect = "modbus_rtu"
address = {i}
every = {every}

[instruments.pt{i}.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "{noise}"
{more}
"""


def board(folder: Path, pressure: str, count: int = 3, more: str = "") -> Path:
    """A board of so many pressures, the last of them asked less often and on a line of its own."""
    text = TWO_LINES
    for i in range(1, count + 1):
        last = i == count
        text += PRESSURE.format(
            i=i, line="other" if last else "bus", every=5 if last else 1, noise=f"{100 * i} Pa", more=more
        )
    path = folder / "twins.toml"
    path.write_text(text + changed(TANK, {'"pt.pressure"': pressure}))
    return path


def names(path: Path) -> tuple[set[str], set[str]]:
    found = load(path)
    return {each.name for each in found.parameters}, {each.name for each in found.limits}


def test_one_instrument_leads_to_nothing_new(tmp_path):
    assert names(board(tmp_path, '"pt1.pressure"')) == names(board(tmp_path, '["pt1.pressure"]'))
    parameters, alarms = names(board(tmp_path, '"pt1.pressure"'))
    assert not {each for each in parameters if each.startswith("tank.pressure")}
    assert "tank.disagree" not in alarms


def test_two_have_a_fused_value_a_spread_and_an_alarm_at_the_default_accuracy(tmp_path):
    found = load(board(tmp_path, '["pt1.pressure", "pt2.pressure"]'))
    rows = {each.name: row for row, each in enumerate(found.parameters)}
    (vessel,) = found.vessels
    (fused,) = vessel.fused
    assert vessel.inputs.pressure == fused.group.row == rows["tank.pressure"]
    assert [each.row for each in fused.group.instruments] == [rows["pt1.pressure"], rows["pt2.pressure"]]
    assert fused.group.falls
    alarm = next(each for each in found.limits if each.name == "tank.disagree")
    assert alarm.row == rows["tank.pressure_spread"]
    assert (alarm.check, alarm.high, alarm.severity[2]) == (
        Check.DISAGREE,
        2000.0,
        3,
    )  # 10 x 200 Pa, the worse
    assert not any(name.endswith("_departs") for name in rows)


def test_three_on_two_lines_and_at_two_rates_name_the_one_that_departs(tmp_path):
    path = board(tmp_path, '["pt1.pressure", "pt2.pressure", "pt3.pressure"]', more='accuracy = "0.05 bar"')
    parameters, alarms = names(path)
    wanted = {f"tank.pt{i}_pressure_departs" for i in (1, 2, 3)}
    assert wanted <= parameters
    assert wanted | {"tank.disagree"} <= alarms
    (vessel,) = load(path).vessels
    assert [each.interval_ns for each in vessel.fused[0].group.instruments] == [10**8, 10**8, 5 * 10**8]
    assert vessel.fused[0].group.tolerance == 5000.0
    assert vessel.interval_ns == 10**8


def test_an_accuracy_below_three_sigma_is_that_for_noise_would_be_a_disagreement(tmp_path):
    path = board(tmp_path, '["pt1.pressure", "pt2.pressure"]', more='accuracy = "1 Pa"')
    assert load(path).vessels[0].fused[0].group.tolerance == 600.0


def test_a_limit_may_name_the_fused_pressure(tmp_path):
    path = board(tmp_path, '["pt1.pressure", "pt2.pressure"]')
    limit = '[limits.low]\nparameter = "tank.pressure"\nlow = "4 bar absolute"\n'
    path.write_text(path.read_text() + limit)
    assert next(each.low for each in load(path).limits if each.name == "low") == 4e5


@pytest.mark.parametrize(
    ("pressure", "said"),
    [
        ('["pt1.pressure", "pt2.pressure", "pt3.pressure", "pt4.pressure"]', "a list of two or three"),
        ("[]", "a list of two or three"),
        ("5", "must be a channel"),
        ('["pt1.pressure", 5]', "must be a channel"),
        ('["pt1.pressure", "pt1.pressure"]', "names pt1.pressure twice"),
        ('["pt1.pressure", "tt.temperature"]', "measures temperature; a pressure is needed"),
        ('["pt1.pressure", "pt2.presure"]', "did you mean 'pt2.pressure'?"),
    ],
)
def test_a_wrong_list_is_told_in_one_line_that_names_the_key(tmp_path, pressure, said):
    with pytest.raises(BoardErrors) as errors:
        load(board(tmp_path, pressure))
    (problem,) = errors.value.problems
    assert problem.path == "vessels.tank.pressure"
    assert said in str(problem)


@pytest.mark.parametrize("accuracy", ["-1 Pa", "1 K", "nan Pa", "0 Pa"])
def test_a_wrong_accuracy_names_its_key(tmp_path, accuracy):
    with pytest.raises(BoardErrors) as errors:
        load(board(tmp_path, '["pt1.pressure", "pt2.pressure"]', count=2, more=f'accuracy = "{accuracy}"'))
    assert {each.path for each in errors.value.problems} == {
        f"instruments.pt{i}.channels.pressure.accuracy" for i in (1, 2)
    }
