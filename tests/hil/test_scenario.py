"""Scenario files: what is shipped loads, what is wrong is said, all of it at once."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hil import cli, scenario
from hil.rig import Rig

ISSUE_LIST = {
    "ms22",
    "ms21",
    "progress_healthy",
    "cabin_leak",
    "bench_rig_leak",
    "unplugged_line",
    "stuck_instrument",
    "bad_data_relay",
    "demo",
}

GOOD = """
board = "bench_rig"
duration = "1 min"

[plant.rig]
model = "gas_vessel"
volume = "4 L"
pressure = "6 bar"

[instrument.pt1]
channels.pressure = { reads = "rig.pressure", noise = "100 Pa" }

[instrument.tt1]
channels.temperature = { reads = "rig.temperature" }
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "case.toml"
    file.write_text(text)
    with pytest.raises(scenario.ScenarioError) as caught:
        scenario.load(str(file))
    return [f"{problem.path}: {problem.text}" for problem in caught.value.problems]


def test_every_scenario_that_was_promised_is_shipped() -> None:
    assert set(scenario.names()) >= ISSUE_LIST


@pytest.mark.parametrize("name", scenario.names())
def test_a_shipped_scenario_loads_by_its_bare_name_and_says_what_it_is(name: str) -> None:
    case = scenario.load(name)
    assert case.scenario.title
    assert case.expectations
    Rig(case)


def test_instruments_are_wired_as_the_board_says(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD)
    case = scenario.load(str(tmp_path / "case.toml"))
    (register,) = case.instruments["pt1"].channels  # type: ignore[attr-defined]
    # The board reads holding register 40003 as f32 ABCD in bar: address 2, function 3.
    assert (register.address, register.function, register.type, register.order) == (2, 3, "f32", "ABCD")
    assert register.pack(6e5).hex() == "40c00000"  # 6.0 bar, IEEE 754
    assert case.truth_of("pt1.pressure") == "rig.pressure"
    assert case.truth_of("rig.leak_rate") == "rig.leak"
    assert case.truth_of("bus.lost") is None


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        board = "bench_rig"
        duration = "1 min"
        [plant.rig]
        model = "gas_vessel"
        volume = "4 bar"
        pressure = "6 bar"
        presure = "7 bar"
        [instrument.pt1]
        channels.pressure = { reads = "rig.presure", noise = "0.1 K" }
        [instrument.tt9]
        channels.temperature = { reads = "rig.temperature" }
        [[fault]]
        kind = "unplugg"
        on = "bus"
        [[fault]]
        kind = "unplug"
        on = "rig"
        at = "1 s"
        [[expect]]
        never = "rig.leek"
        [[expect]]
        alarm = "rig.leak"
        within = ["20 s", "10 s"]
        [[expect]]
        parameter = "rig.hole"
        at = "30 s"
        within = "2 bar"
        [[expect]]
        alarms = "rig.leak"
        """,
    )
    for path, word in (
        ("plant.rig.volume", "m^3"),
        ("plant.rig.presure", "did you mean 'pressure'"),
        ("instrument.pt1.channels.pressure.reads", "pressure"),
        ("instrument.tt1", "is missing"),
        ("instrument.tt9", "did you mean 'tt1'"),
        ("fault.0", "unplug"),
        ("fault.1.on", "bus"),
        ("expect.0", "did you mean 'rig.leak'"),
        ("expect.1.within", "before"),
        ("expect.2", "bar"),
        ("expect.3", "never"),
    ):
        assert any(line.startswith(path + ":") and word in line for line in found), (path, found)


@pytest.mark.parametrize(
    "text", ["board = ", 'board = "bench_rig"', GOOD + "sed = 3", "\0", GOOD + "seed = -1"]
)
def test_a_broken_file_is_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_fault_of_a_line_on_an_instrument_is_refused(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD + '[[fault]]\nkind = "unplug"\non = "bus/pt1"\nat = "1 s"\n')
    result = CliRunner().invoke(cli.main, ["run", str(tmp_path / "case.toml")])
    assert result.exit_code == cli.WRONG_FILE
    assert "unplug" in result.output


def test_a_wrong_file_ends_the_command_with_code_2_and_the_nearest_name() -> None:
    result = CliRunner().invoke(cli.main, ["run", "ms23"])
    assert result.exit_code == cli.WRONG_FILE
    assert "ms22" in result.output
    assert "Traceback" not in result.output


def test_a_board_is_found_beside_its_scenario(tmp_path: Path) -> None:
    shipped = scenario.load("bench_rig_leak").board.path
    (tmp_path / "my_rig.toml").write_bytes(shipped.read_bytes())
    (tmp_path / "case.toml").write_text(GOOD.replace('"bench_rig"', '"my_rig.toml"'))
    assert scenario.load(str(tmp_path / "case.toml")).board.path == tmp_path / "my_rig.toml"
