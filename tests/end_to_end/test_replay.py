"""`fsw replay` of what a real `fsw run` recorded in real time: real jitter, a real wall clock, a port that goes."""

import json
import os
import pty
import select
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.board_text import HEAD, PT, changed
from tests.octets import split, unmarked

from .conftest import FSW

LOW = """
[limits.low]
parameter = "pt.pressure"
low = "2 bar absolute"
votes = "2 of 3"
"""
REPLY = bytes.fromhex("0103043F81B22D12B2")  # 1.01325


@pytest.fixture
def instrument(tmp_path: Path) -> Iterator[threading.Event]:
    """Answers 1.01325 bar behind tmp_path/port; set the event to make it silent."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    silent, over = threading.Event(), threading.Event()

    def answer() -> None:
        while not over.is_set():
            if select.select([master], [], [], 0.05)[0] and os.read(master, 256) and not silent.is_set():
                os.write(master, REPLY)

    thread = threading.Thread(target=answer)
    thread.start()
    yield silent
    over.set()
    thread.join()
    os.close(master)
    os.close(slave)


def replay(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FSW, "replay", *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60
    )


def test_what_a_real_run_sent_comes_out_again(instrument: threading.Event, tmp_path: Path) -> None:
    board, folder = tmp_path / "alone.toml", tmp_path / "recording"
    fast = {
        'rate = "10 Hz"': 'rate = "100 Hz"\nhousekeeping = "100 ms"\nheartbeat = "500 ms"',
        "/nowhere": str(tmp_path / "port"),
        "address = 1": "address = 1\nevery = 5",
        'stale_after = "1 s"': 'stale_after = "200 ms"',
    }
    board.write_text(changed(HEAD + PT, fast) + LOW)
    process = subprocess.Popen([FSW, "run", str(board), "--sink", f"recorder:{folder}"])
    try:
        wanted = {5: 2, 12: 2, 3: 10, 17: 2, 129: 200}  # an alarm of the limit, then one of the silence
        live: list[bytes] = []
        while any(sum(packet[7] == service for packet in live) < n for service, n in wanted.items()):
            assert process.poll() is None
            live = [packet for path in sorted(folder.glob("*.tm")) for packet in split(path.read_bytes())]
            if any(packet[7] == 5 for packet in live):
                instrument.set()
    finally:
        process.terminate()
        process.wait(10)
    live = [packet for path in sorted(folder.glob("*.tm")) for packet in split(path.read_bytes())]

    out = tmp_path / "again.tm"
    done = replay(board, folder, "--write", out, "--json")
    assert done.returncode == 0, done.stderr
    assert "recording:" not in done.stderr  # nothing to complain about
    assert [unmarked(packet) for packet in split(out.read_bytes())] == [unmarked(packet) for packet in live]
    raised = [
        each["alarm"]
        for each in map(json.loads, done.stdout.splitlines())
        if each.get("transition") == "RAISE"
    ]
    assert raised[0] == "low"
    assert "pt.pressure.bad" in raised

    decoded = subprocess.run([FSW, "decode", str(out)], check=False, capture_output=True, text=True)
    assert "0 corrupted stretches, 0 torn tails" in decoded.stderr
    assert replay(board, out, "--json").stdout == done.stdout  # deterministic, and a replay can be replayed


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.toml", "{file}"], 2, "is not there"),
        (["bench_rig", "{file}.missing"], 2, "does not exist"),
        (["bench_rig", "{file}"], 1, "no sample packets"),
        (["bench_rig", "{file}", "--to", "noon"], 2, "ISO 8601"),
        (["bench_rig", "{csv}"], 1, "line 2, column 2"),
        (["bench_rig", "{csv}", "{file}"], 2, "not in one go"),
    ],
)
def test_a_wrong_command_is_told_in_a_line_and_never_a_traceback(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    file, csv = tmp_path / "run.tm", tmp_path / "run.csv"
    file.write_bytes(b"junk")
    csv.write_text("time_s,pt1 [bar]\n0,six\n")
    done = replay(*(each.format(file=file, csv=csv) for each in arguments))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
