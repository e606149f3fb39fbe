"""Replay: ticks a second through `Monitor.step` for a board with one vessel, and where the time goes.

Stages are measured by adding one after the other; processor time, all in turns, the best of several rounds.
"""

import functools
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from fsw import assembly
from fsw.board.board import Board
from fsw.board.load import load
from fsw.ground.csv_recording import CsvRecording
from fsw.ground.packet_recording import PacketRecording
from fsw.ground.recording import Recording, Tick
from fsw.ground.replay import Listener, Replay
from fsw.monitor import Monitor
from fsw.packets import samples
from fsw.packets.frame import Framer
from fsw.sample import Quality, Sample

GOAL = 5e4  # ticks a second
TICKS, LENGTHS, ROUNDS = 6_000, (1, 2, 4), 7
EPOCH_NS, START_NS, NS_PER_S = 1_790_000_000_000_000_000, 1_000_000_000_000, 1_000_000_000
PRESSURE_PA, TEMPERATURE_K = 6e5, 295.0


def record(board: Board, ticks: int, path: Path) -> None:
    """The sample packets of a healthy rig, as a station would send them."""
    noise, framer = random.Random(1), Framer(board.apid)
    ids = [parameter.id for parameter in board.parameters]
    rows = {parameter.name: row for row, parameter in enumerate(board.parameters)}
    counts = [row for name, row in rows.items() if name.startswith("bus.")]
    own = [row for name, row in rows.items() if name.startswith("executive.") and name != "executive.time"]
    framer.set_time(EPOCH_NS, 0)
    with path.open("wb") as file:
        for tick in range(ticks):
            now_ns = START_NS + tick * board.period_ns + noise.randrange(200_000)
            second = now_ns // NS_PER_S
            arrivals = [
                Sample(rows["pt1.pressure.raw"], now_ns - 9_000_000, PRESSURE_PA + noise.gauss(0, 100)),
                Sample(rows["pt1.fault"], now_ns - 9_000_000, 0.0),
                Sample(rows["tt1.temperature.raw"], now_ns - 4_000_000, TEMPERATURE_K + noise.gauss(0, 0.05)),
                Sample(rows["tt1.fault"], now_ns - 4_000_000, 0.0),
                *(Sample(row, now_ns, float(tick)) for row in counts if tick % 10 == 0),
                *(Sample(row, now_ns, 0.0) for row in own),
                Sample(rows["executive.time"], second * NS_PER_S, float(second)),
            ]
            for body in samples.pack(arrivals, ids, now_ns):
                file.write(framer.frame(samples.SERVICE, samples.SUBSERVICE, now_ns, body))


def write_csv(ticks: int, path: Path) -> None:
    """The same rig, as text."""
    noise = random.Random(1)
    with path.open("w") as file:
        file.write("time_s,pt1 [bar],tt1 [degC]\n")
        for tick in range(ticks):
            pressure, temperature = 6 + noise.gauss(0, 1e-3), 22 + noise.gauss(0, 0.05)
            file.write(f"{tick / 10:.1f},{pressure:.5f},{temperature:.3f}\n")


def best(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of processor time of each."""
    found = dict.fromkeys(runs, math.inf)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            run()
            found[name] = min(found[name], time.process_time() - began)
    return found


def stages(board: Board, recording: Callable[[], Recording]) -> dict[str, Callable[[], object]]:
    """Each does what the one before does, and one thing more."""

    def ticks(monitor: Monitor | None, *parts: str) -> None:
        for item in recording().items():
            if isinstance(item, Tick) and monitor is not None:
                if "filters" in parts:
                    monitor.filters.push(item.now_ns, item.arrivals)
                if "vessels" in parts:
                    for vessel in monitor.vessels:
                        vessel.step(item.now_ns, monitor.table)
                if "limits" in parts:
                    monitor.limits.step(item.now_ns)

    def fresh() -> Monitor:
        return assembly.monitor(board, Quality.REPLAY, lambda telemetry: Listener(telemetry, packing=False))

    def exhaust(found: Iterable[object]) -> None:
        for _ in found:
            pass

    return {
        "read": lambda: ticks(None),
        "filters": lambda: ticks(fresh(), "filters"),
        "vessels": lambda: ticks(fresh(), "filters", "vessels"),
        "limits": lambda: ticks(fresh(), "filters", "vessels", "limits"),
        "alarms, the rest": lambda: exhaust(Replay(board).run(recording().items())),
        "packets (--write)": lambda: exhaust(Replay(board, None, len).run(recording().items())),
    }


def main() -> None:
    board = load("bench_rig")

    def replayed(recording: Callable[[], Recording]) -> Callable[[], object]:
        return lambda: list(Replay(board).run(recording().items()))

    with tempfile.TemporaryDirectory() as folder:
        print(f"{board.name}: one vessel; processor time, best of {ROUNDS}; the goal is {GOAL:.0f} ticks/s")
        runs, ticks = {}, {}
        for times in LENGTHS:
            count = times * TICKS
            path, text = Path(folder) / f"{count}.tm", Path(folder) / f"{count}.csv"
            record(board, count, path)
            write_csv(count, text)
            for name, recording in (
                (f"{count:>7} ticks of packets", functools.partial(PacketRecording, [path], board)),
                (f"{count:>7} ticks of CSV", functools.partial(CsvRecording, [text], board)),
            ):
                runs[name], ticks[name] = replayed(recording), count
        for name, seconds in best(runs).items():
            print(f"  {name:25} {ticks[name] / seconds:>8.0f} ticks/s")
        path = Path(folder) / f"{TICKS}.tm"
        before, told = 0.0, []
        for name, seconds in best(stages(board, lambda: PacketRecording([path], board))).items():
            told.append((name, seconds - before))
            before = seconds
        total = sum(seconds for _, seconds in told[:-1])
        for name, seconds in told:
            print(f"  {name:18} {seconds / TICKS * 1e6:6.2f} us a tick  {seconds / total:6.1%}")


if __name__ == "__main__":
    main()
