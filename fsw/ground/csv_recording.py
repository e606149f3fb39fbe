"""A recording made of text: `time_s`, a column for each channel, perhaps `event`; ticks at the board's rate between.

An empty cell is a sample that never came. `nan` (or an infinity) is what the instrument said, so the sample is BAD.
Every error names file, line and column.
"""

import csv
import datetime
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, NoReturn

from fsw.board.board import Board
from fsw.clock import TimeStatus
from fsw.ground.csv_header import TIME, Column, HeaderError, header
from fsw.ground.recording import NS_PER_S, Item, Mark, RecordingError, Remark, Start, Tick
from fsw.sample import Fault, Quality, Sample

SUFFIX = ".csv"
GAP_TICKED_NS = 3600 * NS_PER_S  # by then all is stale, all delays are over: more ticks would change nothing
LONGEST_S = 2**32  # seconds of a packet's time code
LONGEST_LINE = 100_000

_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Row(NamedTuple):
    """One line: its time as written, in ns, the samples of its cells but for the monitor's clock, and its event."""

    at_ns: int
    cells: list[tuple[Column, float]]
    event: str


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
        arrivals: list[Sample] = []
        started = False
        yield Start(0)
        for at_ns, cells, event in self._all_rows():
            if not started:
                started, due_ns, first_ns = True, at_ns, at_ns - period_ns
            while at_ns > due_ns:
                yield Tick(due_ns - first_ns, due_ns, TimeStatus.FREE, arrivals)
                arrivals = []
                due_ns += period_ns
                if due_ns - last_ns > GAP_TICKED_NS and at_ns - due_ns > period_ns:
                    gap_s = (at_ns - last_ns) / NS_PER_S
                    yield Remark(due_ns, f"{gap_s:g} s without a row: ticks are left out")
                    due_ns += (at_ns - due_ns) // period_ns * period_ns
            last_ns = at_ns
            if event:
                yield Mark(at_ns, event)
            channels.take(cells, at_ns, at_ns - first_ns, arrivals)
        if not started:
            raise RecordingError(f"{self.paths[0]}, line 2: there are no rows")
        yield Tick(due_ns - first_ns, due_ns, TimeStatus.FREE, arrivals)
        yield from channels.remarks(self._board)

    def _all_rows(self) -> Iterator[Row]:
        before, last_ns, last_at = 0, None, ""
        for path in self.paths:
            for line, row in _rows_of(path, self._board, self._moved(before)):
                if last_ns is not None and row.at_ns < last_ns:
                    _fail(path, line, 1, TIME, f"time goes back; it was later in {last_at}")
                last_ns, last_at = row.at_ns, f"{path}, line {line}"
                yield row
            before += path.stat().st_size

    def _moved(self, before: int) -> Callable[[int], None]:
        def moved(position: int) -> None:
            self.position = before + position

        return moved


class _Channels:
    """Makes samples of cells, and keeps what is to be said about each channel in the end."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows
        self._faults: dict[int, int] = {}  # as last told
        self._heard: dict[str, tuple[int, int, int]] = {}  # first and last time, and how often

    def take(self, cells: Sequence[tuple[Column, float]], at_ns: int, now_ns: int, out: list[Sample]) -> None:
        """Append the samples of one row; a fault is told when it changes."""
        for column, value in cells:
            fault = Fault.NONE if math.isfinite(value) else Fault.BAD_VALUE
            row, fault_row = self._rows.get(column.raw), self._rows.get(column.fault)
            if row is not None:
                out.append(
                    Sample(row, now_ns, math.nan, _BAD, fault) if fault else Sample(row, now_ns, value, _GOOD)
                )
            if fault_row is not None and self._faults.get(fault_row) != fault:
                self._faults[fault_row] = fault
                out.append(Sample(fault_row, now_ns, float(fault), _GOOD, fault))
            first_ns, _, count = self._heard.get(column.channel, (at_ns, at_ns, 0))
            self._heard[column.channel] = first_ns, at_ns, count + 1

    def remarks(self, board: Board) -> Iterator[Remark]:
        """Where recording and board do not fit each other."""
        silent = []
        for channel in board.channels:
            name = board.parameters[channel.row].name
            first_ns, last_ns, count = self._heard.get(name, (0, 0, 0))
            if not count:
                silent.append(name)
            elif count > 1 and (last_ns - first_ns) // (count - 1) >= channel.max_age_ns:
                interval_s, age_s = (
                    (last_ns - first_ns) / (count - 1) / NS_PER_S,
                    channel.max_age_ns / NS_PER_S,
                )
                text = f"comes each {interval_s:g} s, but {board.path} calls it stale after {age_s:g} s"
                yield Remark(None, f"{name} {text}: raise its stale_after")
        if silent:
            yield Remark(None, f"no column for {', '.join(silent)}: judged as unplugged")


def is_csv(path: Path) -> bool:
    """By its name, or by how it begins."""
    if path.suffix.lower() == SUFFIX:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16).removeprefix(b"\xef\xbb\xbf").lstrip(b'" ').startswith(TIME.encode())


def parse_time(text: str) -> tuple[int, bool]:
    """(ns, whether it was a date) of seconds or ISO 8601, naive = UTC; ValueError."""
    whole, _, fraction = text.partition(".")
    digits = whole[1:] if whole[:1] == "-" else whole
    if (
        digits.isdecimal()
        and digits.isascii()
        and (not fraction or (fraction.isdecimal() and fraction.isascii()))
    ):
        ns = int(digits) * NS_PER_S + int(fraction[:9].ljust(9, "0"))
        return _bounded(-ns if whole[:1] == "-" else ns), False
    try:
        seconds = Decimal(text)
        if not seconds.is_finite():
            raise ValueError("must be finite")
        return _bounded(int((seconds * NS_PER_S).to_integral_value())), False
    except InvalidOperation:
        pass
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * NS_PER_S + since.microseconds * 1000, True


def _bounded(ns: int) -> int:
    if abs(ns) >= LONGEST_S * NS_PER_S:
        raise ValueError(f"must be below {LONGEST_S} s: is it in ms?")
    return ns


def _is_dated(path: Path) -> bool:
    """Whether the first time is a date; what is wrong with the file is told when it is read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            file.readline(LONGEST_LINE)
            return parse_time(file.readline(LONGEST_LINE).partition(",")[0].strip().strip('"'))[1]
    except (OSError, ValueError):
        return False


def _rows_of(path: Path, board: Board, moved: Callable[[int], None]) -> Iterator[tuple[int, Row]]:
    """(line, row) of one file."""
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            columns = _header(path, board, next(reader, []))
            dated: bool | None = None
            for cells in reader:
                line = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(columns.at):
                    _fail(path, line, len(cells), "", f"{len(cells)} cells; the header has {len(columns.at)}")
                at_ns, is_date = _time(path, line, cells[0])
                if is_date is not dated:
                    if dated is not None:
                        _fail(
                            path, line, 1, TIME, f"{cells[0]!r}: write all times as seconds, or all as dates"
                        )
                    dated = is_date
                yield line, Row(at_ns, list(_values(path, line, columns.at, cells)), columns.event_of(cells))
                if line & 0xFF == 0:
                    moved(raw.tell())
        except UnicodeDecodeError as error:
            _fail(path, reader.line_num + 1, 0, "", f"is not UTF-8 text: {error.reason}")
        except csv.Error as error:
            _fail(path, reader.line_num, 0, "", str(error))


def _header(path: Path, board: Board, cells: list[str]) -> "_Columns":
    try:
        return _Columns(header(board, cells))
    except HeaderError as error:
        _fail(path, 1, error.column, cells[error.column - 1] if cells else "", str(error))


class _Columns:
    """The columns in their places: None for time and event."""

    def __init__(self, at: list[Column | None]) -> None:
        self.at = at
        self._event = next((place for place, each in enumerate(at) if each is None and place), None)

    def event_of(self, cells: list[str]) -> str:
        """The row's event, or nothing."""
        return cells[self._event].strip() if self._event is not None else ""


def _values(
    path: Path, line: int, columns: Sequence[Column | None], cells: Sequence[str]
) -> Iterator[tuple[Column, float]]:
    for place, (column, cell) in enumerate(zip(columns, cells, strict=True), 1):
        if column is None or not cell or cell.isspace():
            continue
        try:
            yield column, column.scale * float(cell) + column.offset
        except ValueError:
            _fail(
                path,
                line,
                place,
                column.text,
                f"{cell!r} is not a number; leave the cell empty for a missing sample",
            )


def _time(path: Path, line: int, cell: str) -> tuple[int, bool]:
    try:
        return parse_time(cell.strip())
    except (ValueError, OverflowError) as error:
        _fail(path, line, 1, TIME, f"{cell!r} is neither seconds nor an ISO 8601 date: {error}")


def _fail(path: Path, line: int, column: int, name: str, text: str) -> NoReturn:
    at = f", column {column}" if column else ""
    named = f" ({name.strip()})" if name.strip() else ""
    raise RecordingError(f"{path}, line {line}{at}{named}: {text}")
