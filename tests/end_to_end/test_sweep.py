"""`hil sweep` as it is typed: many real runs, two at a time or on a cluster, and one that is stopped half-way."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HIL = str(Path(sys.executable).with_name("hil"))
HOLE = "plant.rig.leak.0.hole"
SCENARIO = """
title = "A hole after a short while"
board = "bench_rig"
duration = "30 s"
[plant.rig]
model = "gas_vessel"
volume = "4 L"
pressure = "6 bar"
gas = "nitrogen"
outside = "101.325 kPa"
cd = 0.7
leak = [{ at = "15 s", hole = "0.3 mm" }]
[instrument.pt1]
channels.pressure = { reads = "rig.pressure", noise = "100 Pa" }
[instrument.tt1]
channels.temperature = { reads = "rig.temperature", noise = "0.05 K" }
[[expect]]
alarm = "rig.leak"
within = ["15 s", "25 s"]
"""


def hil(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | changes
    return subprocess.run(
        [HIL, "sweep", *words], check=False, capture_output=True, text=True, timeout=100, env=environment
    )


def lines(output: str) -> dict[str, list[Any]]:
    """What --json printed, by type."""
    found: dict[str, list[Any]] = {"run": [], "result": []}
    for line in output.splitlines():
        read = json.loads(line)
        found[read["type"]].append(read)
    return found


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("sweep") / "short.toml"
    file.write_text(SCENARIO)
    return str(file)


@pytest.fixture(scope="module")
def swept(scenario: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two holes, two seeds, two runs at a time."""
    out = Path(scenario).with_name("out")
    words = ["--vary", f"{HOLE}=0.01 mm,0.3 mm", "--seeds", "2", "--jobs", "2", "--out", str(out)]
    return hil(scenario, *words), out


def runs(out: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads((out / "results.json").read_text())["runs"]
    return sorted(found, key=lambda run: (run["values"].get(HOLE, ""), run["seed"]))


def test_a_large_hole_is_found_each_time_and_a_tiny_one_never(
    swept: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, out = swept
    tiny, large = json.loads((out / "results.json").read_text())["results"]
    assert (tiny["values"][HOLE], tiny["runs"], tiny["detected"]) == ("0.01 mm", 2, 0)
    assert (large["values"][HOLE], large["runs"], large["detected"]) == ("0.3 mm", 2, 2)
    assert large["p_detect"]["low"] == pytest.approx(0.05**0.5)
    assert 0 < large["delay_mean_s"]["value"] < 10
    assert (large["false_alarms"], large["quiet_s"]) == (0, 30.0)  # twice 15 s
    # Choked nitrogen at 6 bar and 293 K: Cd A p sqrt(g / (R T)) (2 / (g + 1))^((g + 1) / (2 (g - 1))) = 68.9 mg/s.
    assert large["leak_kg_per_s"] == pytest.approx(68.9e-6, rel=2e-3)
    assert re.search(r"0\.3 mm .* 2 .* 1 \(0\.223 \.\. 1\.000\)", done.stdout)


def test_a_broken_expectation_is_counted_named_and_in_the_exit_code(
    swept: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, out = swept
    assert done.returncode == 1
    assert (
        "broken: hole 0.01 mm, seed 2: rig.leak raised between 15.0 s and 25.0 s: not raised" in done.stderr
    )
    assert "4 runs, 2 broke an expectation" in done.stderr
    assert [bool(run["broken"]) for run in runs(out)] == [True, True, False, False]


def test_files_and_page_are_left(swept: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = swept
    assert len(list(csv.DictReader((out / "results.csv").open()))) == 4
    assert "detection card" in (out / "sweep.html").read_text()


def test_on_a_cluster_a_seed_gives_the_same_run(
    swept: tuple[subprocess.CompletedProcess[str], Path], scenario: str
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `sweep` is not installed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    )
    with cluster:
        done = hil(scenario, "--seeds", "1", "--json", "--scheduler", cluster.scheduler_address)
    assert done.returncode == 0, done.stderr
    assert "1 worker of tcp://" in done.stderr
    (there,) = lines(done.stdout)["run"]
    (here,) = (run for run in runs(swept[1]) if (run["values"][HOLE], run["seed"]) == ("0.3 mm", 1))
    assert there["vessels"] == here["vessels"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_tells_what_it_has_and_leaves_nothing_behind(
    scenario: str, tmp_path: Path, number: signal.Signals
) -> None:
    words = [HIL, "sweep", scenario, "--seeds", "1000", "--jobs", "1", "--json"]
    sweep = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert sweep.stdout is not None
    first = sweep.stdout.readline()
    sweep.send_signal(number)
    rest, told = sweep.communicate(timeout=60)
    assert sweep.returncode == 128 + number
    found = lines(first + rest)
    assert found["result"][0]["runs"] == len(found["run"]) >= 1
    assert f"stopped by {number.name}: {len(found['run'])} of 1000 runs" in told
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())  # of workers, programs and their sockets


def test_a_run_that_fails_is_named_and_is_no_detection(scenario: str, tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 100)  # for the path of a socket
    too_long.mkdir()
    done = hil(scenario, "--seeds", "1", "--json", TMPDIR=str(too_long))
    assert done.returncode == 1
    assert "failed: seed 1: cannot listen at" in done.stderr
    (result,) = lines(done.stdout)["result"]
    assert (result["runs"], result["failed"], result["detected"], result["quiet_s"]) == (1, 1, 0, 0)
    assert result["p_detect"]["value"] == 0
