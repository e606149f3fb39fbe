"""`fsw replay` of what a run sent: JSON for programs, a range of time, another board beside it, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsw.board.board import Board
from fsw.commands.replay import command

from .live_run import EPOCH, SECOND, record, save, written

KEYS = {  # of a leak alarm, as in docs/replay.md
    "type", "time_s", "alarm", "kind", "vessel", "severity", "transition",
    "leak_kg_per_s", "leak_sigma_kg_per_s", "decay_pa_per_s", "decay_sigma_pa_per_s",
    "hole_m", "hole_sigma_m", "onset_s",
    "time_to_empty_s", "time_to_empty_band_s",
}  # fmt: skip


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return written(tmp_path / "small.toml")


@pytest.fixture
def fsw() -> Callable[..., tuple[int, str, str]]:
    """`fsw replay ...` in this process: exit code, output, messages."""

    def call(*arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(command, [str(each) for each in arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def test_json_has_the_promised_keys(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    code, out, _ = fsw(board.path, path, "--json")
    assert code == 0
    objects = [json.loads(line) for line in out.splitlines()]
    leak = next(each for each in objects if each.get("alarm") == "tank.leak")
    assert set(leak) == KEYS
    assert (leak["type"], leak["kind"], leak["vessel"], leak["transition"]) == (
        "alarm",
        "leak",
        "tank",
        "RAISE",
    )
    # 200 Pa/s out of 4 L of nitrogen at 295 K: m' = p' V M / (R T)
    later = [each for each in objects if each["type"] == "estimate"][-1]
    assert later["verdict"] == "leak"
    assert later["decay_pa_per_s"] == pytest.approx(200, abs=4 * later["decay_sigma_pa_per_s"])
    truth = 200 * 4e-3 * 28.0134e-3 / (8.314462618 * 295)
    assert later["leak_kg_per_s"] == pytest.approx(truth, abs=4 * later["leak_sigma_kg_per_s"])
    assert later["onset_s"] == pytest.approx(EPOCH / SECOND + 4321 + 60, abs=3)
    kinds = {each["alarm"]: each["kind"] for each in objects if each["type"] == "alarm"}
    assert kinds == {
        "tank.leak": "leak",
        "low": "limit",
        "pt.pressure.stale": "instrument",
        "tt.temperature.stale": "instrument",
    }


def test_a_range_replays_only_what_lies_in_it(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    start = EPOCH // SECOND + 4321
    code, out, _ = fsw(board.path, path, "--from", start + 40, "--to", start + 50, "--json", "--every", "1 s")
    times = [json.loads(line)["time_s"] for line in out.splitlines()]
    assert code == 0
    assert len(times) == 10  # each tick is a little late, that at 50 s too
    assert min(times) >= start + 40
    assert max(times) <= start + 50
    assert fsw(board.path, path, "--from", start + 4000)[0] == 1


def test_compare_shows_what_other_limits_would_have_raised(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    other = written(tmp_path / "other.toml", low=5.0)  # never reached
    code, out, _ = fsw(board.path, path, "--compare", other.path, "--json")
    found = {each["alarm"]: each for each in map(json.loads, out.splitlines())}
    assert code == 0
    assert found["low"]["before"]["raises"] == 1
    assert found["low"]["after"] is None
    assert found["tank.leak"]["before"] == found["tank.leak"]["after"]
    code, out, _ = fsw(board.path, path, "--compare", other.path)
    assert code == 0
    assert next(line for line in out.splitlines() if "low " in line).split()[-3:] == ["-", "-", "-"]


def test_exit_codes_tell_what_is_wrong(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board, 20))
    junk = tmp_path / "junk.tm"
    junk.write_bytes(b"junk")
    apart = written(tmp_path / "apart.toml", apid=6)
    for arguments, code in (
        ((board.path, path), 0),
        ((board.path, junk), 1),
        ((tmp_path / "nowhere.toml", path), 2),
        ((apart.path, path), 2),
        ((board.path, tmp_path / "nowhere.tm"), 2),
        ((board.path, path, "--from", "yesterday"), 2),
        ((board.path, path, "--write", path), 2),
    ):
        found, _, said = fsw(*arguments)
        assert (found, "Traceback" in said) == (code, False), arguments


@pytest.mark.parametrize("name", ["rec-1.tm", "rec-2.tm"])
def test_a_segment_of_the_replayed_folder_is_not_written_over(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]], name: str
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    kept = save(folder / "rec-1.tm", record(board, 20)).read_bytes()
    code, _, said = fsw(board.path, folder, "--write", folder / name)
    assert code == 2
    assert "is one of the recordings, or would be" in said
    assert (folder / "rec-1.tm").read_bytes() == kept
    assert [path.name for path in folder.iterdir()] == ["rec-1.tm"]
