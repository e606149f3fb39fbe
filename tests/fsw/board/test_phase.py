"""`[phases.NAME]`: what it resolves to, and every way to get one wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsw.board import ids as locks
from fsw.board.load import BoardErrors, load
from fsw.commands.check import command
from tests.board_text import TANK, changed

from .rig import BOARD

S = 1_000_000_000


def written(folder: Path, phases: str) -> Path:
    path = folder / "rig.toml"
    path.write_text(BOARD + changed(TANK, {"tank": "loop"}) + phases)
    return path


def problems(folder: Path, phases: str) -> list[str]:
    with pytest.raises(BoardErrors) as found:
        load(written(folder, phases))
    return [str(problem) for problem in found.value.problems]


def test_a_phase_is_for_all_vessels_and_settles_for_a_minute_unless_it_says_otherwise(tmp_path):
    (fill,) = load(written(tmp_path, '[phases.fill]\ntime_out = "30 min"\n')).phases
    assert (fill.name, fill.vessels, fill.time_out_ns, fill.settle_ns) == ("fill", (0, 1), 1800 * S, 60 * S)
    assert (fill.at_start, fill.row) == (False, None)


def test_a_parameter_that_begins_a_phase_has_its_bound_in_si(tmp_path):
    board = load(
        written(
            tmp_path,
            '[phases.fill]\nvessels = ["loop", "loop"]\ntime_out = "5 min"\nsettle = "0 s"\n'
            'parameter = "pt.pressure"\nabove = "6 bar absolute"\n'
            '[phases.warm_up]\nat_start = true\ntime_out = "1 h"\nparameter = "tt.temperature"\nbelow = "20 degC"\n',
        )
    )
    fill, warm_up = board.phases
    assert fill.vessels == (1,)
    assert board.parameters[fill.row].name == "pt.pressure"
    assert fill.above == 6e5
    assert warm_up.at_start
    assert warm_up.below == pytest.approx(293.15)


def test_a_phase_keeps_its_id_and_a_removed_ones_is_never_used_again(tmp_path):
    one, other = '[phases.fill]\ntime_out = "1 h"\n', '[phases.maintenance]\ntime_out = "1 h"\n'
    board = load(written(tmp_path, one + other))
    assert {phase.name: phase.id for phase in board.phases} == {"fill": 1, "maintenance": 2}
    locks.write(board.ids, locks.lock_path(board.path))
    board = load(written(tmp_path, '[phases.vacuum]\ntime_out = "1 h"\n' + other))
    assert {phase.name: phase.id for phase in board.phases} == {"vacuum": 3, "maintenance": 2}


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("", "phases.fill.time_out: is missing: write time_out = ..."),
        (
            'time_out = "0 s"',
            "phases.fill.time_out = '0 s': must be at least one tick, 100 ms, and at most 24 h",
        ),
        ('time_out = "2 days"', "must be at least one tick, 100 ms, and at most 24 h"),
        ('time_out = "1 h"\nsettle = "2 days"', "phases.fill.settle = '172800 s': must be at most 24 h"),
        (
            'time_out = "1 h"\nvessels = ["tnk"]',
            "phases.fill.vessels = 'tnk': is not a vessel of this board; did you mean 'tank'?",
        ),
        ('time_out = "1 h"\nvessels = []', "phases.fill.vessels = []: must have at least 1, has 0"),
        (
            'time_out = "1 h"\nparameter = "pt.presure"\nabove = "6 bar absolute"',
            "phases.fill.parameter = 'pt.presure': is not a parameter of this board; did you mean 'pt.pressure'?",
        ),
        (
            'time_out = "1 h"\nparameter = "tank.leak_certainty"\nabove = 0.9',
            "a leak must not silence itself; name an instrument's channel",
        ),
        ('time_out = "1 h"\nparameter = "pt.pressure"', "write either above = ... or below = ..."),
        (
            'time_out = "1 h"\nparameter = "pt.pressure"\nabove = "6 bar absolute"\nbelow = "2 bar absolute"',
            "write either above = ... or below = ...",
        ),
        (
            'time_out = "1 h"\nabove = "6 bar absolute"',
            "phases.fill.above = '6 bar absolute': has no parameter",
        ),
        (
            'time_out = "1 h"\nparameter = "pt.pressure"\nabove = "6 bar"',
            "does not say what it is measured against",
        ),
        ('time_out = "1 h"\ntimeout = "1 h"', "is not a key here; did you mean 'time_out'?"),
    ],
)
def test_a_mistake_is_told_with_key_value_and_bound(tmp_path, phase, said):
    (problem,) = problems(tmp_path, f"[phases.fill]\n{phase}\n")
    assert said in problem


def test_a_word_of_recordings_is_no_name(tmp_path):
    (problem,) = problems(tmp_path, '[phases.vent]\ntime_out = "1 h"\n')
    assert problem.startswith("phases.vent: is a word of recordings")


def test_all_mistakes_of_a_phase_come_at_once(tmp_path):
    found = problems(tmp_path, '[phases.fill]\nvessels = ["tnk"]\nparameter = "x.y"\nabove = 1\n')
    assert {problem.split(" ")[0].rstrip(":") for problem in found} == {
        "phases.fill.time_out",
        "phases.fill.vessels",
        "phases.fill.parameter",
    }


def test_check_lists_phases_and_what_begins_them(tmp_path):
    path = written(
        tmp_path,
        '[phases.fill]\nvessels = ["tank"]\ntime_out = "30 min"\nparameter = "pt.pressure"\nabove = "6 bar absolute"\n'
        '[phases.maintenance]\ntime_out = "8 h"\nat_start = true\n',
    )
    shown = CliRunner().invoke(command, [str(path)]).output
    (fill,) = (line.split() for line in shown.splitlines() if line.startswith("1 ") and " fill " in line)
    assert fill[:3] == ["1", "fill", "tank"]
    assert "pt.pressure above 600000 Pa" in " ".join(fill)
    (maintenance,) = (line for line in shown.splitlines() if " maintenance " in line)
    assert "tank, loop" in maintenance
    assert "at start" in maintenance
    assert '"fill" = 1' in locks.lock_path(path).read_text()
    summary = json.loads(CliRunner().invoke(command, [str(path), "--json"]).output)
    assert summary["phases"][1] == {
        "id": 2,
        "name": "maintenance",
        "vessels": ["tank", "loop"],
        "time_out_ns": 8 * 3600 * S,
        "settle_ns": 60 * S,
        "at_start": True,
        "parameter": None,
        "above": None,
        "below": None,
    }


def test_a_board_without_vessels_has_nothing_to_suspend(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(BOARD.split("[vessels.tank]")[0] + '[phases.fill]\ntime_out = "1 h"\n')
    with pytest.raises(BoardErrors, match=r"phases\.fill: there is no vessel"):
        load(path)
