"""A calibration beside a board: it is taken, said, and refused where it cannot be meant."""

import datetime
import shutil

import pytest
from click.testing import CliRunner

from fsw.board import sight
from fsw.board.calibration import CalibrationFile, Made, learned_with, path_for
from fsw.board.load import BoardErrors, find, load, shipped
from fsw.commands.check import command
from fsw.leak.calibration import Calibration

DATE = datetime.datetime(2026, 9, 1, 12, tzinfo=datetime.UTC)
FOUND = Calibration(samples=36_000, interval_s=0.1, noise=0.7, phi=0.2, noise_error=0.01, notes=('say "so"',))


@pytest.fixture
def path(tmp_path):
    """A board with a calibration beside it."""
    path = tmp_path / "bench_rig.toml"
    shutil.copy(find("bench_rig"), path)
    shutil.copy(find("bench_rig").with_suffix(".ids.toml"), tmp_path)
    write(path)
    return path


def write(path, **vessels):
    board = load(path, calibrated=False)
    crc32 = f"{board.crc32:08x}"
    made = Made(
        date=DATE, board="bench_rig", board_crc32=crc32, version="0.1.0", recordings=("a.csv",),
        sha256="0" * 64, begin="0 s", end="3600 s",
    )  # fmt: skip
    learned = dict(learned_with(board.file, "rig"))
    file = CalibrationFile(calibration=made, learned_with=learned, vessels=vessels or {"rig": FOUND})
    path_for(path).write_text(file.text())


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_was_written_is_what_is_loaded(path):
    board = load(path)
    assert board.vessels[0].calibration == FOUND
    assert board.calibration.calibration.date == DATE
    assert load(path, calibrated=False).vessels[0].calibration is None


def test_a_board_without_one_has_none_and_none_is_shipped_as_a_board():
    assert load("bench_rig").calibration is None
    assert all("." not in name for name in shipped())


@pytest.mark.parametrize(
    ("days", "text"), [(0, "new"), (1, "1 day old"), (30, "30 days old"), (-2, "check the clock")]
)
def test_the_log_says_how_old_it_is_and_what_it_finds(path, days, text):
    (line,) = sight.remarks(load(path), DATE + datetime.timedelta(days=days))
    assert text in line
    assert "noise 0.7 x declared" in line
    assert "in 1 h at rest" in line
    assert 'say "so"' in line


def test_without_one_the_log_says_so():
    (line,) = sight.remarks(load("bench_rig"), DATE)
    assert line.startswith("rig: not calibrated, noise as declared; finds ")


def test_an_edit_that_matters_is_named_and_one_that_does_not_is_not(path):
    edit(path, 'low = "4 bar absolute"', 'low = "4.1 bar absolute"')
    assert "nothing that it rests on has changed" in sight.remarks(load(path), DATE)[0]
    edit(path, 'noise = "100 Pa"', 'noise = "50 Pa"')
    edit(path, 'volume = "4 L', 'volume = "5 L')
    warning = sight.remarks(load(path), DATE)[0]
    assert "instruments.pt1.channels.pressure.noise was 100 Pa and is 50 Pa" in warning
    assert "vessels.rig.volume was 0.004 +/- 8e-05 m^3 and is 0.005" in warning
    assert "calibrate again" in warning
    assert "low" not in warning
    assert "no longer fits" in CliRunner().invoke(command, [str(path)]).output.replace("\n", " ")


def test_that_of_another_board_is_told_by_its_name(path):
    edit(path, 'name = "bench_rig"', 'name = "other_rig"')
    (warning, _) = sight.remarks(load(path), DATE)
    assert "made for the board 'bench_rig'" in warning
    assert "is it the same rig?" in warning


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "[vessels.rig]",
            "[vessels.xyz]",
            r"no vessel of this board; known here: rig\. Is it another's\? Then calib",
        ),
        ("[vessels.rig]", "[vessels.rog]", r"vessels\.rog: is no vessel of this board; did you mean 'rig'\?"),
        ("phi = 0.2", "phi = 2", r"vessels\.rig\.phi = 2: must be at most 0\.99: calibrate again"),
        ("phi = 0.2", "phy = 0.2", r"vessels\.rig\.phy = 0\.2: is not a key here; did you mean 'phi'\?"),
        ("[vessels.rig]", "[[", r"bench_rig\.cal\.toml: is not a calibration: .*calibrate again"),
        ("noise = 0.7", "noise = nan", r"vessels\.rig\.noise = nan"),
        ("date = 2026", 'date = "x" # 2026', r"calibration\.date = 'x'"),
    ],
)
def test_one_that_cannot_be_meant_is_an_error_of_the_board(path, old, new, text):
    edit(path_for(path), old, new)
    with pytest.raises(BoardErrors, match=text):
        load(path)
    assert load(path, calibrated=False)  # so that it can be made again


def test_the_card_says_what_limits_it(path):
    output = CliRunner().invoke(command, [str(path)]).output
    assert "the smallest leak that is found, 95 of 100 times, with a false alarm in 1 year" in output
    assert all(f"\n{wait} " in output for wait in ("10 s", "1 min", "10 min", "1 h", "1 day"))
    assert "sccm" in output
    assert "Pa/s" in output
