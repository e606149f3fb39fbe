"""Wrong files and surroundings, as people hand them to the commands: a message and exit code 2, never a traceback."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import fsw
from fsw.board.load import shipped
from fsw.cli import main as fsw_main
from hil.cli import main as hil_main
from hil.scenario import find

from .conftest import FSW

Make = Callable[[Path], object]
NOBODY = 65534


def can_become_nobody() -> bool:
    """Root can turn into somebody who may not read a file, unless he may not read this project either."""
    if os.geteuid() != 0:
        return False
    os.seteuid(NOBODY)
    try:
        return any(Path(fsw.__file__).parent.iterdir())
    except OSError:
        return False
    finally:
        os.seteuid(0)


WRONG_FILES: dict[str, Make] = {
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "directory": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "ten megabytes": lambda path: path.write_bytes(b"a" * 10_000_000),
    "nested lists": lambda path: path.write_text("a = " + "[" * 100_000),
    "nested keys": lambda path: path.write_text("a" + ".a" * 10_000 + " = 1"),
    "a number too long": lambda path: path.write_text("a = " + "9" * 10_000),
    "tables that are none": lambda path: path.write_text("board = 3\nplant = 3\ninstrument = []\nfault = {}"),
    "a key twice": lambda path: path.write_text("[board]\nname = 'a'\nname = 'b'"),
    "not UTF-8": lambda path: path.write_bytes(b"[board]\nname = 'caf\xe9'"),
    "a loop of links": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
}


def refused(main: object, *arguments: str) -> str:
    """What the command said as it ended with exit code 2."""
    result = CliRunner().invoke(main, arguments)  # type: ignore[arg-type]
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stderr.strip()
    return result.stderr


@pytest.mark.parametrize("make", WRONG_FILES.values(), ids=WRONG_FILES.keys())
@pytest.mark.parametrize(
    ("main", "command"), [(fsw_main, "check"), (fsw_main, "run"), (fsw_main, "xtce"), (hil_main, "run")]
)
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, main: object, command: str, make: Make) -> None:
    path = tmp_path / "wrong.toml"
    make(path)
    said = refused(main, command, str(path))
    assert "wrong.toml" in said
    assert max(len(line) for line in said.splitlines()) < 1000


@pytest.mark.parametrize(
    "name", ["", "x" * 5000, "x" * 5000 + ".toml", "nowhere", "no/where.toml", "a\nb", "\0"]
)
@pytest.mark.parametrize(("main", "command"), [(fsw_main, "check"), (fsw_main, "run"), (hil_main, "run")])
def test_a_name_of_nothing_is_refused(main: object, command: str, name: str) -> None:
    refused(main, command, name)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may read; those above pytest's own are for its user only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not can_become_nobody(), reason="takes root, and a project that others may read")
@pytest.mark.parametrize("closed", ["file", "folder"])
@pytest.mark.parametrize(("main", "command"), [(fsw_main, "check"), (fsw_main, "run"), (hil_main, "run")])
def test_a_file_that_may_not_be_read_is_refused(
    public: Path, main: object, command: str, closed: str
) -> None:
    refused(main, command, "nowhere.toml")  # what is imported late is imported now, while it may be read
    path = public / "rig.toml"
    path.write_text(shipped()["bench_rig"].read_text())
    (path if closed == "file" else public).chmod(0)
    os.seteuid(NOBODY)
    try:
        said = refused(main, command, str(path))
    finally:
        os.seteuid(0)
        public.chmod(0o755)
    assert "ermission denied" in said


@pytest.mark.skipif(not can_become_nobody(), reason="takes root, and a project that others may read")
def test_ids_that_cannot_be_written_are_said_so_and_the_board_is_shown(public: Path) -> None:
    CliRunner().invoke(fsw_main, ["check", "bench_rig"])  # what is imported late is imported now
    path = public / "rig.toml"
    path.write_text(shipped()["bench_rig"].read_text())
    os.seteuid(NOBODY)
    try:
        result = CliRunner().invoke(fsw_main, ["check", str(path)])
    finally:
        os.seteuid(0)
    assert result.exit_code == 0
    assert "NOT locked" in result.output
    assert "Permission denied" in result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"a = " + b"[" * 5000, "cannot be read"),
        (b"[parameters]\na = 300\nb = 300", "same number"),
        (b"[parameters]\na = nan", "whole number"),
        (b"[parameters]\na = 65535", "no parameters id is left"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run", "xtce"])
def test_a_damaged_lock_of_ids_is_refused_and_left_alone(
    tmp_path: Path, command: str, content: bytes, said: str
) -> None:
    path, ids = tmp_path / "rig.toml", tmp_path / "rig.ids.toml"
    path.write_text(shipped()["bench_rig"].read_text())
    ids.write_bytes(content)
    told = refused(fsw_main, command, str(path))
    assert said in told
    assert told.count("rig.ids.toml") == 1
    assert ids.read_bytes() == content


def test_the_mark_that_some_editors_put_first_is_no_error(tmp_path: Path) -> None:
    board, scenario = tmp_path / "rig.toml", tmp_path / "scenario.toml"
    board.write_bytes(b"\xef\xbb\xbf" + shipped()["bench_rig"].read_bytes())
    assert CliRunner().invoke(fsw_main, ["check", str(board)]).exit_code == 0
    scenario.write_bytes(b"\xef\xbb\xbfboard = 3\n")
    assert "not TOML" not in refused(hil_main, "run", str(scenario))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "gas_vessel"', 'model = "warp_core"', "coolant_loop, gas_vessel"),
        ('model = "gas_vessel"', 'model = "..bench"', "coolant_loop, gas_vessel"),
        ('reads = "rig.pressure"', 'reads = "tank.pressure"', "known here: rig"),
        ("[instrument.pt1]", "[instrument.pt9]", "did you mean 'pt1'"),
        ('kind = "unplug"', 'kind = "gremlin"', "unplug"),
        ('model = "gas_vessel"', 'model = "gas_vessel"\nleak = [{ holee = "1 mm" }]', "did you mean 'hole'"),
        ('on = "bus"', 'on = "bust"', "did you mean 'bus'"),
        ('board = "bench_rig"', 'board = "bench_rug"', "did you mean 'bench_rig'"),
        ('duration = "5 min"', 'duration = "1e300 s"', "longer than"),
        ('duration = "5 min"', 'duration = "nan s"', "number"),
        ('alarm = "pt1.pressure.bad"', 'alarm = "pt1.pressure.mad"', "no alarm of the board"),
    ],
)
def test_a_scenario_of_unknown_things_is_refused_with_what_there_is(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = find("unplugged_line").read_text()
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new))
    assert said in refused(hil_main, "run", str(path))


def test_what_is_held_against_a_plant_is_not_blamed_for_an_error_of_the_plant(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(find("bench_rig_leak").read_text().replace("hole = ", "holee = ", 1))
    said = refused(hil_main, "run", str(path))
    assert "holee" in said
    assert "no plant stands behind" not in said


@pytest.mark.parametrize(
    ("sink", "said"),
    [("udp:nohost", "host:port"), ("serial:", "at least 1 character"), ("foo:bar", "recorder, serial, udp")],
)
def test_a_sink_that_is_none_is_refused_in_plain_words(sink: str, said: str) -> None:
    told = refused(fsw_main, "run", "bench_rig", "--sink", sink)
    assert said in told
    assert "Value error" not in told
    assert "String should" not in told


def test_the_database_is_not_written_over_the_board(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(shipped()["bench_rig"].read_text())
    assert "is the board file" in refused(fsw_main, "xtce", str(path), "--output", str(path))
    assert path.read_text() == shipped()["bench_rig"].read_text()


@pytest.mark.parametrize("option", ["--report", "--junit"])
def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written to" in refused(
        hil_main, "run", "unplugged_line", option, str(tmp_path / "file" / "x" / "y")
    )


def test_a_missing_extra_is_told_in_a_line_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.prerequisite.find_spec", lambda name: None)
    said = refused(hil_main, "run", "unplugged_line", "--report", str(tmp_path))
    assert said.splitlines() == [
        "hil: space_packet_parser and bokeh must be installed for this: pip install 'ullage[bench,ground]'"
    ]


@pytest.mark.parametrize(
    "arguments", [["check", "bench_rig"], ["check", "--schema"], ["xtce", "soyuz_ms"], ["decode", "{file}"]]
)
def test_a_full_disk_behind_the_output_is_an_error_in_a_line(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "garbage.tm"
    path.write_bytes(b"\xff" * 1000)
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [FSW, *(argument.format(file=path) for argument in arguments)],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode != 0
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["check", "soyuz_ms"], ["check", "--schema"], ["xtce", "soyuz_ms"]])
def test_a_reader_that_goes_ends_any_command_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([FSW, *arguments], check=False, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
