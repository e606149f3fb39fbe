"""`fsw decode`: of files, of streams, and what it says of what it cannot read."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
import tty

import pytest
from click.testing import CliRunner
from cobs import cobs

from fsw.commands.decode import command
from tests.golden import GOLDEN_ALARM

from .packets import every_kind


def run(*arguments: str):
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.tm"
    kinds = every_kind()
    path.write_bytes(kinds[0] + b"junk" + kinds[4] + GOLDEN_ALARM[:40])
    return path


def test_the_command_tells_damage_and_goes_on(recording):
    result = run(str(recording))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "HIGH RAISE" in lines[0]
    assert lines[1] == "corrupted: 4 bytes at offset 63 are no packet and were skipped"
    assert lines[2].endswith("heartbeat")
    assert lines[3] == "torn tail: the last 40 bytes, from offset 90, are an unfinished packet"
    assert result.stderr == "2 packets, 1 of them alarms; 1 corrupted stretches, 1 torn tails\n"


def test_the_command_prints_json_lines(recording):
    result = run(str(recording), "--json")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["kind"] for each in objects] == ["alarm", "corrupted", "heartbeat", "torn"]
    assert objects[1] == {"kind": "corrupted", "offset": 63, "bytes": 4}
    assert objects[3] == {"kind": "torn", "offset": 90, "bytes": 40}


def test_verbose_housekeeping_has_a_parameter_a_line(tmp_path):
    path = tmp_path / "a.tm"
    path.write_bytes(every_kind()[3])
    lines = run(str(path), "--verbose").stdout.splitlines()
    assert [line.startswith("    ") for line in lines] == [False, True, True]
    assert lines[1] == "    [0] = 0.000325 ± 1.1e-05"


@pytest.mark.parametrize("data", [b"", b"\0", bytes(1000), b"\x08\x64\xc0", b"\xff" * 100_000])
def test_a_file_without_a_packet_is_told_so(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    result = run(str(path))
    assert result.exit_code == 0
    assert result.stderr.startswith("0 packets")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nowhere.tm", "No such file"),
        ("udp:203.0.113.1:9", "assign"),
        ("serial:/dev/nowhere", "No such file"),
        ("serial:/dev/null", "ioctl"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_in_one_line(source, why):
    result = run(source)
    assert result.exit_code == 1
    assert f"Error: {source}: " in result.stderr
    assert why in result.stderr
    assert "0 packets" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("udp:x",), "host:port"),
        (("udp:1",), "host:port"),
        (("serial:/dev/ttyS0", "--baud", "12345"), "115200"),
        (("x.tm", "--board", "nowhere"), "nowhere"),
    ],
)
def test_wrong_arguments_are_told_apart(arguments, why):
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "0 packets" not in result.stderr


def test_what_was_read_before_an_error_is_counted(recording):
    result = run(str(recording), "nowhere.tm")
    assert result.exit_code == 1
    assert result.stderr.startswith("2 packets, 1 of them alarms")
    assert "nowhere.tm: No such file" in result.stderr


def test_help_has_examples():
    assert "fsw decode serial:/dev/ttyUSB0" in run("--help").stdout


@pytest.fixture
def fsw():
    """The real command, as a process."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "fsw.cli", "decode", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_udp_stream_is_printed_as_it_comes_and_ends_on_ctrl_c(fsw):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    process = fsw(f"udp:127.0.0.1:{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        deadline_s = time.monotonic() + 20
        while not select.select([process.stdout], [], [], 0.1)[0]:
            assert time.monotonic() < deadline_s
            sender.sendto(GOLDEN_ALARM, ("127.0.0.1", port))
    assert "HIGH RAISE alarm 7" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "alarms" in errors


def test_a_serial_stream_may_be_joined_in_the_middle_and_the_end_of_the_device_is_told(fsw):
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = fsw(f"serial:{os.ttyname(slave)}")
    stuffed = cobs.encode(GOLDEN_ALARM) + b"\0"
    os.write(master, stuffed[20:] + stuffed)
    first, second = process.stdout.readline(), process.stdout.readline()
    assert first.startswith("corrupted: 44 bytes at offset 0")
    assert "HIGH RAISE alarm 7" in second
    os.close(slave)
    os.close(master)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" not in errors


def test_a_reader_that_has_seen_enough_ends_it_quietly(fsw, tmp_path):
    path = tmp_path / "long.tm"
    path.write_bytes(GOLDEN_ALARM * 20_000)
    process = fsw(str(path))
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(10)


def test_a_terminal_that_knows_only_ascii_is_no_trouble(tmp_path):
    path = tmp_path / "a.tm"
    path.write_bytes(GOLDEN_ALARM)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "fsw.cli", "decode", str(path)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "HIGH RAISE" in done.stdout


def test_a_board_of_another_apid_is_told_once(tmp_path) -> None:
    path = tmp_path / "run.tm"
    path.write_bytes(GOLDEN_ALARM * 3)
    done = CliRunner().invoke(command, [str(path), "--board", "soyuz_ms"])
    assert done.exit_code == 0
    assert done.stderr.count("APID 100 is not that of soyuz_ms, 101") == 1
