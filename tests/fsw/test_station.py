"""A station in virtual time with a wall clock that is set in between: labels move, decisions do not."""

from pathlib import Path

import pytest

from fsw import assembly
from fsw.board.board import Board
from fsw.board.load import load
from fsw.clock import TimeStatus
from fsw.packets import frame
from fsw.station import Outlet, Station
from tests.board_text import HEAD, PT
from tests.sink import Kept

CLOCK_SET = """
[limits.clock_set]
parameter = "executive.clock_steps"
high = 1
severity = { high = 1 }
votes = "1 of 1"
"""
YEARS_NS = 20 * 365 * 86400 * 10**9


class SteppedClock:
    """No RTC: it starts in 1970, and at `step_ns` NTP sets it."""

    def __init__(self, step_ns: int | None) -> None:
        self.at_ns = 0
        self.step_ns = step_ns

    def now_ns(self) -> int:
        return self.at_ns

    def _set(self) -> bool:
        return self.step_ns is not None and self.at_ns >= self.step_ns

    def unix_offset_ns(self) -> int:
        return YEARS_NS if self._set() else 0

    def status(self) -> TimeStatus:
        return TimeStatus.NTP if self._set() else TimeStatus.FREE


@pytest.fixture
def board(tmp_path: Path) -> Board:
    path = tmp_path / "clocked.toml"
    path.write_text(HEAD + PT + CLOCK_SET)
    return load(path)


def run(board: Board, step_ns: int | None) -> list[frame.Frame]:
    """Five seconds with the line lost."""
    clock, kept = SteppedClock(step_ns), Kept()
    station = Station(
        board, assembly.pollers(board), [], assembly.monitor(board), [Outlet(kept, samples=True)], clock
    )
    for tick in range(1, 51):
        clock.at_ns = tick * board.period_ns
        station.tick(clock.at_ns, clock.at_ns, 0)
    return [frame.parse(packet) for packet in kept.packets]


def alarms(frames: list[frame.Frame], board: Board) -> list[bytes]:
    """Bodies of the alarm events of the instrument, which hold no wall time."""
    clock_set = next(limit.id for limit in board.limits if limit.name == "clock_set")
    return [each.body for each in frames if each.service == 5 and each.body[4:6] != clock_set.to_bytes(2)]


def test_a_wall_clock_that_is_set_changes_no_decision(board: Board) -> None:
    assert alarms(run(board, None), board)
    assert alarms(run(board, None), board) == alarms(run(board, 2_000_000_000), board)


def test_a_wall_clock_that_is_set_is_stated_and_counted(board: Board) -> None:
    frames = run(board, 2_000_000_000)
    before = [each for each in frames if each.unix_ns < YEARS_NS]
    after = [each for each in frames if each.unix_ns >= YEARS_NS]
    assert {each.status for each in before} == {TimeStatus.FREE}
    assert {each.status for each in after} == {TimeStatus.NTP}
    clock_set = next(limit.id for limit in board.limits if limit.name == "clock_set")
    raised = [each for each in frames if each.service == 5 and each.body[4:6] == clock_set.to_bytes(2)]
    assert len(raised) == 1
    assert raised[0].unix_ns == pytest.approx(YEARS_NS + 2_000_000_000, abs=1000)
