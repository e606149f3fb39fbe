"""The real process and its surroundings: ports that come and go, signals, the service manager, wrong input."""

import os
import pty
import signal
import socket
import subprocess
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import FSW

BOARD = """
[board]
name = "alone"
rate = "100 Hz"
apid = 7
housekeeping = "100 ms"

[lines.bus]
device = "{device}"

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
every = 20

[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "100 Pa"
stale_after = "1 s"
"""
REQUEST = bytes.fromhex("010300020002 65CB")  # from the protocol's own golden bytes: 01 03 00 02 00 02 65 CB
REPLY = bytes.fromhex("0103043F81B22D12B2")  # 1.01325


def alarms(packet: bytes) -> tuple[int, int] | None:
    """(alarm, transition) of a TM[5,x]."""
    return (int.from_bytes(packet[25:27]), packet[24]) if packet[7] == 5 else None


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "alone.toml"
    path.write_text(BOARD.format(device=tmp_path / "port"))
    return path


def test_a_port_that_is_missing_at_the_start_comes_goes_and_comes_back(
    start: Callable[..., Any], board: Path, tmp_path: Path
) -> None:
    fsw = start(str(board))
    bad = fsw.until(lambda packet: (alarms(packet) or (0, 0))[1] == 1)
    alarm = alarms(bad)
    assert alarm is not None
    for _ in range(2):
        master, slave = pty.openpty()
        tty.setraw(slave)
        (tmp_path / "port").symlink_to(os.ttyname(slave))
        os.close(slave)

        def answered(packet: bytes, master: int = master, alarm: int = alarm[0]) -> bool:
            try:
                if os.read(master, 256):
                    os.write(master, REPLY)
            except (BlockingIOError, OSError):  # EIO until the program has opened its end
                pass
            return alarms(packet) in ((alarm, 4), (alarm, 6))

        os.set_blocking(master, False)
        fsw.until(answered)
        (tmp_path / "port").unlink()
        os.close(master)
        fsw.until(lambda packet: alarms(packet) == (alarm[0], 1))
    assert fsw.stop() == 0


def test_the_service_manager_hears_ready_alive_and_stopping(
    start: Callable[..., Any], board: Path, tmp_path: Path
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(20)
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    fsw = start(str(board), environment=environment)
    assert manager.recv(64) == b"READY=1"
    assert manager.recv(64) == b"WATCHDOG=1"
    assert manager.recv(64) == b"WATCHDOG=1"
    assert fsw.stop() == 0
    said = b""
    while said != b"STOPPING=1":
        said = manager.recv(64)
    manager.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_the_recording_is_whole(
    board: Path, tmp_path: Path, number: int
) -> None:
    recording = tmp_path / "recording"
    process = subprocess.Popen(
        [FSW, "run", str(board), "--sink", f"recorder:{recording}"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    process.stderr.readline()  # it says what it is going to do
    while not list(recording.glob("*.tm")):
        assert process.poll() is None
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in said
    segments = [str(path) for path in recording.glob("*.tm")]
    decoded = subprocess.run([FSW, "decode", *segments], check=False, capture_output=True, text=True)
    assert decoded.returncode == 0
    assert "0 corrupted stretches, 0 torn tails" in decoded.stdout + decoded.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.toml"], "is not there"),
        (["bench_rig", "--device", "nonsense"], "LINE=DEVICE"),
        (["bench_rig", "--sink", "pigeon:home"], "kinds of sink"),
        (["bench_rig", "--sink", "udp:nonsense"], "host:port"),
        (["bench_rig", "--lockstep", "tcp:1"], "unix:PATH"),
        (["bench_rig", "--lockstep", "unix:/nonexistent/bench"], "no bench listens"),
    ],
)
def test_a_wrong_command_is_told_in_a_line_and_never_a_traceback(arguments: list[str], said: str) -> None:
    process = subprocess.run(
        [FSW, "run", *arguments], check=False, capture_output=True, text=True, timeout=30
    )
    assert process.returncode in (1, 2)
    assert said in process.stderr
    assert "Traceback" not in process.stderr
