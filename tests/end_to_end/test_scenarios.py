"""Every shipped scenario in virtual time, by the command a test engineer types. `demo` is for `make demo`."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

HIL = str(Path(sys.executable).with_name("hil"))
SHIPPED = sorted(path.stem for path in Path(str(resources.files("hil") / "scenarios")).glob("*.toml"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", [name for name in SHIPPED if name != "demo"])
def test_every_expectation_of_a_shipped_scenario_is_met(scenario: str) -> None:
    run = subprocess.run([HIL, "run", scenario], check=False, capture_output=True, text=True, timeout=590)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "FAILED" not in run.stdout


def test_the_scenarios_that_were_asked_for_are_there() -> None:
    assert {
        "ms22",
        "ms21",
        "progress_healthy",
        "cabin_leak",
        "bench_rig_leak",
        "unplugged_line",
        "stuck_instrument",
        "bad_data_relay",
        "demo",
    } <= set(SHIPPED)
