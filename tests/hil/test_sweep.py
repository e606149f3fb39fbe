"""The arguments of `hil sweep`: what is refused before anything runs. Runs: tests/end_to_end/test_sweep.py."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hil import campaign, cli, grid

HOLE = "plant.rig.leak.0.hole"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench_rig_leek"], "did you mean 'bench_rig_leak'"),
        (["bench_rig_leak", "--vary", f"{HOLE}=0.1 mm,0.1 bar"], f"with {HOLE} = 0.1 bar:"),
        (["bench_rig_leak", "--vary", "plant.rig.leak.1.hole=0.1 mm"], "places 0 to 0"),
        (["bench_rig_leak", "--vary", "plant.rig.volum=4 L"], "did you mean 'volume'"),
        (["bench_rig_leak", "--vary", "board=bench_rig,bench_rog"], "bench_rog"),
        (["bench_rig_leak", "--vary", f"{HOLE}=1 mm", "--vary", f"{HOLE}=2 mm"], "varied twice"),
        (["bench_rig_leak", "--vary", "seed=1,2"], "--seeds"),
        (["bench_rig_leak", "--seeds", "0"], "--seeds"),
        (["bench_rig_leak", "--confidence", "100"], "--confidence"),
        (["bench_rig_leak", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"], "--jobs"),
        (["bench_rig_leak", "--out", "/proc/nowhere"], "cannot be written to"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(words: list[str], said: str) -> None:
    done = CliRunner().invoke(cli.main, ["sweep", *words])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_scheduler_that_is_not_there_is_said_so() -> None:
    pytest.importorskip("distributed", reason="the extra `sweep` is not installed")
    done = CliRunner().invoke(cli.main, ["sweep", "bench_rig_leak", "--scheduler", "foo"])
    assert done.exit_code == 2
    assert "no scheduler at foo" in done.output


def test_a_point_knows_what_is_true_there_and_has_all_that_another_machine_needs(tmp_path: Path) -> None:
    dimensions = [
        grid.dimension("plant.rig.leak=[],[{at = '1 h', hole = '1 mm'}],[{at = '1 min', hole = '1 mm'}]")
    ]
    never, too_late, leaking = campaign.points("bench_rig_leak", dimensions, judge=False)
    assert [each.vessels[0].onset_s for each in (never, too_late, leaking)] == [
        None,
        None,
        60.0,
    ]  # it lasts 6 min
    assert {name for name, _ in leaking.files} == {"bench_rig.toml", "bench_rig.ids.toml"}
    with leaking.case(seed=17) as case:
        assert case.scenario.seed == 17
        assert case.board.path.parent != campaign.scenario.load("bench_rig_leak").board.path.parent
        assert (case.board.name, case.expectations) == ("bench_rig", ())


def test_a_vessel_that_no_plant_is_named_after_is_not_measured(tmp_path: Path) -> None:
    text = campaign.scenario.find("bench_rig_leak").read_text().partition("[[expect]]")[0]
    file = tmp_path / "other.toml"
    file.write_text(text.replace("plant.rig", "plant.other").replace("rig.pressure", "other.pressure"))
    file.write_text(file.read_text().replace("rig.temperature", "other.temperature"))
    (point,) = campaign.points(str(file), [], judge=True)
    assert (point.vessels, point.unknown) == ((), ("rig",))
    done = CliRunner().invoke(cli.main, ["sweep", str(file)])
    assert done.exit_code == 2
    assert "no plant is named as a vessel" in done.output
