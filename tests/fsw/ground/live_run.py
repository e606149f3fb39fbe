"""What a run of a small board sends: a tank that begins to leak after a minute, under a clock of any kind."""

import random
from collections.abc import Iterable
from pathlib import Path

from fsw import assembly
from fsw.board.board import Board
from fsw.board.load import load
from fsw.clock import LockstepClock
from fsw.sample import Sample
from fsw.station import Outlet, Station
from tests.board_text import HEAD, PT, TANK, TT, changed
from tests.sink import Kept

LOW = """
[limits.low]
parameter = "pt.pressure"
low = "{low} bar absolute"
votes = "3 of 5"
text = "Low pressure"
guidance = "Look for the leak."
"""
SECOND = 1_000_000_000
EPOCH = 1_790_000_000 * SECOND


class Wall(LockstepClock):
    """A wall clock that is slewed all the time, and set back by an hour at `set_ns`."""

    set_ns: int | None = None

    def unix_offset_ns(self) -> int:
        slewed = EPOCH + self.at_ns // 9973 % 1009
        return slewed - 3600 * SECOND if self.set_ns is not None and self.at_ns >= self.set_ns else slewed


class Rig:
    """In place of a poller: a pressure that falls from 60 s on, a drop-out, values at odd instants."""

    next_wake_ns = None

    def __init__(self, rows: list[int], clock: Wall) -> None:
        self.rows, self.clock, self.random, self.cycles = rows, clock, random.Random(7), 0

    def take(self) -> list[Sample]:
        self.cycles += 1
        now_ns, gauss = self.clock.at_ns, self.random.gauss
        p, p_fault, t, t_fault = self.rows
        pressure = 600e3 - 20.0 * max(0, self.cycles - 600) + gauss(0, 100)
        if 300 <= self.cycles < 320:
            return []
        lag_ns = self.random.randrange(1, 90_000_000)
        return [
            Sample(p, now_ns - lag_ns, pressure),
            Sample(p_fault, now_ns - lag_ns, 0.0),
            Sample(t, now_ns - lag_ns // 2, 295 + gauss(0, 0.05)),
            Sample(t_fault, now_ns - lag_ns // 2, 0.0),
        ]

    def cycle(self, now_ns: int) -> bytes:
        return b""


def written(path: Path, apid: int = 5, low: float = 5.95) -> Board:
    head = changed(HEAD, {"apid = 5": f"apid = {apid}"})
    path.write_text(head + PT + TT + TANK + LOW.format(low=low))
    return load(path)


def record(
    board: Board, ticks: int = 1000, start_ns: int = 4321 * SECOND, source: int = 0, set_ns: int | None = None
) -> list[bytes]:
    """What a run sends; each tick is a little late, each by another amount."""
    clock, kept, jitter = Wall(), Kept(), random.Random(3)
    clock.set_ns = set_ns
    monitor = assembly.monitor(board, source)
    names = ("pt.pressure.raw", "pt.fault", "tt.temperature.raw", "tt.fault")
    rig = Rig([monitor.table.rows[name] for name in names], clock)
    clock.at_ns = start_ns
    station = Station(board, [rig], [], monitor, [Outlet(kept, samples=True)], clock)  # type: ignore[list-item]
    for tick in range(ticks):
        due_ns = start_ns + tick * board.period_ns
        clock.at_ns = due_ns + jitter.randrange(500_000)
        station.tick(clock.at_ns, due_ns, 0)
    return kept.packets


def save(path: Path, packets: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(packets))
    return path
