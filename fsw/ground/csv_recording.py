"""A recording made of text: `time_s`, a column for each channel, perhaps `event`; ticks at the board's rate between.

An empty cell is a sample that never came. `nan` (or an infinity) is what the instrument said, so the sample is BAD.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fsw.arrivals import Arrivals, Columns
from fsw.board.board import Board
from fsw.clock import TimeStatus
from fsw.ground.csv_header import TIME
from fsw.ground.csv_table import Block, blocks, parse_time, problem
from fsw.ground.recording import NS_PER_S, Item, Mark, RecordingError, Remark, Start, Tick
from fsw.sample import Fault, Quality, Sample

SUFFIX = ".csv"
GAP_TICKED_NS = 3600 * NS_PER_S  # by then all is stale, all delays are over: more ticks would change nothing
LONGEST_LINE = 100_000

_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)


class CsvRecording:
    """Files that go on where the one before ends; columns may differ from file to file."""

    def __init__(self, paths: Sequence[Path], board: Board, rows: Mapping[str, int] | None = None) -> None:
        """`board` says what the columns mean; `rows` are those of the monitor that is to judge them."""
        self.paths = list(paths)
        self.size = sum(path.stat().st_size for path in self.paths)
        self.position = 0
        self._board = board
        self._rows = (
            rows if rows is not None else {each.name: row for row, each in enumerate(board.parameters)}
        )
        self.dated = bool(self.paths) and _is_dated(self.paths[0])

    def items(self) -> Iterator[Item]:
        """See `Recording`. The monitor's clock is one period when the first row comes, whatever `time_s` is."""
        period_ns, channels = self._board.period_ns, _Channels(self._rows)
        due_ns = first_ns = last_ns = 0
        arrivals: Sequence[Sample] = []
        started = False
        yield Start(0)
        for block in self._blocks():
            if not started:
                started, due_ns = True, int(block.at_ns[0])
                first_ns = due_ns - period_ns
            columns, ends = channels.take(block, first_ns)
            times, events = block.at_ns.tolist(), dict(block.events)
            for begin, end in _ticks(block.at_ns, due_ns, period_ns):
                at_ns = times[begin]
                while at_ns > due_ns:
                    yield Tick(due_ns - first_ns, due_ns, TimeStatus.FREE, arrivals)
                    arrivals = []
                    due_ns += period_ns
                    if due_ns - last_ns > GAP_TICKED_NS and at_ns - due_ns > period_ns:
                        gap_s = (at_ns - last_ns) / NS_PER_S
                        yield Remark(due_ns, f"{gap_s:g} s without a row: ticks are left out")
                        due_ns += (at_ns - due_ns) // period_ns * period_ns
                last_ns = times[end - 1]
                if events:
                    for place in range(begin, end):
                        if place in events:
                            yield Mark(times[place], events[place])
                more = Arrivals(columns, ends[begin], ends[end])
                arrivals = [*arrivals, *more] if arrivals else more  # a tick may have rows in two blocks
        if not started:
            raise RecordingError(f"{self.paths[0]}, line 2: there are no rows")
        yield Tick(due_ns - first_ns, due_ns, TimeStatus.FREE, arrivals)
        yield from channels.remarks(self._board)

    def _blocks(self) -> Iterator[Block]:
        """Of all files; RecordingError where time goes back, after the lines before that."""
        before, last_ns, last_at = 0, None, ""
        for path in self.paths:
            for block in blocks(path, self._board, self._moved(before)):
                at_ns = block.at_ns
                back = np.flatnonzero(np.diff(at_ns, prepend=at_ns[0] if last_ns is None else last_ns) < 0)
                if back.size:
                    good = int(back[0])
                    if good:
                        yield block.until(good)
                        last_at = f"{path}, line {block.lines[good - 1]}"
                    text = f"time goes back; it was later in {last_at}"
                    raise problem(path, block.lines[good], 1, TIME, text)
                yield block
                last_ns, last_at = at_ns[-1], f"{path}, line {block.lines[-1]}"
            before += path.stat().st_size

    def _moved(self, before: int) -> Callable[[int], None]:
        def moved(position: int) -> None:
            self.position = before + position

        return moved


def _ticks(at_ns: Any, due_ns: int, period_ns: int) -> Iterator[tuple[int, int]]:
    """Of the rows that enter in one tick: the first, and the one behind the last."""
    tick = -((due_ns - at_ns) // period_ns)
    first = np.flatnonzero(np.diff(tick)) + 1
    return itertools.pairwise([0, *first.tolist(), at_ns.size])


class _Channels:
    """Makes samples of cells, and keeps what is to be said about each channel in the end."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows
        self._faults: dict[int, float] = {}  # as last told
        self._heard: dict[str, tuple[int, int, int]] = {}  # first and last time, and how often

    def take(self, block: Block, first_ns: int) -> tuple[Columns, list[int]]:
        """Its samples, line by line, and where those of each line begin; a fault is told when it changes."""
        values, written = block.values, block.written
        finite = np.isfinite(values)
        faults = np.where(finite, float(Fault.NONE), float(Fault.BAD_VALUE))
        # Each cell may come to two samples: its own, and its instrument's fault.
        rows = np.array(
            [(self._rows.get(each.raw, -1), self._rows.get(each.fault, -1)) for each in block.columns],
            np.int64,
        ).reshape(-1, 2)
        told = np.stack([written, self._changed(rows[:, 1], faults, written)], axis=2) & (rows >= 0)
        columns = Columns(
            np.broadcast_to(rows, told.shape)[told].astype(np.uint32),
            np.broadcast_to((block.at_ns - first_ns)[:, None, None], told.shape)[told],
            np.stack([np.where(finite, values, np.nan), faults], axis=2)[told],
            np.stack([np.where(finite, _GOOD, _BAD), np.full(finite.shape, _GOOD)], axis=2)[told].astype(
                np.uint8
            ),
        )
        self._hear(block)
        return columns, [0, *np.cumsum(told.sum(axis=(1, 2))).tolist()]

    def _changed(self, fault_rows: Any, faults: Any, written: Any) -> Any:
        """Where the fault of an instrument is another than in its cell before."""
        changed = np.zeros(written.shape, bool)
        for row in set(fault_rows.tolist()):
            cells = written & (fault_rows == row)
            found = faults[cells]
            if found.size:
                changed[cells] = found != np.concatenate(([self._faults.get(row, -1.0)], found[:-1]))
                self._faults[row] = float(found[-1])
        return changed

    def _hear(self, block: Block) -> None:
        for column, written in zip(block.columns, block.written.T, strict=True):
            times = block.at_ns[written]
            first_ns, _, count = self._heard.setdefault(column.channel, (0, 0, 0))
            if times.size:
                begin_ns = first_ns if count else int(times[0])
                self._heard[column.channel] = begin_ns, int(times[-1]), count + times.size

    def remarks(self, board: Board) -> Iterator[Remark]:
        """Where recording and board do not fit each other."""
        absent: list[str] = []
        empty: list[str] = []
        for channel in board.channels:
            name = board.parameters[channel.row].name
            first_ns, last_ns, count = self._heard.get(name, (0, 0, 0))
            if not count:
                (empty if name in self._heard else absent).append(name)
            elif count > 1 and (last_ns - first_ns) // (count - 1) >= channel.max_age_ns:
                interval_s, age_s = (
                    (last_ns - first_ns) / (count - 1) / NS_PER_S,
                    channel.max_age_ns / NS_PER_S,
                )
                text = f"comes each {interval_s:g} s, but {board.path} calls it stale after {age_s:g} s"
                yield Remark(None, f"{name} {text}: raise its stale_after")
        if absent:
            yield Remark(None, f"no column for {', '.join(absent)}: judged as unplugged")
        if empty:
            yield Remark(None, f"not one value of {', '.join(empty)}: judged as unplugged")


def is_csv(path: Path) -> bool:
    """By its name, or by how it begins."""
    if path.suffix.lower() == SUFFIX:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16).removeprefix(b"\xef\xbb\xbf").lstrip(b'" ').startswith(TIME.encode())


def _is_dated(path: Path) -> bool:
    """Whether the first time is a date; what is wrong with the file is told when it is read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            file.readline(LONGEST_LINE)
            return parse_time(file.readline(LONGEST_LINE).partition(",")[0].strip().strip('"'))[1]
    except (OSError, ValueError):
        return False
