"""The real `fsw calibrate` on a recording, and what `fsw check`, `fsw replay` and `fsw run` then say."""

import json
import math
import random
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from fsw.board.load import find

from .conftest import FSW

VOLUME_M3, GAS_CONSTANT, PA, K = 4e-3, 296.8, 6e5, 295.15  # of the board; nitrogen
LEAK_KG_PER_S = 2e-8


def fsw(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [FSW, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The shipped rig, whose declared zero leak is far below that of the recordings."""
    path = tmp_path / "rig.toml"
    shutil.copy(find("bench_rig").with_suffix(".ids.toml"), tmp_path / "rig.ids.toml")
    path.write_text(find("bench_rig").read_text())
    return path


def record(path: Path, seconds: int = 400, refill_s: float = math.inf, mark: str = "") -> Path:
    """A vessel that is tight but for LEAK_KG_PER_S, in a room that warms and cools; 60 Pa of noise, half of it slow."""
    chance, slow, lines = random.Random(4), 0.0, ["time_s,pt1 [bar absolute],tt1 [degC],event"]
    for tick in range(seconds * 10):
        time_s = tick / 10
        k = K + 0.4 * math.sin(time_s / 20)
        slow = 0.5 * slow + math.sqrt(1 - 0.25) * chance.gauss(0, 60)
        kg = PA * VOLUME_M3 / (GAS_CONSTANT * K) - LEAK_KG_PER_S * time_s + 2e-4 * (time_s >= refill_s)
        pa = kg * GAS_CONSTANT * k / VOLUME_M3 + slow
        event = mark if tick == round(min(refill_s, 1e6) * 10) else ""
        lines.append(f"{time_s:.1f},{pa / 1e5:.7f},{k - 273.15 + chance.gauss(0, 0.005):.4f},{event}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_calibration_is_made_and_then_used(board: Path, tmp_path: Path) -> None:
    recording = record(tmp_path / "night.csv")
    done = fsw("calibrate", board, recording)
    assert done.returncode == 0, done.stderr
    written = tomllib.loads((tmp_path / "rig.cal.toml").read_text())
    assert written["calibration"]["recordings"] == ["night.csv"]
    assert len(written["calibration"]["sha256"]) == 64
    found = written["vessels"]["rig"]
    assert found["samples"] == pytest.approx(4000, abs=20)
    # 60 Pa, where the board declares 100 Pa and the kelvins of a sensor ten times as noisy.
    kg_of_pa, kg_of_k = VOLUME_M3 / (GAS_CONSTANT * K), PA * VOLUME_M3 / (GAS_CONSTANT * K**2)
    seen = math.hypot(60 * kg_of_pa, 0.005 * kg_of_k)
    assert found["noise"] == pytest.approx(seen / math.hypot(100 * kg_of_pa, 0.05 * kg_of_k), rel=0.07)
    error = 1.96 * found["zero_leak_sigma_kg_per_s"]
    assert found["zero_leak_kg_per_s"] == pytest.approx(LEAK_KG_PER_S, abs=error)

    refused = fsw("calibrate", board, recording)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    again = fsw("calibrate", board, recording, "--force", "--from", "50", "--to", "350")
    assert again.returncode == 0
    assert tomllib.loads((tmp_path / "rig.cal.toml").read_text())["calibration"]["begin"] == "50.000 s"

    replayed = fsw("replay", board, recording, "--json", "--to", "20")
    assert replayed.returncode == 0
    assert "rig: calibration new, of" in replayed.stderr
    checked = json.loads(fsw("check", board, "--json").stdout)
    assert checked["cards"][0]["calibrated"] is True
    assert [each["wait_s"] for each in checked["cards"][0]["sight"]] == [10, 60, 600, 3600, 86400]

    (tmp_path / "rig.cal.toml").write_text("[[")
    for command in ("run", "check"):
        broken = fsw(command, board)
        assert broken.returncode == 2
        assert "rig.cal.toml: is not a calibration" in broken.stderr
    assert fsw("calibrate", board, recording, "--force").returncode == 0  # the way out


def test_what_happened_must_be_marked(board: Path, tmp_path: Path) -> None:
    silent = fsw("calibrate", board, record(tmp_path / "silent.csv", refill_s=200.0))
    assert silent.returncode == 3
    assert "rig: at 200" in silent.stderr
    assert "mark it in the recording's event column" in silent.stderr
    assert not (tmp_path / "rig.cal.toml").exists()
    marked = record(tmp_path / "marked.csv", refill_s=200.0, mark="refilled")
    assert fsw("calibrate", board, marked, "--settle", "30 s").returncode == 0


def test_misuse_is_told_in_a_line(board: Path, tmp_path: Path) -> None:
    recording = record(tmp_path / "short.csv", seconds=60)
    for arguments, code, text in (
        ((recording,), 3, "it takes 2112: record for longer"),
        ((recording, "--vessel", "rog"), 2, "did you mean 'rig'?"),
        ((recording, "--from", "1000"), 1, "nothing was recorded between --from and --to"),
        ((recording, "--settle", "soon"), 2, "'soon' is not a quantity in s"),
        ((tmp_path / "none.csv",), 2, "does not exist"),
        ((board,), 1, "no sample packets"),
    ):
        done = fsw("calibrate", board, *arguments)
        assert done.returncode == code, done.stderr
        assert text in done.stderr
        assert "Traceback" not in done.stderr
