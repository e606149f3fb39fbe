"""`fsw check` as a person meets it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from fsw.board.load import find
from fsw.commands.check import command


def check(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_shipped_board_is_printed_with_parameters_vessels_alarms_and_budget():
    result = check("soyuz_ms")
    assert result.exit_code == 0
    for words in (
        "loop.hole",
        "kg/s",
        "loop.leak",
        "gas_volume",
        "(default)",
        "loop_bus",
        "udp",
        "unchanged",
    ):
        assert words in result.output


def test_new_ids_are_locked_beside_the_board_and_stay(tmp_path):
    path = tmp_path / "bench_rig.toml"
    shutil.copy(find("bench_rig"), path)
    assert "new ones written" in check(path).output
    locked = (tmp_path / "bench_rig.ids.toml").read_text()
    path.write_text(path.read_text().replace("[limits.late_ticks]", "[limits.another]"))
    assert check(path).exit_code == 0
    now = (tmp_path / "bench_rig.ids.toml").read_text()
    assert set(locked.splitlines()) < set(now.splitlines())  # the removed name is still there
    assert "unchanged" in check(path).output


def test_errors_are_listed_with_exit_code_2(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(find("bench_rig").read_text().replace('unit = "bar"', 'unti = "bar"'))
    result = check(path)
    assert result.exit_code == 2
    assert (
        "instruments.pt1.channels.pressure.unti = 'bar': is not a key here; did you mean 'unit'?"
        in result.output
    )
    errors = json.loads(check("--json", path).output)["errors"]
    assert errors[0]["path"] == "instruments.pt1.channels.pressure.unti"


def test_json_has_the_ids():
    found = json.loads(check("--json", "bench_rig").output)
    assert {"id", "name", "unit", "text"} <= found["parameters"][0].keys()


def test_the_schema_has_every_kind():
    schema = json.loads(check("--schema").output)
    text = json.dumps(schema)
    for words in ("modbus_rtu", "ascii_poll", "gas", "accumulator", "udp", "serial", "recorder", "register"):
        assert f'"{words}"' in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_said_so(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text("")
    path.chmod(0)
    assert "cannot be read" in check(path).output


def test_the_real_command_exits_with_2_and_no_traceback(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_bytes(bytes(range(256)))
    done = subprocess.run(
        [sys.executable, "-m", "fsw.cli", "check", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "UTF-8" in done.stderr
