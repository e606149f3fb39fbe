"""Tick lateness of a real `fsw` process against cyclictest at the same time, rate and priority."""

import json
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

RATES_HZ = (100, 1000)
SECONDS = 10
BOARD = """
[board]
name = "bare_loop"
rate = "{rate} Hz"
apid = 99

[lines.bus]
device = "/dev/nothing_is_plugged_in"
baud = 115200

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
every = {rate}

[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "100 Pa"
stale_after = "5 s"
"""
SAMPLES = 129  # service of TM[129,130]
HEADER, SAMPLE = 21, struct.Struct(">HBid")  # parameter, quality, offset in ns, value


def lateness_of_fsw(rate_hz: int, seconds: int, wrap: list[str], directory: Path) -> list[float]:
    """Every tick's lateness in us, from the samples the process itself sends."""
    board = directory / f"bare_{rate_hz}.toml"
    board.write_text(BOARD.format(rate=rate_hz))
    checked = subprocess.run(
        [sys.executable, "-m", "fsw.cli", "check", str(board), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    ids = {row["name"]: row["id"] for row in json.loads(checked.stdout)["parameters"]}
    wanted = ids["executive.lateness"]
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(20.0)  # start-up included
    to = f"udp:127.0.0.1:{receiver.getsockname()[1]}"
    command = [*wrap, sys.executable, "-m", "fsw.cli", "run", str(board), "--sink", to, "--samples"]
    program = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    late_us: list[float] = []
    try:
        while len(late_us) < rate_hz * seconds:
            packet = receiver.recv(65536)
            if packet[7] != SAMPLES:
                continue
            for at in range(HEADER + 2, len(packet) - 2, SAMPLE.size):
                parameter, _, _, value = SAMPLE.unpack_from(packet, at)
                if parameter == wanted:
                    late_us.append(value * 1e6)
    finally:
        program.terminate()
        program.wait(10)
    return late_us[rate_hz:]  # the first second is start-up


def percentiles(values_us: list[float]) -> tuple[float, float, float]:
    """p50, p99 and the largest."""
    cuts = statistics.quantiles(values_us, n=100)
    return cuts[49], cuts[98], max(values_us)


def lateness_of_cyclictest(histogram: Path) -> list[float]:
    """Its histogram file, spread out again to one value a wake-up."""
    values: list[float] = []
    for line in histogram.read_text().splitlines():
        if line and not line.startswith("#"):
            latency_us, count = line.split()[:2]
            values += [float(latency_us)] * int(count)
    return values


def compare(rate_hz: int, priority: int, directory: Path) -> None:
    """One line of the table; priority 0 is an ordinary process."""
    histogram = directory / f"cyclictest_{rate_hz}_{priority}"
    peer_command = [
        "cyclictest",
        "-q",
        "-i",
        str(1_000_000 // rate_hz),
        "-D",
        str(SECONDS + 4),
        "-h",
        "20000",
    ]
    peer_command += ["--histfile", str(histogram), "--default-system"]
    peer_command += ["-m", "-p", str(priority)] if priority else ["--policy", "other"]
    wrap = ["chrt", "-f", str(priority)] if priority else []
    peer = subprocess.Popen(peer_command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ours = percentiles(lateness_of_fsw(rate_hz, SECONDS, wrap, directory))
    peer.wait(60)
    theirs = percentiles(lateness_of_cyclictest(histogram))
    how = f"SCHED_FIFO {priority}" if priority else "SCHED_OTHER"
    print(
        f"{rate_hz:5} Hz {how:14} fsw p50 {ours[0]:6.0f} p99 {ours[1]:6.0f} max {ours[2]:6.0f} us | "
        f"cyclictest p50 {theirs[0]:6.0f} p99 {theirs[1]:6.0f} max {theirs[2]:6.0f} us | "
        f"ratio p50 {ours[0] / max(theirs[0], 1):.2f} p99 {ours[1] / max(theirs[1], 1):.2f}"
    )


def main() -> None:
    """Print the table; without cyclictest, say what to install."""
    if shutil.which("cyclictest") is None:
        print("cyclictest is not here: apt-get install rt-tests")
        return
    may_fifo = subprocess.run(["chrt", "-f", "80", "true"], check=False, capture_output=True).returncode == 0
    with tempfile.TemporaryDirectory() as folder:
        for rate_hz in RATES_HZ:
            for priority in (80, 0) if may_fifo else (0,):
                compare(rate_hz, priority, Path(folder))
    print("goals: SCHED_FIFO p50 <= 1.25, p99 <= 1.6; SCHED_OTHER with timer slack 1: p50 <= 0.4")


if __name__ == "__main__":
    main()
