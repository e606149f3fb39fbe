"""`fsw replay` of CSV recordings with two and three pressures: a leak is what all see."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.board_text import TANK, changed
from tests.fsw.board.test_fusion import PRESSURE, TWO_LINES

from .conftest import FSW

THERMAL = """
[vessels.tank.thermal]
mismatch = "1 %"
unseen_drift = "0.1 K/h"
fastest = "1 K/h"
"""
FALL_PA_PER_S = -5.0
BEGIN_S = 150.0
TICKS = 3500
OFFSETS_PA = (300.0, -400.0, 200.0)


def replay(
    folder: Path, count: int, leaks: bool, drifts: bool, lost: bool = False
) -> list[dict[str, object]]:
    """The alarms of a recording of 350 s at 10 Hz; the first instrument is the one that drifts, or is lost at 100 s."""
    board, csv = folder / "twins.toml", folder / "run.csv"
    pressures = [f"pt{i + 1}.pressure" for i in range(count)]
    text = TWO_LINES + "".join(
        PRESSURE.format(i=i + 1, line="bus", every=1, noise="100 Pa", more='accuracy = "500 Pa"')
        for i in range(count)
    )
    board.write_text(text + changed(TANK, {'"pt.pressure"': json.dumps(pressures)}) + THERMAL)
    rng = np.random.default_rng(7)
    lines = [",".join(["time_s", *(f"pt{i + 1} [Pa]" for i in range(count)), "tt [K]"])]
    for tick in range(TICKS):
        t_s = tick / 10
        fall = FALL_PA_PER_S * max(0.0, t_s - BEGIN_S)
        cells = []
        for i in range(count):
            value = 6e5 + OFFSETS_PA[i] + rng.normal(0, 100) + fall * (leaks or (drifts and i == 0))
            cells.append("" if lost and i == 0 and t_s >= 100 else f"{value:.2f}")
        lines.append(",".join([f"{t_s:.1f}", *cells, f"{293.15 + rng.normal(0, 0.02):.4f}"]))
    csv.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [FSW, "replay", str(board), str(csv), "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [each for each in found if each["type"] == "alarm" and each["transition"] == "RAISE"]


def leaks(alarms: list[dict[str, object]]) -> list[dict[str, object]]:
    return [each for each in alarms if each["kind"] == "leak"]


def test_the_drift_of_the_only_instrument_is_a_leak_to_whom_could_know_better(tmp_path: Path) -> None:
    assert leaks(replay(tmp_path, 1, leaks=False, drifts=True))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("lost", [False, True])
def test_a_leak_that_all_see_is_alarmed_also_with_one_lost(tmp_path: Path, count: int, lost: bool) -> None:
    alarms = replay(tmp_path, count, leaks=True, drifts=False, lost=lost)
    (leak,) = leaks(alarms)
    assert leak["vessel"] == "tank"
    assert BEGIN_S < leak["time_s"] < BEGIN_S + 120  # type: ignore[operator]
    assert [each["alarm"] for each in alarms if each["kind"] == "instrument"] == (
        ["pt1.pressure.stale"] if lost else []
    )


@pytest.mark.parametrize("count", [2, 3])
def test_a_drift_of_one_is_a_disagreement_and_no_leak(tmp_path: Path, count: int) -> None:
    alarms = replay(tmp_path, count, leaks=False, drifts=True)
    assert not leaks(alarms)
    named = {each["alarm"]: each for each in alarms}
    assert set(named) == {"tank.disagree"} | ({"tank.pt1_pressure_departs"} if count == 3 else set())
    for each in alarms:
        assert (each["kind"], each["vessel"], each["severity"]) == ("instrument", "tank", 3)
        assert each["time_s"] == pytest.approx(BEGIN_S + 500 / 5, abs=25)  # when it is 500 Pa off


@pytest.mark.parametrize("count", [2, 3])
def test_losing_one_is_no_leak(tmp_path: Path, count: int) -> None:
    alarms = replay(tmp_path, count, leaks=False, drifts=False, lost=True)
    assert [each["alarm"] for each in alarms] == ["pt1.pressure.stale"]
