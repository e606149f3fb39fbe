"""Text with a header into numbers: many lines at a time, a column at a time. Every error names file, line and column.

An empty cell is none. What the numbers mean is in `csv_header`; what comes of them, in `csv_recording`.
"""

import codecs
import csv
import datetime
import functools
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fsw.board.board import Board
from fsw.ground.csv_header import TIME, Column, HeaderError, header
from fsw.ground.recording import NS_PER_S, RecordingError

LONGEST_S = 2**32  # seconds of a packet's time code
BLOCK_LINES = 1024
CHUNK_BYTES = 1 << 16
DIGITS = 9  # of a fraction of a second

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Block(NamedTuple):
    """Lines that follow one another."""

    path: Path
    lines: list[int]  # their numbers
    at_ns: Any  # i64: as written
    columns: list[Column]
    values: Any  # f64, lines x columns: SI
    written: Any  # bool, of the same shape: there is such a cell
    events: list[tuple[int, str]]  # place in `lines`, text

    def until(self, end: int) -> "Block":
        """The lines before `end`."""
        events = [each for each in self.events if each[0] < end]
        return Block(
            self.path,
            self.lines[:end],
            self.at_ns[:end],
            self.columns,
            self.values[:end],
            self.written[:end],
            events,
        )


def blocks(path: Path, board: Board, moved: Callable[[int], None]) -> Iterator[Block]:
    """All of a file; `moved` is told the bytes read. RecordingError, after all that stands before the error."""
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        table = _Table(path, board, reader)
        for lines, rows in _batches(path, reader):
            try:
                yield table.block(lines, rows)
            except ValueError:
                good, error = table.first_wrong(lines, rows)
                if good:
                    yield table.block(lines[:good], rows[:good])
                raise error from None
            moved(raw.tell())


def parse_time(text: str) -> tuple[int, bool]:
    """(ns, whether it was a date) of seconds or ISO 8601, naive = UTC; ValueError."""
    whole, _, fraction = text.partition(".")
    digits = whole[1:] if whole[:1] == "-" else whole
    if (
        digits.isdecimal()
        and digits.isascii()
        and (not fraction or (fraction.isdecimal() and fraction.isascii()))
    ):
        ns = int(digits) * NS_PER_S + int(fraction[:DIGITS].ljust(DIGITS, "0"))
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


def _batches(path: Path, reader: Any) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Numbers and cells of some lines at a time. RecordingError, after the lines before it."""
    lines: list[int] = []
    rows: list[list[str]] = []
    wrong = None
    try:
        for cells in reader:
            if not cells:
                continue
            lines.append(reader.line_num)
            rows.append(cells)
            if len(rows) == BLOCK_LINES:
                yield lines, rows
                lines, rows = [], []
    except (UnicodeDecodeError, csv.Error) as error:
        wrong = _unreadable(path, reader.line_num, error)
    if rows:
        yield lines, rows
    if wrong is not None:
        raise wrong


class _Table:
    """The columns of one file in their places, and what its times are."""

    def __init__(self, path: Path, board: Board, reader: Any) -> None:
        self._path = path
        self._at = _header(path, board, reader)
        self._channels = [(place, each) for place, each in enumerate(self._at) if each is not None]
        self._event = next((place for place, each in enumerate(self._at) if each is None and place), None)
        self._dated: bool | None = None

    def block(self, lines: list[int], rows: list[list[str]]) -> Block:
        """One line and more; ValueError where a cell is not what it must be: `first_wrong` knows where."""
        cells = list(zip(*rows, strict=True))
        if len(cells) != len(self._at):
            raise ValueError("too many cells, or too few")
        at_ns, dated = _times(cells[0])
        if self._dated not in (None, dated):
            raise ValueError("seconds and dates")
        numbers = [_numbers(cells[place]) for place, _ in self._channels]
        shape = (len(rows), len(self._channels))
        values, written = np.empty(shape), np.empty(shape, bool)
        with np.errstate(over="ignore"):
            for place, (_, column) in enumerate(self._channels):
                raw, written[:, place] = numbers[place]
                values[:, place] = column.scale * raw + column.offset
        self._dated = dated
        events = []
        if self._event is not None:
            told = enumerate(cell.strip() for cell in cells[self._event])
            events = [(place, text) for place, text in told if text]
        columns = [column for _, column in self._channels]
        return Block(self._path, lines, at_ns, columns, values, written, events)

    def first_wrong(self, lines: list[int], rows: list[list[str]]) -> tuple[int, ValueError]:
        """How many lines are as they must be, and what is wrong with the next one."""
        dated = self._dated
        for place, (line, cells) in enumerate(zip(lines, rows, strict=True)):
            try:
                dated = self._check(line, cells, dated)
            except RecordingError as error:
                return place, error
        raise AssertionError("no line is wrong")

    def _check(self, line: int, cells: Sequence[str], dated: bool | None) -> bool:
        """Whether its time is a date; RecordingError."""
        path, width = self._path, len(self._at)
        if len(cells) != width:
            raise problem(path, line, len(cells), "", f"{len(cells)} cells; the header has {width}")
        time = cells[0]
        try:
            is_date = parse_time(time.strip())[1]
        except (ValueError, OverflowError) as error:
            text = f"{time!r} is neither seconds nor an ISO 8601 date: {error}"
            raise problem(path, line, 1, TIME, text) from None
        if dated not in (None, is_date):
            raise problem(path, line, 1, TIME, f"{time!r}: write all times as seconds, or all as dates")
        for place, column in self._channels:
            try:
                _numbers([cells[place]])
            except ValueError:
                text = f"{cells[place]!r} is not a number; leave the cell empty for a missing sample"
                raise problem(path, line, place + 1, column.text, text) from None
        return is_date


def _header(path: Path, board: Board, reader: Any) -> list[Column | None]:
    cells: list[str] = []
    try:
        cells = next(reader, [])
        return header(board, cells)
    except HeaderError as error:
        raise problem(path, 1, error.column, cells[error.column - 1] if cells else "", str(error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, reader.line_num, error) from None


def _times(cells: Sequence[str]) -> tuple[Any, bool]:
    """ns, and whether they are dates; ValueError, also where only some are."""
    decimals = len(cells[0].partition(".")[2])
    lines = "\n".join(cells)
    if decimals <= DIGITS and _alike(decimals).fullmatch(lines) and lines.count("\n") == len(cells) - 1:
        steps = np.array(list(map(int, lines.replace(".", "").split("\n"))), np.int64)
        return steps * 10 ** (DIGITS - decimals), False
    try:
        times = [parse_time(cell.strip()) for cell in cells]
    except OverflowError as error:
        raise ValueError(str(error)) from None
    dated = times[0][1]
    if any(is_date is not dated for _, is_date in times):
        raise ValueError("seconds and dates")
    return np.array([ns for ns, _ in times], np.int64), dated


@functools.cache
def _alike(decimals: int) -> re.Pattern[str]:
    """Seconds with so many decimals, below LONGEST_S: what loggers write."""
    seconds = rf"(?:[0-9]{{1,9}}|[1-3][0-9]{{9}})\.[0-9]{{{decimals}}}"
    return re.compile(rf"{seconds}(?:\n{seconds})*")


def _numbers(cells: Sequence[str]) -> tuple[Any, Any]:
    """Numbers, NaN where there is none, and where there is one; ValueError where it is something else."""
    try:
        return np.array(list(map(float, cells))), np.ones(len(cells), bool)
    except ValueError:
        written = [bool(cell) and not cell.isspace() for cell in cells]
        numbers = [float(cell) if known else math.nan for cell, known in zip(cells, written, strict=True)]
        return np.array(numbers), np.array(written)


def _unreadable(path: Path, line: int, error: UnicodeDecodeError | csv.Error) -> RecordingError:
    if isinstance(error, UnicodeDecodeError):
        found = _first_undecodable(path) if path.is_file() else line + 1
        return problem(path, found, 0, "", f"is not UTF-8 text: {error.reason}")
    return problem(path, line, 0, "", str(error))


def _first_undecodable(path: Path) -> int:
    """The line of the first byte that is no UTF-8. The reader decodes many lines at once and knows only their first."""
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    with path.open("rb") as file:
        try:
            while data := file.read(CHUNK_BYTES):
                decoder.decode(data)
                before += data.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return before + error.object[: error.start].count(b"\n") + 1
    return before + 1


def problem(path: Path, line: int, column: int, name: str, text: str) -> RecordingError:
    """What to raise; column 0: all of the line."""
    at = f", column {column}" if column else ""
    named = f" ({name.strip()})" if name.strip() else ""
    return RecordingError(f"{path}, line {line}{at}{named}: {text}")
