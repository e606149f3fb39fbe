"""The real process and its surroundings: ports that come and go, signals, the service manager, wrong input."""

import os
import pty
import signal
import socket
import subprocess
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.board_text import HEAD, PT, changed

from .conftest import FSW

REQUEST = bytes.fromhex("010300020002 65CB")  # from the protocol's own golden bytes: 01 03 00 02 00 02 65 CB
REPLY = bytes.fromhex("0103043F81B22D12B2")  # 1.01325


def alarms(packet: bytes) -> tuple[int, int] | None:
    """(alarm, transition) of a TM[5,x]."""
    return (int.from_bytes(packet[25:27]), packet[24]) if packet[7] == 5 else None


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "alone.toml"
    fast = {
        'rate = "10 Hz"': 'rate = "100 Hz"\nhousekeeping = "100 ms"',
        "/nowhere": str(tmp_path / "port"),
        "address = 1": "address = 1\nevery = 20",
    }
    path.write_text(changed(HEAD + PT, fast))
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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


def spoken(path: Path) -> str:
    """What the process has said; the file outlives it."""
    return path.read_text(errors="replace")


def until(true: Callable[[], object], within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def test_a_line_that_is_not_there_is_told_once_and_its_coming_too(
    start: Callable[..., Any], board: Path, tmp_path: Path
) -> None:
    fsw = start(str(board))
    fsw.until(lambda packet: (alarms(packet) or (0, 0))[1] == 1)
    time.sleep(2.5)  # two more attempts
    waiting = f"line bus: {tmp_path / 'port'}: No such file or directory; waiting for it"
    assert spoken(fsw.log).count(waiting) == 1
    master, slave = pty.openpty()
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    until(lambda: "is open" in spoken(fsw.log))
    assert "Redefining" not in spoken(fsw.log)
    assert fsw.stop() == 0
    os.close(master)
    os.close(slave)


def test_a_second_monitor_on_the_same_port_says_why_it_waits_and_gets_it_in_the_end(
    start: Callable[..., Any], board: Path, tmp_path: Path
) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    first = start(str(board))
    until(lambda: "is open" in spoken(first.log))
    second = start(str(board))
    until(lambda: "another program has it; waiting for it" in spoken(second.log))
    assert first.stop() == 0
    until(lambda: "is open" in spoken(second.log))
    assert second.stop() == 0
    os.close(master)
    os.close(slave)


def test_a_server_that_hangs_up_at_once_does_not_make_it_spin(start: Callable[..., Any], board: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        fsw = start(str(board), "--device", f"bus=tcp:127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()
        began_s = time.monotonic()
        for _ in range(3):
            server.accept()[0].close()
        assert time.monotonic() - began_s > 1.5  # three pauses of a second
        assert fsw.stop() == 0


def test_a_babbling_line_stops_neither_ticks_nor_packets(
    start: Callable[..., Any], board: Path, tmp_path: Path
) -> None:
    """Megabytes a second, where a line at 9600 baud gives 960 bytes."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    fsw = start(str(board))
    until(lambda: "is open" in spoken(fsw.log))
    babble = subprocess.Popen(["yes"], stdout=master)
    try:
        fsw.until(lambda packet: (alarms(packet) or (0, 0))[1] == 1)
        for _ in range(20):
            fsw.until(lambda packet: packet[7:9] == b"\x03\x19")
        assert fsw.stop() == 0
    finally:
        babble.kill()
        babble.wait()
        os.close(master)
        os.close(slave)


def test_signals_that_keep_coming_do_not_spoil_the_end(start: Callable[..., Any], board: Path) -> None:
    fsw = start(str(board))
    fsw.until(lambda packet: True)
    deadline_s = time.monotonic() + 10
    while fsw.process.poll() is None and time.monotonic() < deadline_s:
        fsw.process.send_signal(signal.SIGTERM)
        time.sleep(0.005)
    assert fsw.process.returncode == 0


def test_nohup_keeps_it_running_when_the_terminal_goes(start: Callable[..., Any], board: Path) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, inherited by the child
    try:
        fsw = start(str(board))
    finally:
        signal.signal(signal.SIGHUP, previous)
    fsw.until(lambda packet: True)
    fsw.process.send_signal(signal.SIGHUP)
    for _ in range(30):
        fsw.until(lambda packet: packet[7:9] == b"\x03\x19")
    assert fsw.stop() == 0


def test_what_was_recorded_before_a_kill_is_whole_and_the_next_start_goes_on_behind_it(
    board: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "recording"

    def decoded() -> str:
        segments = [str(path) for path in sorted(recording.glob("*.tm"))]
        return subprocess.run([FSW, "decode", *segments], check=True, capture_output=True, text=True).stderr

    def bytes_so_far() -> int:
        return sum(path.stat().st_size for path in recording.glob("*.tm"))

    for number in range(2):
        before = bytes_so_far()
        with (tmp_path / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [FSW, "run", str(board), "--sink", f"recorder:{recording}"], stdout=log, stderr=log
            )
        until(lambda before=before: bytes_so_far() > before + 5000)
        process.kill()
        process.wait()
        assert "0 corrupted stretches, 0 torn tails" in decoded()
        (newest,) = recording.glob("*.tm")  # one segment, filled up by each start
        with newest.open("ab") as torn:  # what a power cut leaves
            torn.write(newest.read_bytes()[:17])
    assert "17 bytes of a torn end were cut off" in spoken(tmp_path / "1.log")
    assert "0 corrupted stretches, 1 torn tails" in decoded()
