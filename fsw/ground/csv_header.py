"""The first line of a CSV recording: which column is which channel, and how its numbers become SI."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fsw.board.board import Board
from fsw.board.problem import did_you_mean
from fsw.quantity import Reference, parse_pressure
from fsw.unit import scale

TIME, EVENT = "time_s", "event"
_COLUMN = re.compile(r"\s*([a-z][a-z0-9_]*)(?:\.([a-z][a-z0-9_]*))?\s*(?:\[([^\[\]]*)\])?\s*")


class HeaderError(ValueError):
    """What is wrong with column `column`, the first being 1."""

    def __init__(self, column: int, text: str) -> None:
        self.column = column
        super().__init__(text)


class Column(NamedTuple):
    """One channel: value * scale + offset is SI, absolute."""

    text: str
    channel: str
    raw: str  # the parameters it is written to
    fault: str
    scale: float
    offset: float


def header(board: Board, cells: Sequence[str]) -> list[Column | None]:
    """The columns in their order; None for `time_s`, which is the first, and for `event`. HeaderError."""
    if not cells or cells[0].strip() != TIME:
        found = repr(cells[0]) if cells else "nothing"
        raise HeaderError(1, f"the first column must be {TIME}, separated by commas; it is {found}")
    columns: list[Column | None] = [None]
    seen = {TIME: 1}
    for place, cell in enumerate(cells[1:], 2):
        column = None
        if cell.strip() != EVENT:
            try:
                column = _column(board, cell)
            except ValueError as error:
                raise HeaderError(place, str(error)) from None
        name = EVENT if column is None else column.channel
        if name in seen:
            raise HeaderError(place, f"{name} is in column {seen[name]} already")
        seen[name] = place
        columns.append(column)
    return columns


def _column(board: Board, cell: str) -> Column:
    match = _COLUMN.fullmatch(cell)
    if match is None:
        raise ValueError('is not "INSTRUMENT [UNIT]", such as "pt1 [bar]"')
    instrument, channel, unit = match.groups()
    tables = board.file.instruments
    if instrument not in tables:
        raise ValueError(f"{board.path} has no instrument {instrument!r}; {did_you_mean(instrument, tables)}")
    channels = tables[instrument].channels
    if channel is None:
        if len(channels) > 1:
            raise ValueError(f"{instrument} has several channels: write {_or(instrument, channels)}")
        (channel,) = channels
    if channel not in channels:
        raise ValueError(f"{instrument} has no channel {channel!r}; {did_you_mean(channel, channels)}")
    name = f"{instrument}.{channel}"
    rows = {each.name: row for row, each in enumerate(board.parameters)}
    si_unit = board.parameters[rows[name]].unit
    if unit is None and si_unit:
        raise ValueError(f'has no unit: write it as "{cell.strip()} [{si_unit}]"')
    table = channels[channel]
    if table.quantity == "pressure":
        factor, offset = _pressure(
            str(unit), table.reference or Reference.ABSOLUTE, _ambient_pa(board, rows[f"{name}.raw"])
        )
    else:
        difference = table.quantity == "pressure difference"
        factor, offset = scale((unit or "").strip(), si_unit, difference=difference)
    return Column(cell, name, f"{name}.raw", f"{instrument}.fault", factor, offset)


def _pressure(unit: str, reference: Reference, ambient_pa: float) -> tuple[float, float]:
    """As the board's channel is measured, unless the unit itself says otherwise ("bar absolute", "psig")."""
    try:
        one = parse_pressure(f"1 {unit.strip()}")
    except ValueError:
        return scale(unit.strip(), "Pa")[0], ambient_pa
    if one.reference is Reference.ABSOLUTE:
        return one.value_pa, 0.0
    if one.reference is not reference:
        raise ValueError(f"[{unit}] is {one.reference}, but the board's channel is {reference}")
    return one.value_pa, ambient_pa


def _ambient_pa(board: Board, raw_row: int) -> float:
    """What the board adds to what the instrument sends; a unit of pressure has no offset of its own."""
    for line in board.lines:
        for poll in line.polls:
            for row, offset in zip(poll.rows, poll.offset, strict=True):
                if row == raw_row:
                    return offset
    return 0.0


def _or(instrument: str, channels: Iterable[str]) -> str:
    return " or ".join(f"{instrument}.{channel}" for channel in channels)
